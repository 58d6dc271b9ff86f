"""The connection pool of one process."""

from uuid import uuid4

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine


def _to_json(value: object) -> str:
    return orjson.dumps(value).decode()


def make_engine(database_url: str, *, pool_size: int) -> AsyncEngine:
    """Build the pool; nothing connects before its first use. `database_url` has the form `postgresql+asyncpg://`."""
    return create_async_engine(
        database_url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=False,
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


Sessions = async_sessionmaker[AsyncSession]


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Make the factory of sessions: one is one transaction, committed at the edge of its request or activity."""
    return async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
