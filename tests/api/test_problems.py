"""Whatever is sent, the answer is a problem that a person can act on, and never a 500."""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.app import create_app
from api.bodies import StrictJsonRoute
from api.problems import KINDS, type_of
from perdure.bootstrap import Runtime
from perdure.domain.flows import AgentflowView
from perdure.settings import ApiSettings
from perdure.storage.engine import Single, make_engine, make_sessions
from tests.api.callers import AGENTFLOWS, BASE_URL, CHATFLOWS, FLOWS, Call, Caller, problem_of

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b"{"),
        (400, b'{"name": "x",}'),
        (400, b'{"name": "\xff"}'),
        (400, b'{"name": "\xed\xa0\x80"}'),
        (400, b'{"name": "\\ud800"}'),
        (400, b'{"name": "\x00"}'),
        (400, b'{"name": NaN}'),
        (400, b'{"name": "x", "graph_definition": {"a": Infinity}}'),
        (400, b"[" * 100_000),
        (400, b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
        (422, b'{"name": "x", "communication_protocol": ' + b"[" * 150 + b"]" * 150 + b"}"),
        (422, b'{"name": "\\u0000"}'),
        (422, b'{"name": "x", "tags": ["a\\u0000b"]}'),
        (422, b'{"name": "x", "graph_definition": {"a\\u0000": 1}}'),
        (422, b'{"name": "x", "graph_definition": {"a": 1' + b"0" * 400 + b"}}"),
        (422, b'{"name": "x", "graph_definition": {"a": 9223372036854775808}}'),
        (422, b'{"name": "x", "graph_definition": {"a": 1e999}}'),
        (422, b"null"),
        (422, b"[]"),
        (422, b'"name"'),
        (422, b""),
        (422, b'{"name": "' + b"x" * 256 + b'"}'),
    ],
)
async def test_a_body_that_cannot_be_kept(alice: Caller, status: int, body: bytes) -> None:
    await alice.problem(status, "POST", AGENTFLOWS, content=body, headers=JSON)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "nonsense", ""])
async def test_a_body_of_another_type(alice: Caller, kind: str) -> None:
    await alice.problem(415, "POST", CHATFLOWS, content=b'{"name": "x"}', headers={"Content-Type": kind})


async def test_json_by_its_other_names_is_taken(alice: Caller) -> None:
    for kind in ("application/json; charset=utf-8", "application/merge-patch+json"):
        await alice.ok("POST", CHATFLOWS, content=b'{"name": "x"}', headers={"Content-Type": kind})


async def test_what_is_large_but_in_its_limits_is_kept(alice: Caller) -> None:
    drawing = {"nodes": [{"id": n, "big": 2**63 - 1, "text": "\\u0000 is no NUL"} for n in range(20_000)]}

    flow = await alice.chatflow(graph_definition=drawing, description="가" * 2_000)

    assert flow["graph_definition"] == drawing


@pytest.mark.parametrize("path", [f"{FLOWS}?search=%00", f"{FLOWS}?a%00=b", f"{FLOWS}/%00", "/%00"])
async def test_a_nul_in_the_address(alice: Caller, path: str) -> None:
    await alice.problem(400, "GET", path)


@pytest.mark.parametrize("query", ["search=%FF", "tags=%ED%A0%80", "search=%F0%9F%98%80", "category='", "unknown=1"])
async def test_odd_queries_find_nothing_and_break_nothing(alice: Caller, query: str) -> None:
    await alice.agentflow()

    assert (await alice.ok("GET", f"{FLOWS}?{query}"))["total"] == (1 if query == "unknown=1" else 0)


async def test_an_unknown_path_and_a_wrong_method(alice: Caller) -> None:
    flow = await alice.agentflow()

    missing = await alice.problem(404, "GET", "/api/nothing")
    assert missing["instance"] == "/api/nothing"
    for path, allowed in ((FLOWS, "GET"), (AGENTFLOWS, "GET, POST"), (f"{FLOWS}/{flow['id']}", "GET, PUT, DELETE")):
        answer = await alice.ask("PATCH", path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == allowed
        problem_of(answer)


async def test_what_was_sent_is_never_told_back(alice: Caller) -> None:
    secret = "sk-my-secret-key"

    problem = await alice.problem(422, "POST", AGENTFLOWS, json={"name": "x", "tags": secret, "agents": [{"name": 1}]})

    assert secret not in json.dumps(problem)


async def test_a_constant_is_told_as_callers_know_it(alice: Caller) -> None:
    flow = await alice.agentflow()

    for method, path in (("POST", AGENTFLOWS), ("PUT", f"{FLOWS}/{flow['id']}")):
        problem = await alice.problem(422, method, path, json={"name": "x", "flow_type": "chatflow"})
        assert problem["detail"] == "flow_type: Input should be 'agentflow'"


async def test_pages_of_elsewhere_may_use_the_methods_there_are(stranger: Call, app: FastAPI) -> None:
    asking = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "PUT"}
    answer = await stranger.ask("OPTIONS", FLOWS, headers=asking)

    offered = set(answer.headers["access-control-allow-methods"].split(", "))
    served = {method.upper() for path in app.openapi()["paths"].values() for method in path}
    assert offered == served


async def test_each_type_of_problem_can_be_looked_up(stranger: Call) -> None:
    for kind in KINDS:
        told = await stranger.ok("GET", type_of(kind))
        assert told["status"] == kind.status
    await stranger.problem(404, "GET", "/problems/none")


