"""The connections of one process: a pool for transactions, and one for what is one statement."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import orjson
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

PATIENCE_SECONDS = 10
"""How long a free connection is waited for."""


def _to_json(value: object) -> str:
    return orjson.dumps(value).decode()


def make_engine(database_url: str, *, pool_size: int, autocommit: bool = False) -> AsyncEngine:
    """Build a pool; nothing connects before its first use. `database_url` has the form `postgresql+asyncpg://`."""
    engine = create_async_engine(
        database_url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=PATIENCE_SECONDS,
        pool_pre_ping=False,
        isolation_level="AUTOCOMMIT" if autocommit else None,
        json_serializer=_to_json,
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": 10,
            "command_timeout": 60,
            "server_settings": {"application_name": "perdure", "jit": "off"},
            # Unique names, so that a pooler such as PgBouncer between us and the server does no harm.
            "prepared_statement_name_func": lambda: f"__perdure_{uuid4()}__",
        },
    )
    listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(pooled: AdaptedConnection, _record: object, _proxy: object) -> None:
    """Connect anew where the server has hung up meanwhile: nobody needs to fail to find that out."""
    if pooled.driver_connection.is_closed():
        raise InvalidatePoolError


class Single:
    """Connections for what is one statement: it is a transaction by itself, which saves two round trips.

    Once made they stay out of SQLAlchemy's pool: taking one from there and giving it back costs nearly as much as the
    statement (decision 20).

    Args:
        database_url: as `make_engine` takes it.
        pool_size: how many statements may run at the same time; the next one waits.
    """

    def __init__(self, database_url: str, *, pool_size: int) -> None:
        self._engine = make_engine(database_url, pool_size=pool_size, autocommit=True)
        self._places = asyncio.Semaphore(pool_size)
        self._idle: list[AsyncConnection] = []

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[AsyncConnection]:
        """Lend a connection for a statement, or a few that need not be of one moment.

        Raises sqlalchemy's TimeoutError when none is free for `PATIENCE_SECONDS`.
        """
        try:
            async with asyncio.timeout(PATIENCE_SECONDS if self._places.locked() else None):
                await self._places.acquire()
        except TimeoutError:
            msg = f"No connection to the database was free for {PATIENCE_SECONDS} s."
            raise PoolTimeoutError(msg) from None
        try:
            connection = await self._take()
            try:
                yield connection
            except DBAPIError as error:
                if error.connection_invalidated:
                    # The server is gone, and with it what the others were connected to.
                    await self._let_go()
                raise
            finally:
                if connection.invalidated:  # lost, or in the middle of a statement that was cancelled
                    await connection.close()
                else:
                    self._idle.append(connection)
        finally:
            self._places.release()

    async def _take(self) -> AsyncConnection:
        while self._idle:
            connection = self._idle.pop()
            if not _hung_up(connection):
                return connection
            await connection.close()
        return await self._engine.connect()

    async def dispose(self) -> None:
        """Close the connections."""
        await self._let_go()
        await self._engine.dispose()

    async def _let_go(self) -> None:
        while self._idle:
            await self._idle.pop().close()


def _hung_up(connection: AsyncConnection) -> bool:
    held = connection.sync_connection
    driver = held.connection.driver_connection if held else None
    return driver is None or driver.is_closed()


Sessions = async_sessionmaker[AsyncSession]


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Make the factory of sessions: one is one transaction, committed at the edge of its request or activity."""
    return async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
