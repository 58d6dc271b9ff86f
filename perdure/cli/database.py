"""Reaching the database from the command line."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from perdure.domain.errors import SetupError
from perdure.embedded.endpoints import configured_database_url, resolve_endpoints
from perdure.settings import Settings
from perdure.storage import migrate
from perdure.storage.engine import make_engine, make_sessions

_POSTGRES_PORT = 5432

ADMIN_EMAIL = "admin@localhost"
"""The user that the first `up` makes."""


def database_url(settings: Settings) -> str:
    """Say where the database is; Temporal need not run for that."""
    return configured_database_url(settings) or resolve_endpoints(settings).database_url


async def checked_database(settings: Settings) -> str:
    """Return the address of a database that answers and whose tables this version can work on.

    Raises:
        SetupError: it is not so.
    """
    url = database_url(settings)
    await reach(url)
    if not await migrate.is_ready(url):
        raise SetupError("The database's tables are older than this version: run `perdure migrate`.")
    return url


async def reach(url: str) -> None:
    """See that the database lets us in.

    Raises:
        SetupError: it does not. Of the address, the sentence repeats host and port alone.
    """
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 10})
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (OSError, DBAPIError, asyncpg.PostgresError) as error:
        if _nobody_there(error):
            raise SetupError(
                f"The database does not answer{_place(url)}: check that it runs, and PERDURE_DATABASE__URL."
            ) from error
        reason = error.orig if isinstance(error, DBAPIError) and error.orig else error
        raise SetupError(f"The database does not let us in ({reason}): check PERDURE_DATABASE__URL.") from error
    finally:
        await engine.dispose()


def _nobody_there(error: Exception) -> bool:
    """Tell a way that leads nowhere from a server that turns us away: asyncpg has a bare ConnectionError for no TLS."""
    return isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and type(error) is not ConnectionError


def _place(url: str) -> str:
    where = make_url(url)
    return f" at {where.host}:{where.port or _POSTGRES_PORT}" if where.host else ""


@asynccontextmanager
async def transaction(url: str) -> AsyncGenerator[AsyncSession]:
    """Open one transaction, committed at the end of the block."""
    engine = make_engine(url, pool_size=1)
    try:
        async with make_sessions(engine).begin() as session:
            yield session
    finally:
        await engine.dispose()
