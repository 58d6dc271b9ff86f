"""Migrations: one line of them, and what a build may do on the tables of another."""

from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from perdure.bootstrap import Runtime
from perdure.storage import migrate
from tests.contracts.checkout import ROOT


@pytest.fixture
async def database(runtime: Runtime) -> AsyncGenerator[str]:
    """An empty database of the test's own: its address."""
    name = f"migrations_{uuid4().hex}"
    await run(runtime.endpoints.database_url, f"CREATE DATABASE {name}")
    yield make_url(runtime.endpoints.database_url).set(database=name).render_as_string(hide_password=False)
    await run(runtime.endpoints.database_url, f"DROP DATABASE {name}")


async def run(url: str, statement: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


def test_migrations_form_one_line() -> None:
    scripts = ScriptDirectory.from_config(Config(ROOT / "alembic.ini"))

    assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1
    assert not [script.revision for script in scripts.walk_revisions() if script.is_branch_point]


async def test_a_database_that_is_behind_is_not_ready_until_it_is_migrated(database: str) -> None:
    assert not await migrate.is_ready(database)
    await migrate.upgrade(database)
    assert await migrate.is_ready(database)
    await run(database, "UPDATE alembic_version SET version_num = '0001'")
    assert not await migrate.is_ready(database)


async def test_on_the_tables_of_a_newer_version_a_build_works_and_leaves_them_alone(database: str) -> None:
    await migrate.upgrade(database)
    await run(database, "UPDATE alembic_version SET version_num = 'of a build to come'")

    assert await migrate.is_ready(database)
    await migrate.upgrade(database)
    assert await migrate.is_ready(database)
