"""Reads and transactions that wait for a database that is away: what was paid for is not given up."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.storage.engine import Sessions, Single
from perdure.storage.outages import waiting_out

Found = TypeVar("Found")


class PatientDatabase:
    """The database of a worker's activities."""

    def __init__(self, sessions: Sessions, database: Single) -> None:
        self._sessions = sessions
        self._database = database

    async def read(self, work: Callable[[AsyncConnection], Awaitable[Found]]) -> Found:
        """Do reading work on one connection."""
        async for attempt in waiting_out():
            with attempt:
                async with self._database.connect() as connection:
                    return await work(connection)
        raise AssertionError  # waiting_out ends by returning or by raising

    async def write(self, work: Callable[[AsyncSession], Awaitable[Found]]) -> Found:
        """Do a transaction's work."""
        async for attempt in waiting_out():
            with attempt:
                async with self._sessions.begin() as session:
                    return await work(session)
        raise AssertionError  # as above
