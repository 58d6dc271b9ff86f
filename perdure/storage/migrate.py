"""Bring a database's schema to what this code expects. Safe to run by several processes at once."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

_ROOT = Path(__file__).resolve().parents[2]
_LOCK = 0x70657264757265  # "perdure": the advisory lock under which one process at a time migrates


def _config() -> Config:
    return Config(_ROOT / "alembic.ini")


async def upgrade(database_url: str) -> None:
    """Run every migration that the database has not seen."""

    def run(connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    await _on_connection(database_url, run)


async def is_current(database_url: str) -> bool:
    """Whether the database has seen every migration of this code."""
    found: list[bool] = []

    def compare(connection: Connection) -> None:
        heads = set(ScriptDirectory.from_config(_config()).get_heads())
        found.append(set(MigrationContext.configure(connection).get_current_heads()) == heads)

    await _on_connection(database_url, compare)
    return found[0]


async def _on_connection(database_url: str, work: Callable[[Connection], None]) -> None:
    engine = create_async_engine(database_url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(work)
            await connection.commit()
    finally:
        await engine.dispose()
