"""Heartbeats in the background: cancellation reaches an activity by no other way, and a dead worker is noticed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

from temporalio import activity

SHORTEST_SECONDS = 1.0
"""How often an activity beats: a model call that is over by then costs the server no beat. With the worker's throttle
this bounds how long a model call lives on that was cancelled past the API."""

LONGEST_SECONDS = 4.0
"""How seldom where many beat: twice within the time after which a silent worker is taken for dead."""

BEATS_PER_SECOND = 100
"""Of one worker. The server writes each down: those of hundreds of slow model calls would cost more than the runs."""

HASTENED_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""The pauses before each beat of an activity whose run is to stop: the run's workflow has to ask for it first."""


@dataclass(eq=False)
class _Beating:
    """One activity that beats."""

    workflow_id: str
    hastened: asyncio.Event = field(default_factory=asyncio.Event)


_beating: set[_Beating] = set()
"""Those of this process."""


@asynccontextmanager
async def heartbeating() -> AsyncGenerator[None]:
    """Beat until the block is left."""
    beating = _Beating(activity.info().workflow_id or "")
    _beating.add(beating)
    task = asyncio.create_task(_beat(beating))
    try:
        yield
    finally:
        _beating.discard(beating)
        task.cancel()


def hasten(execution_id: UUID) -> None:
    """Let the activities of an execution beat at once: it has been asked to stop."""
    for each in _beating:
        if each.workflow_id == str(execution_id):
            each.hastened.set()


def interval(beating: int) -> float:
    """Seconds between two beats of one activity, of so many that beat at the same time."""
    return min(max(SHORTEST_SECONDS, beating / BEATS_PER_SECOND), LONGEST_SECONDS)


async def _beat(beating: _Beating) -> None:
    while True:
        # Not at once: what is done before the first beat costs the server no call.
        with suppress(TimeoutError):
            async with asyncio.timeout(interval(len(_beating))):
                await beating.hastened.wait()
        if not beating.hastened.is_set():
            activity.heartbeat()
            continue
        beating.hastened.clear()
        for pause in HASTENED_SECONDS:
            await asyncio.sleep(pause)
            activity.heartbeat()
