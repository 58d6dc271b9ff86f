"""Reaching the database from the command line."""

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from perdure.domain.errors import SetupError


async def reach(database_url: str) -> None:
    """See that the database lets us in.

    Raises:
        SetupError: it does not; the sentence repeats neither its address nor its password.
    """
    engine = create_async_engine(database_url, poolclass=NullPool, connect_args={"timeout": 10})
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (OSError, DBAPIError, asyncpg.PostgresError) as error:
        reason = error.orig if isinstance(error, DBAPIError) and error.orig else error
        raise SetupError(f"The database does not let us in ({reason}): check PERDURE_DATABASE__URL.") from error
    finally:
        await engine.dispose()
