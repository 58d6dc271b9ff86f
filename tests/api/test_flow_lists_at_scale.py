"""A hundred thousand flows of one user: every list finds its page by an index."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any, cast

import pytest
from sqlalchemy import ClauseElement, make_url, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from perdure.bootstrap import Runtime
from perdure.domain.flow_lists import FlowQuery
from perdure.storage import migrate
from perdure.storage.engine import make_engine
from perdure.storage.flow_lists import list_flows, list_statement, shape_and_parameters

pytestmark = pytest.mark.timeout(180)

_LOAD = """
INSERT INTO flows (id, user_id, flow_type, name, description, definition, is_public, is_active, version, tags,
                   category, created_at, updated_at)
SELECT gen_random_uuid(), :user_id, CASE WHEN n % 2 = 0 THEN 'agentflow' ELSE 'chatflow' END, 'Flow ' || n,
       CASE WHEN n % 1000 = 0 THEN '고객 지원' ELSE 'Q' || n % 100 END, '{}', n % 100 = 0, n % 20 <> 0, 1,
       ARRAY['tag' || n % 500], 'category' || n % 10, now() - n * interval '1 s',
       now() - (n * 7919 % 100000) * interval '1 s'
FROM generate_series(1, :flows) AS n
"""


@pytest.fixture(scope="module")
async def engine(runtime: Runtime) -> AsyncGenerator[AsyncEngine]:
    """A database of its own, so that other tests' lists stay short."""
    url = make_url(runtime.endpoints.database_url)
    own = url.set(database="perdure_at_scale").render_as_string(hide_password=False)
    async with runtime.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("DROP DATABASE IF EXISTS perdure_at_scale"))
        await connection.execute(text("CREATE DATABASE perdure_at_scale"))
    await migrate.upgrade(own)
    engine = make_engine(own, pool_size=2).execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("INSERT INTO users (email) VALUES ('a@example.com'), ('b@example.com')"))
        await connection.execute(text(_LOAD), {"user_id": 1, "flows": 100_000})
        await connection.execute(text(_LOAD), {"user_id": 2, "flows": 30})
        await connection.execute(text("VACUUM ANALYZE flows, flow_activity, flow_totals"))
    yield engine
    await engine.dispose()


@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    async with engine.connect() as connection:
        yield connection


async def _plan(connection: AsyncConnection, user_id: int, query: FlowQuery) -> list[dict[str, Any]]:
    """Run the list's statement and give the nodes of its plan."""
    shape, parameters = shape_and_parameters(user_id, query)
    statement = cast("ClauseElement", list_statement(shape)).params(parameters)
    sql = statement.compile(dialect=postgresql.asyncpg.dialect(), compile_kwargs={"literal_binds": True})
    found = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}".replace("%%", "%"))
    return list(_nodes(found.scalar_one()[0]["Plan"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("Plans", []):
        yield from _nodes(part)


PAGES: list[tuple[dict[str, Any], str]] = [
    ({}, "ix_flows_created_at"),
    ({"sort_order": "asc"}, "ix_flows_created_at"),
    ({"sort_by": "updated_at"}, "ix_flows_updated_at"),
    ({"sort_by": "name", "sort_order": "asc"}, "ix_flows_name_key"),
    ({"sort_by": "execution_count"}, "ix_flow_activity_count"),
    ({"flow_type": "chatflow"}, "ix_flows_created_at"),
    ({"flow_type": "agentflow", "is_active": True, "sort_by": "name"}, "ix_flows_name_key"),
    ({"category": "category3"}, "ix_flows_category"),
    ({"scope": "public"}, "ix_flows_public"),
]
MATCHES: list[tuple[dict[str, Any], str]] = [
    ({"tags": ["tag7", "tag8"]}, "ix_flows_tags"),
    ({"search": "고객"}, "ix_flows_grams"),
    ({"search": "flow 77777"}, "ix_flows_grams"),
    ({"search": "nowhere", "flow_type": "chatflow", "sort_by": "name"}, "ix_flows_grams"),
]


@pytest.mark.parametrize(("query", "index"), [*PAGES, *MATCHES])
async def test_each_list_uses_its_index(connection: AsyncConnection, query: dict[str, Any], index: str) -> None:
    nodes = await _plan(connection, 2 if "scope" in query else 1, FlowQuery.model_validate(query))

    assert index in {node.get("Index Name") for node in nodes}
    read_whole = {node["Relation Name"] for node in nodes if "Seq Scan" in node["Node Type"]}
    assert read_whole <= {"flow_totals"}


@pytest.mark.parametrize("query", [query for query, _ in PAGES if "category" not in query and "scope" not in query])
async def test_a_page_reads_little_more_than_itself(connection: AsyncConnection, query: dict[str, Any]) -> None:
    nodes = await _plan(connection, 1, FlowQuery.model_validate(query))

    assert max(node["Actual Rows"] * node["Actual Loops"] for node in nodes) <= 100


async def test_a_deep_page_is_cut_out_of_an_index(connection: AsyncConnection) -> None:
    nodes = await _plan(connection, 1, FlowQuery(page=4000))

    from_table = [node for node in nodes if node["Node Type"] == "Index Scan"]
    assert max(node["Actual Rows"] * node["Actual Loops"] for node in from_table) <= 20


async def test_totals_and_pages_are_right_among_so_many(connection: AsyncConnection) -> None:
    async def total(user_id: int, **query: object) -> int:
        page = await list_flows(connection, user_id, FlowQuery.model_validate(query))
        assert len(page.flows) == min(page.total, 20)
        return page.total

    assert await total(1) == 100_000
    assert await total(1, flow_type="agentflow") == 50_000
    assert await total(1, is_active=False) == 5_000
    assert await total(1, category="category3") == 10_000
    assert await total(1, tags=["tag7", "tag8"]) == 400
    assert await total(1, search="고객") == 100
    assert await total(1, search="Q42") == 1_000
    assert await total(1, search="4") == await total(1, search="4", sort_by="name")
    assert await total(2, search="flow") == 30
    assert await total(2, scope="public") == 1_000
