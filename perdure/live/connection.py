"""A connection of its own to PostgreSQL for one side of the live channel, and how to get it back."""

import asyncio
import logging
from itertools import chain, repeat

import asyncpg

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10
COMMAND_SECONDS = 30
CLOSE_SECONDS = 1
BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Waits between attempts to connect; the last one repeats."""

LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""What a statement raises when the server or the way to it is gone, or the server refuses for now.

`InternalClientError` is asyncpg's own confusion when the server goes away between two statements.
"""


async def connect(database_url: str, application_name: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Connect once. `database_url` may carry SQLAlchemy's `postgresql+asyncpg://`."""
    return await asyncpg.connect(
        database_url.replace("postgresql+asyncpg://", "postgresql://", 1),
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        server_settings={"application_name": application_name, "jit": "off"},
    )


async def connect_again(database_url: str, application_name: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Connect, however long it takes the server to come back; says so once, and again when it is there."""
    for attempt, wait in enumerate(chain(BACKOFF_SECONDS, repeat(BACKOFF_SECONDS[-1]))):
        try:
            connection = await connect(database_url, application_name)
        except LOST as error:
            if attempt == 0:
                logger.warning("The live channel cannot reach the database and tries again: %s", error)
            await asyncio.sleep(wait)
            continue
        if attempt:
            logger.info("The live channel has reached the database.")
        return connection
    raise AssertionError  # pragma: no cover: the waits never run out


async def close(connection: "asyncpg.Connection[asyncpg.Record] | None") -> None:
    """Close, in order if the server answers, and in any case."""
    if connection is None or connection.is_closed():
        return
    try:
        await connection.close(timeout=CLOSE_SECONDS)
    except LOST:
        connection.terminate()


def report_crash(task: asyncio.Task[None]) -> None:
    """Say that one side of the channel has died of a bug, which nobody awaits; cancelling it is its normal end."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("%s has died; live updates are off until a restart.", task.get_name(), exc_info=error)
