"""Heartbeats in the background: cancellation reaches an activity by no other way, and a dead worker is noticed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from temporalio import activity

SHORTEST_SECONDS = 0.5
"""How often an activity beats; with the worker's throttle this bounds how long a cancelled model call lives on."""

LONGEST_SECONDS = 4.0
"""How seldom where many beat: twice within the time after which a silent worker is taken for dead."""

BEATS_PER_SECOND = 100
"""Of one worker. The server writes each down: those of hundreds of slow model calls would cost more than the runs."""

_beating: set[asyncio.Task[None]] = set()
"""Those of this process."""


@asynccontextmanager
async def heartbeating() -> AsyncGenerator[None]:
    """Beat until the block is left."""
    task = asyncio.create_task(_beat())
    _beating.add(task)
    try:
        yield
    finally:
        _beating.discard(task)
        task.cancel()


def interval(beating: int) -> float:
    """Seconds between two beats of one activity, of so many that beat at the same time."""
    return min(max(SHORTEST_SECONDS, beating / BEATS_PER_SECOND), LONGEST_SECONDS)


async def _beat() -> None:
    while True:
        # Not at once: what is done before the first beat costs the server no call.
        await asyncio.sleep(interval(len(_beating)))
        activity.heartbeat()
