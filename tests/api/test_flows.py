"""Making, reading, changing and deleting flows of both kinds."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from api import examples
from perdure.bootstrap import Runtime
from perdure.storage.tables import EventRow
from tests.api.callers import AGENTFLOWS, CHATFLOWS, FLOWS, Caller

GRAPH = {
    "nodes": [{"id": "n1", "z": 1, "a": {"deep": [1, 2.5, None, True, "ü"]}}],
    "edges": [{"source": "n1", "target": "n1"}],
    "viewport": {"zoom": 1.25, "x": -3, "y": 0},
    "extra": {"kept": "as it came"},
}


@pytest.mark.parametrize("example", examples.AGENTFLOW_BODIES.values())
async def test_agentflow_examples_work_as_they_stand(alice: Caller, example: dict[str, Any]) -> None:
    flow = await alice.ok("POST", AGENTFLOWS, json=example["value"])

    assert flow["flow_type"] == "agentflow"
    assert flow["version"] == 1
    assert flow["user_id"] == alice.user.id
    assert {name: flow[name] for name in ("name", "orchestration_type")} == {
        name: example["value"][name] for name in ("name", "orchestration_type")
    }
    assert flow["supervisor_config"]["max_iterations"] == 10
    assert (flow["execution_count"], flow["last_execution_status"], flow["last_execution_at"]) == (0, None, None)
    assert (flow["agents"], flow["graph_definition"], flow["is_active"], flow["is_public"]) == ([], None, True, False)


async def test_chatflow_example_works_as_it_stands(alice: Caller) -> None:
    body = examples.CHATFLOW_BODIES["faq"]["value"]

    flow = await alice.ok("POST", CHATFLOWS, json=body)

    assert flow["flow_type"] == "chatflow"
    assert flow["chat_config"].items() >= body["chat_config"].items()
    assert flow["rag_config"].items() >= body["rag_config"].items()
    assert flow["memory_config"]["max_messages"] == 10


async def test_a_new_flow_says_where_it_is_and_reads_the_same(alice: Caller) -> None:
    made = await alice.ask(
        "POST", AGENTFLOWS, json={"name": "Team", "agents": [{"name": "A"}], "graph_definition": GRAPH}
    )

    read = await alice.ask("GET", made.headers["location"])

    assert made.headers["location"] == f"{AGENTFLOWS}/{made.json()['id']}"
    assert read.content == made.content
    assert read.headers["etag"] == made.headers["etag"]
    assert await alice.ok("GET", f"{FLOWS}/{made.json()['id']}") == made.json()


async def test_times_are_utc_with_a_z(alice: Caller) -> None:
    flow = await alice.agentflow()

    assert flow["created_at"].endswith("Z")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(flow["created_at"])).total_seconds()) < 60


async def test_the_drawing_comes_back_as_it_was(alice: Caller) -> None:
    made = await alice.chatflow(graph_definition=GRAPH)

    read = await alice.ok("GET", f"{CHATFLOWS}/{made['id']}")

    assert read["graph_definition"] == GRAPH
    assert list(read["graph_definition"]["nodes"][0]) == ["id", "z", "a"]


@pytest.mark.parametrize("drawing", [{"nodes": "none"}, {"edges": [1]}, [], "x"])
async def test_a_drawing_of_another_shape_is_refused(alice: Caller, drawing: object) -> None:
    await alice.problem(422, "POST", AGENTFLOWS, json={"name": "Team", "graph_definition": drawing})


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["body", "name"]),
        ({"name": ""}, ["body", "name"]),
        ({"name": "   "}, ["body", "name"]),
        ({"name": "T", "orchestration_type": "crowd"}, ["body", "orchestration_type"]),
        ({"name": "T", "agentz": []}, ["body", "agentz"]),
        ({"name": "T", "agents": [{"name": "A", "priority": 0}]}, ["body", "agents", 0, "priority"]),
        ({"name": "T", "agents": [{"name": "A", "dependencies": ["B"]}]}, ["body"]),
        ({"name": "T", "supervisor_config": {"max_iterations": 0}}, ["body", "supervisor_config", "max_iterations"]),
        ({"name": "T", "flow_type": "chatflow"}, ["body", "flow_type"]),
    ],
)
async def test_what_does_not_validate_is_named(alice: Caller, body: object, loc: list[str | int]) -> None:
    problem = await alice.problem(422, "POST", AGENTFLOWS, json=body)

    assert [error["loc"] for error in problem["errors"]] == [loc]
    assert all(error["msg"] for error in problem["errors"])


async def test_put_changes_what_is_given_and_nothing_else(alice: Caller) -> None:
    flow = await alice.chatflow(description="old", tags=["a"], chat_config={"temperature": 0.5})

    changed = await alice.ok("PUT", f"{FLOWS}/{flow['id']}", json={"description": None, "tags": ["b", "b"]})

    assert changed["version"] == 2
    assert changed["updated_at"] > flow["updated_at"]
    assert (changed["description"], changed["tags"]) == (None, ["b"])
    same = {"description", "tags", "version", "updated_at"}
    assert {k: v for k, v in changed.items() if k not in same} == {k: v for k, v in flow.items() if k not in same}
    assert await alice.ok("GET", f"{CHATFLOWS}/{flow['id']}") == changed


async def test_put_takes_back_a_whole_flow_and_ignores_what_is_read_only(alice: Caller) -> None:
    flow = await alice.agentflow(agents=[{"name": "A"}])

    changed = await alice.ok(
        "PUT", f"{AGENTFLOWS}/{flow['id']}", json={**flow, "name": "New", "version": 77, "user_id": 1}
    )

    assert (changed["name"], changed["version"], changed["user_id"]) == ("New", 2, alice.user.id)
    assert changed["agents"] == flow["agents"]


async def test_put_that_changes_nothing_makes_no_version(alice: Caller) -> None:
    flow = await alice.agentflow(agents=[{"name": "A"}], graph_definition=GRAPH)

    assert await alice.ok("PUT", f"{FLOWS}/{flow['id']}", json=flow) == flow
    assert await alice.ok("PUT", f"{FLOWS}/{flow['id']}", json={}) == flow


@pytest.mark.parametrize("body", [{"flow_type": "chatflow"}, {"chat_config": {}}, {"name": None}, [], "x", 1, None])
async def test_put_refuses_what_would_be_no_such_flow(alice: Caller, body: object) -> None:
    flow = await alice.agentflow()

    await alice.problem(422, "PUT", f"{FLOWS}/{flow['id']}", json=body)
    assert await alice.ok("GET", f"{FLOWS}/{flow['id']}") == flow


async def test_changes_at_the_same_time_all_apply(alice: Caller) -> None:
    flow = await alice.agentflow()

    answers = await asyncio.gather(
        *(alice.ok("PUT", f"{FLOWS}/{flow['id']}", json={"name": f"name {n}"}) for n in range(15))
    )

    assert sorted(answer["version"] for answer in answers) == list(range(2, 17))


async def test_a_kind_is_found_under_its_own_path_only(alice: Caller) -> None:
    flow = await alice.agentflow()

    missing = await alice.problem(404, "GET", f"{CHATFLOWS}/{flow['id']}")
    await alice.problem(404, "PUT", f"{CHATFLOWS}/{flow['id']}", json={"name": "x"})
    await alice.problem(404, "DELETE", f"{CHATFLOWS}/{flow['id']}")
    assert missing["title"] == "Not found"


async def test_a_deleted_flow_is_gone_for_every_call(alice: Caller) -> None:
    flow = await alice.agentflow()
    path = f"{FLOWS}/{flow['id']}"

    assert await alice.ok("DELETE", path) == {"success": True, "id": flow["id"]}

    for method in ("GET", "PUT", "DELETE"):
        await alice.problem(404, method, path, json={"name": "x"})
    assert (await alice.ok("GET", FLOWS))["total"] == 0


async def test_what_is_not_there_and_what_is_not_yours_answer_alike(alice: Caller, bob: Caller) -> None:
    flow = await alice.agentflow()
    missing = uuid4()

    for method in ("GET", "PUT", "DELETE"):
        foreign = await bob.problem(404, method, f"{FLOWS}/{flow['id']}", json={"name": "x"})
        nothing = await bob.problem(404, method, f"{FLOWS}/{missing}", json={"name": "x"})
        assert {**foreign, "instance": ""} == {**nothing, "instance": ""}
    await bob.problem(404, "GET", f"{FLOWS}/not-an-id")


async def test_a_public_flow_is_read_by_all_and_changed_by_its_owner(alice: Caller, bob: Caller) -> None:
    flow = await alice.agentflow(is_public=True)
    path = f"{FLOWS}/{flow['id']}"

    assert await bob.ok("GET", path) == flow
    await bob.problem(403, "PUT", path, json={"name": "mine"})
    await bob.problem(403, "DELETE", path)
    assert await bob.names() == []
    await alice.ok("PUT", path, json={"is_public": False})
    await bob.problem(404, "GET", path)


async def test_every_change_leaves_an_event_in_its_transaction(alice: Caller, runtime: Runtime) -> None:
    flow = await alice.agentflow(tags=["a"])
    path = f"{FLOWS}/{flow['id']}"
    await alice.ok("PUT", path, json={"name": "New", "tags": ["a"]})
    await alice.problem(422, "PUT", path, json={"name": ""})
    await alice.ok("DELETE", path)

    async with runtime.sessions() as session:
        events = (
            await session.scalars(
                select(EventRow).where(EventRow.aggregate_id == flow["id"]).order_by(EventRow.version)
            )
        ).all()

    assert [(event.version, event.event_type) for event in events] == [
        (1, "FlowCreated"),
        (2, "FlowUpdated"),
        (3, "FlowDeleted"),
    ]
    assert events[1].event_data["changed"] == ["name"]
    kept = events[1].event_data["flow"]
    assert isinstance(kept, dict)
    assert (kept["name"], kept["version"]) == ("New", 2)
    assert {event.user_id for event in events} == {alice.user.id}
    assert events[0].event_metadata["source"] == "api"
