"""Aggregates at any instant, their events page by page, and the schema of all events."""

from dataclasses import replace
from typing import Any

import pytest

from perdure.bootstrap import Runtime
from perdure.storage.users import set_active
from tests.api.callers import FLOWS, Caller
from tests.support.running import Lab

STATE = "/api/events/state"
SESSIONS = "/api/agent-builder/chatflow/sessions"
BASES = "/api/agent-builder/knowledgebases"
KEYS = "/api/auth/api-keys"


async def every_state(caller: Caller, aggregate_id: object) -> list[dict[str, Any]]:
    """The state after each version; by time it is the same."""
    events = await caller.ok("GET", f"/api/events/aggregate/{aggregate_id}")
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    path = f"{STATE}/{aggregate_id}"
    states = [await caller.ok("GET", path, params={"to_version": event["version"]}) for event in events]
    for state in states:
        assert await caller.ok("GET", path, params={"at": state["timestamp"]}) == state
    return states


async def test_a_flow_is_shown_as_it_stood(alice: Caller, bob: Caller) -> None:
    flow = await alice.agentflow()
    path = f"{STATE}/{flow['id']}"
    await alice.ok("PUT", f"{FLOWS}/{flow['id']}", json={"name": "Crew"})
    first = await alice.ok("GET", path, params={"to_version": 1})
    assert (first["version"], first["flow"]["name"], first["is_deleted"]) == (1, "Team", False)
    assert (await alice.ok("GET", path, params={"at": first["timestamp"]}))["flow"]["name"] == "Team"
    await alice.ok("DELETE", f"{FLOWS}/{flow['id']}")
    now = await alice.ok("GET", path)
    assert (now["version"], now["flow"]["name"], now["is_deleted"]) == (3, "Crew", True)
    await bob.problem(404, "GET", path)


async def test_a_time_before_the_first_event_and_two_ways_at_once_are_told(alice: Caller) -> None:
    path = f"{STATE}/{(await alice.agentflow())['id']}"
    assert "did not exist" in (await alice.problem(404, "GET", path, params={"at": "2020-01-01T00:00:00Z"}))["detail"]
    await alice.problem(422, "GET", path, params={"at": "2030-01-01T00:00:00Z", "to_version": 1})
    await alice.problem(422, "GET", path, params={"at": "yesterday"})
    await alice.problem(422, "GET", path, params={"to_version": 0})


async def test_events_come_page_by_page(alice: Caller) -> None:
    flow = await alice.agentflow()
    for name in ("One", "Two"):
        await alice.ok("PUT", f"{FLOWS}/{flow['id']}", json={"name": name})
    first = await alice.ask("GET", f"/api/events/aggregate/{flow['id']}", params={"limit": 2})
    assert [event["version"] for event in first.json()] == [1, 2]
    following = first.headers["Link"].removeprefix("<").partition(">")[0]
    second = await alice.ask("GET", following)
    assert ([event["version"] for event in second.json()], "Link" in second.headers) == ([3], False)


async def test_every_event_has_its_schema(alice: Caller) -> None:
    schema = await alice.ok("GET", "/api/events/schema")
    titles = {branch["title"] for branch in schema["oneOf"]}
    assert {"ExecutionStarted", "StepReused", "FlowUpdated", "ReindexFailed", "SessionCleared"} <= titles


async def test_a_session_is_shown_as_it_stood(lab: Lab, alice: Caller, bob: Caller) -> None:
    own = replace(lab, user_id=alice.user.id)
    flow, path = await own.chatflow(), f"{STATE}/talk/1"
    first, second = [await own.run(flow, message=message, session_id="talk/1") for message in ("One", "Two")]
    memory = {"type": "buffer", "max_messages": 2}
    await alice.ok("PUT", f"{SESSIONS}/talk/1/memory", json=memory)
    before_clearing = await alice.ok("GET", path)
    await alice.ok("POST", f"{SESSIONS}/talk/1/clear")
    third = await own.run(flow, message="Three", session_id="talk/1")
    now = await alice.ok("GET", path)
    await alice.ok("DELETE", f"{SESSIONS}/talk/1")

    def said(state: dict[str, Any]) -> list[str]:
        return [message["content"] for message in state["messages"] if message["role"] == "user"]

    made, changed, cleared, deleted = await every_state(alice, "talk/1")
    assert (said(made), made["memory_config"], made["chatflow_id"]) == ([], None, str(flow.id))
    assert (said(changed), changed["memory_config"]["max_messages"]) == (["One", "Two"], 2)
    assert (said(cleared), cleared["is_deleted"], deleted["is_deleted"]) == ([], False, True)
    assert said(deleted) == []
    assert (before_clearing, said(now)) == (changed, ["Three"])
    for turn, heard in ((first, ["One"]), (second, ["One", "Two"]), (third, ["Three"])):
        assert turn.completed_at is not None
        then = await alice.ok("GET", path, params={"at": turn.completed_at.isoformat()})
        assert said(then) == heard
        assert {message["execution_id"] for message in then["messages"][-2:]} == {str(turn.id)}
    await bob.problem(404, "GET", path)


@pytest.mark.usefixtures("working")
async def test_a_knowledge_base_is_shown_as_it_stood(alice: Caller, bob: Caller, runtime: Runtime) -> None:
    base = (await alice.ok("POST", BASES, json={"name": "Handbook"}))["id"]
    file = {"file": ("a.md", b"Ships float.")}
    document = (await alice.ok("POST", f"{BASES}/{base}/documents", files=file))["id"]
    await runtime.client.get_workflow_handle(f"ingestion-{document}").result()
    await alice.ok("PUT", f"{BASES}/{base}", json={"name": "Second"})
    await alice.ok("DELETE", f"{BASES}/{base}/documents/{document}")
    await alice.ok("DELETE", f"{BASES}/{base}")
    told = [
        (
            state["knowledgebase"]["name"],
            [(each["name"], each["status"]) for each in state["documents"]],
            state["is_deleted"],
        )
        for state in await every_state(alice, base)
    ]
    assert told == [
        ("Handbook", [], False),
        ("Handbook", [("a.md", "pending")], False),
        ("Handbook", [("a.md", "ready")], False),
        ("Second", [("a.md", "ready")], False),
        ("Second", [], False),
        ("Second", [], True),
    ]
    await bob.problem(404, "GET", f"{STATE}/{base}")


async def test_a_user_is_shown_as_the_record_tells_of_them(alice: Caller, bob: Caller, runtime: Runtime) -> None:
    key = await alice.ok("POST", KEYS, json={"name": "ci"})
    await alice.ok("DELETE", f"{KEYS}/{key['id']}")
    for is_active in (False, True):
        async with runtime.sessions.begin() as session:
            await set_active(session, alice.user.id, is_active=is_active)
    made, *_, keyed, unkeyed, kept_out, let_in = await every_state(alice, alice.user.id)
    assert (made["email"], made["is_active"], made["has_password"]) == (alice.user.email, True, False)
    assert (keyed["has_password"], list(keyed["api_keys"].values())) == (True, ["ci"])
    assert (unkeyed["api_keys"], unkeyed["is_active"]) == ({}, True)
    assert (kept_out["is_active"], let_in["is_active"]) == (False, True)
    await bob.problem(404, "GET", f"{STATE}/{alice.user.id}", params={"aggregate_type": "User"})
