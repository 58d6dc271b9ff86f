"""Heartbeats in the background: cancellation reaches an activity by no other way, and a dead worker is noticed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from temporalio import activity

INTERVAL_SECONDS = 0.5
"""How often; with the worker's throttle this bounds how long a cancelled model call lives on."""


@asynccontextmanager
async def heartbeating() -> AsyncGenerator[None]:
    """Beat until the block is left."""
    beating = asyncio.create_task(_beat())
    try:
        yield
    finally:
        beating.cancel()


async def _beat() -> None:
    while True:
        # Not at once: what is done before the first beat costs the server no call.
        await asyncio.sleep(INTERVAL_SECONDS)
        activity.heartbeat()
