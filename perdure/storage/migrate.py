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
    """Run every migration that the database has not seen. Nothing happens where a newer version has migrated it."""

    def run(connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        config = _config()
        if _is_ahead(connection, ScriptDirectory.from_config(config)):
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    await _on_connection(database_url, run)


async def is_ready(database_url: str) -> bool:
    """Whether this code can work on the database's tables: they are its own, or those of a newer version.

    Runs are pinned to the build that they started on, so workers of the build before must start after a migration too.
    Migrations are written for that: they leave tables on which the build before works (docs/deploying.md).
    """
    found: list[bool] = []

    def compare(connection: Connection) -> None:
        scripts = ScriptDirectory.from_config(_config())
        found.append(_is_ahead(connection, scripts) or _revisions(connection) == set(scripts.get_heads()))

    await _on_connection(database_url, compare)
    return found[0]


def _is_ahead(connection: Connection, scripts: ScriptDirectory) -> bool:
    """Whether the database's last migration is none of ours: migrations form one line, so it comes after ours."""
    ours = {script.revision for script in scripts.walk_revisions()}
    return not _revisions(connection) <= ours


def _revisions(connection: Connection) -> set[str]:
    return set(MigrationContext.configure(connection).get_current_heads())


async def _on_connection(database_url: str, work: Callable[[Connection], None]) -> None:
    engine = create_async_engine(database_url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(work)
            await connection.commit()
    finally:
        await engine.dispose()
