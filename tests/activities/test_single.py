"""Connections for single statements, on PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from perdure.bootstrap import Runtime
from perdure.storage import engine
from perdure.storage.engine import Single, make_engine
from perdure.storage.outages import is_outage

_PID = text("SELECT pg_backend_pid()")


@pytest.fixture
async def single(runtime: Runtime) -> AsyncGenerator[Single]:
    single = Single(runtime.endpoints.database_url, pool_size=2)
    yield single
    await single.dispose()


async def _pid(single: Single) -> int:
    async with single.connect() as connection:
        return int((await connection.execute(_PID)).scalar_one())


async def _terminate(runtime: Runtime, pids: set[int]) -> None:
    """End these backends, and let this process's loop hear of it."""
    terminate = text("SELECT pg_terminate_backend(CAST(pid AS int), 5000) FROM unnest(CAST(:pids AS int[])) AS pid")
    async with runtime.engine.connect() as connection:
        assert all((await connection.execute(terminate, {"pids": list(pids)})).scalars())


async def test_a_connection_is_used_again_and_leaves_no_transaction_open(single: Single, runtime: Runtime) -> None:
    first = await _pid(single)
    async with single.connect() as connection:
        await connection.execute(text("CREATE TEMPORARY TABLE kept AS SELECT 1 AS one"))
    async with single.connect() as connection:
        assert (await connection.execute(_PID)).scalar_one() == first
        assert (await connection.execute(text("SELECT one FROM kept"))).scalar_one() == 1
    state = text("SELECT state FROM pg_stat_activity WHERE pid = :pid")
    async with runtime.engine.connect() as connection:
        assert (await connection.execute(state, {"pid": first})).scalar_one() == "idle"


async def test_a_wrong_statement_costs_no_connection(single: Single) -> None:
    first = await _pid(single)
    with pytest.raises(DBAPIError):
        async with single.connect() as connection:
            await connection.execute(text("SELECT 1 / 0"))
    assert await _pid(single) == first


async def test_connections_that_the_server_has_closed_are_not_lent_again(single: Single, runtime: Runtime) -> None:
    async with single.connect() as one, single.connect() as other:
        pids = {int((await each.execute(_PID)).scalar_one()) for each in (one, other)}
    await _terminate(runtime, pids)
    async with single.connect() as one, single.connect() as other:
        anew = {int((await each.execute(_PID)).scalar_one()) for each in (one, other)}
    assert not anew & pids


async def test_a_transaction_begins_on_a_connection_that_is_open(runtime: Runtime) -> None:
    pool = make_engine(runtime.endpoints.database_url, pool_size=1)
    try:
        for _ in range(2):
            async with pool.begin() as connection:
                pid = int((await connection.execute(_PID)).scalar_one())
            await _terminate(runtime, {pid})
    finally:
        await pool.dispose()


async def test_a_connection_lost_in_use_lets_go_of_all(single: Single, runtime: Runtime) -> None:
    async with single.connect() as one, single.connect() as other:
        pids = {int((await each.execute(_PID)).scalar_one()) for each in (one, other)}

    async def lose_it() -> None:
        async with single.connect() as connection:
            pid = int((await connection.execute(_PID)).scalar_one())
            await _terminate(runtime, {pid})
            await connection.execute(_PID)

    with pytest.raises(DBAPIError) as lost:
        await lose_it()
    assert is_outage(lost.value)
    async with single.connect() as one, single.connect() as other:
        anew = {int((await each.execute(_PID)).scalar_one()) for each in (one, other)}
    assert not anew & pids


async def test_a_cancelled_statement_leaves_a_place_and_no_connection(single: Single, runtime: Runtime) -> None:
    first = await _pid(single)
    begun = text("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'")

    async def sleep() -> None:
        async with single.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(60)"))

    sleeping = [asyncio.create_task(sleep()) for _ in range(2)]
    # A transaction would see the same activity again and again.
    async with runtime.single.connect() as connection, asyncio.timeout(10):
        while True:
            if (await connection.execute(begun)).scalar_one() == len(sleeping):
                break
            await asyncio.sleep(0.01)
    for task in sleeping:
        task.cancel()
    await asyncio.wait(sleeping)
    assert all(task.cancelled() for task in sleeping)
    async with single.connect() as one, single.connect() as other:
        pids = {int((await each.execute(_PID)).scalar_one()) for each in (one, other)}
    assert len(pids) == 2
    assert first not in pids


async def test_who_finds_none_free_waits_but_not_for_ever(single: Single, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PATIENCE_SECONDS", 0.05)
    async with single.connect(), single.connect():
        with pytest.raises(PoolTimeoutError, match="free"):
            await _pid(single)
        waiting = asyncio.create_task(_pid(single))
        await asyncio.sleep(0)
    assert await waiting > 0