def test_every_route_reads_json_strictly(app: FastAPI) -> None:
    routes = [context.original_route for context in iter_route_contexts(app.routes)]
    reading = [route for route in routes if isinstance(route, APIRoute) and route.body_field is not None]

    assert len(reading) > 10
    assert [route.path for route in reading if not isinstance(route, StrictJsonRoute)] == []


async def test_the_document_tells_of_every_problem_and_example(stranger: Call) -> None:
    document = await stranger.ok("GET", "/openapi.json")

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if not path.startswith("/api/"):
                continue
            assert operation["operationId"], path
            problems = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
            assert "401" in problems, (method, path)
            for status, answer in problems.items():
                assert answer["content"]["application/problem+json"]["example"]["status"] == int(status), (method, path)
    references = set(find_references(document))
    assert {reference.removeprefix("#/components/schemas/") for reference in references} <= set(
        document["components"]["schemas"]
    )
    body = document["paths"]["/api/agent-builder/agentflows/{flow_id}"]["put"]["requestBody"]
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/AgentflowUpdate"}
    partial = document["components"]["schemas"]["AgentflowUpdate"]
    assert "required" not in partial
    assert set(partial["properties"]) >= set(AgentflowView.model_fields)
    flows = document["paths"]["/api/agent-builder/flows"]["get"]
    assert flows["security"] == [{"Login": []}, {"Token": []}]
    assert document["components"]["securitySchemes"]["Login"]["flows"]["password"]["tokenUrl"] == "/api/auth/login"


def find_references(node: Any) -> list[str]:  # noqa: ANN401 - any part of a JSON document
    if isinstance(node, dict):
        own = [str(node["$ref"])] if "$ref" in node else []  # pyright: ignore[reportUnknownArgumentType]
        return own + [found for part in node.values() for found in find_references(part)]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(node, list):
        return [found for part in node for found in find_references(part)]  # pyright: ignore[reportUnknownVariableType]
    return []


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large(alice: Caller, runtime: Runtime, chunked: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"name": "'
        for _ in range(100):
            yield b"x" * 100
        yield b'"}'

    taking = runtime.settings.model_copy(update={"api": ApiSettings(max_body_bytes=1000)})
    transport = httpx2.ASGITransport(create_app(replace(runtime, settings=taking)))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL, headers=alice.client.headers) as client:
        call = Call(client)
        content = chunks() if chunked else b"x" * 1001
        await call.problem(413, "POST", AGENTFLOWS, content=content, headers=JSON)
        await call.ok("POST", AGENTFLOWS, json={"name": "small"})
        assert (await client.get("/api/nothing", headers={"Origin": "http://localhost:3000"})).headers[
            "access-control-allow-origin"
        ] == "http://localhost:3000"


@pytest.fixture
async def lost(runtime: Runtime) -> AsyncGenerator[FastAPI]:
    """An API whose database is not there."""
    nowhere = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
    engine, single = make_engine(nowhere, pool_size=1), Single(nowhere, pool_size=1)
    yield create_app(replace(runtime, engine=engine, single=single, sessions=make_sessions(engine)))
    await single.dispose()
    await engine.dispose()


async def test_a_lost_database_is_said_so(alice: Caller, lost: FastAPI) -> None:
    transport = httpx2.ASGITransport(lost)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL, headers=alice.client.headers) as client:
        for path in (FLOWS, "/health/ready"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert "database" in problem_of(answer)["detail"]


async def test_what_nobody_foresaw_is_a_number_in_answer_and_log(
    app: FastAPI, stranger: Call, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("SELECT secret FROM users")

    assert broken
    with caplog.at_level(logging.ERROR):
        problem = await stranger.problem(500, "GET", "/broken")

    (record,) = [record for record in caplog.records if record.name == "api.edge"]
    assert isinstance(record.args, tuple)
    assert str(record.args[0]) in problem["detail"]
    assert "secret" not in json.dumps(problem)
    assert "RuntimeError" not in json.dumps(problem)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
known = [
    "name",
    "description",
    "graph_definition",
    "is_public",
    "tags",
    "category",
    "agents",
    "supervisor_config",
    "communication_protocol",
    "chat_config",
    "memory_config",
    "rag_config",
    "tools",
    "flow_type",
    "id",
]
queries = st.dictionaries(
    st.sampled_from(["search", "tags", "page", "page_size", "sort_by", "category"]), st.text(max_size=12)
)
bodies = st.dictionaries(st.sampled_from(known) | st.text(max_size=8), json_values, max_size=6)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies, named=st.booleans(), query=queries)
async def test_no_body_and_no_query_is_a_500(
    alice: Caller, body: dict[str, Any], named: bool, query: dict[str, str]
) -> None:
    content = json.dumps({**body, "name": "x"} if named else body).encode()
    flow = (await alice.ok("GET", FLOWS))["flows"] or [await alice.chatflow()]

    answers = [
        await alice.ask("POST", AGENTFLOWS, content=content, headers=JSON),
        await alice.ask("POST", CHATFLOWS, content=content, headers=JSON),
        await alice.ask("PUT", f"{FLOWS}/{flow[0]['id']}", content=content, headers=JSON),
        await alice.ask("POST", f"{AGENTFLOWS}/{flow[0]['id']}/agents", content=content, headers=JSON),
        await alice.ask("GET", FLOWS, params=query),
    ]

    for answer in answers:
        assert answer.status_code in {200, 400, 404, 409, 422}, answer.text
        if answer.status_code != 200:
            problem_of(answer)
