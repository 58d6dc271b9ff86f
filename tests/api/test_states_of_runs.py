"""Executions at any instant over HTTP: with the runs they called, over resets, and while they wait for somebody."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from pydantic import JsonValue

from perdure.domain.states import ExecutionState, RunProgress
from perdure.temporal.naming import PROGRESS
from perdure.temporal.starting import run_handle
from tests.api.callers import Caller
from tests.support.deciding import say, until
from tests.support.resetting import send_back
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour, ScriptedCall

EVENTS = "/api/events/aggregate"
STATE = "/api/events/state"
TEAM: list[JsonValue] = [{"id": each, "name": each.title()} for each in ("one", "two", "three")]
NO = Behaviour(status=400, body={"error": {"message": "no"}})


@pytest.fixture
def own(lab: Lab, alice: Caller) -> Lab:
    """A lab that runs flows as Alice."""
    return replace(lab, user_id=alice.user.id)


def calling(name: str, tool: str, flow_id: UUID) -> dict[str, JsonValue]:
    tools: JsonValue = [{"type": "run_flow", "name": tool, "flow_id": str(flow_id)}]
    return {"name": name, "agents": [{"id": name, "name": name, "tools": tools}]}


async def nested(lab: Lab) -> UUID:
    """A run that calls a flow, which calls a chat."""
    chat = await lab.chatflow(name="Chat")
    middle = await lab.agentflow(**calling("Middle", "ask_chat", chat.id))
    top = await lab.agentflow(**calling("Top", "ask_middle", middle.id))
    call: dict[str, JsonValue] = {"message": "Dive."}
    await lab.model.script(
        Behaviour(system="Top", tool_calls=(ScriptedCall(name="ask_middle", arguments=call),), times=1),
        Behaviour(system="Middle", tool_calls=(ScriptedCall(name="ask_chat", arguments=call),), times=1),
    )
    return (await lab.run(top, message="Go.")).id


def children(events: list[dict[str, Any]]) -> list[str]:
    return [
        event["event_data"]["input"]["execution_id"]
        for event in events
        if event["event_type"] == "StepScheduled" and event["event_data"]["node_type"] == "flow"
    ]


async def test_the_events_of_called_runs_follow_the_step_that_called_them(own: Lab, alice: Caller, bob: Caller) -> None:
    execution_id = await nested(own)
    top = await alice.ok("GET", f"{EVENTS}/{execution_id}")
    (middle_id,) = children(top)
    middle = await alice.ok("GET", f"{EVENTS}/{middle_id}")
    (chat_id,) = children(middle)
    chat = await alice.ok("GET", f"{EVENTS}/{chat_id}")
    assert children(chat) == []

    def with_child(events: list[dict[str, Any]], below: list[dict[str, Any]]) -> list[dict[str, Any]]:
        at = next(place for place, event in enumerate(events, 1) if children([event]))
        return [*events[:at], *below, *events[at:]]

    whole = with_child(top, with_child(middle, chat))
    asked = {"include_children": True}
    assert await alice.ok("GET", f"{EVENTS}/{execution_id}", params=asked) == whole
    assert await alice.ok("GET", f"{EVENTS}/{middle_id}", params=asked) == with_child(middle, chat)
    # A page counts the run's own events; what was called is told whole where it begins.
    at = whole.index(middle[0])
    first = await alice.ask("GET", f"{EVENTS}/{execution_id}", params={**asked, "limit": at})
    assert first.json() == whole[: at + len(middle) + len(chat)]
    following = first.headers["Link"].removeprefix("<").partition(">")[0]
    assert first.json() + await alice.ok("GET", following) == whole
    for run_id in (execution_id, middle_id, chat_id):
        await bob.problem(404, "GET", f"{EVENTS}/{run_id}", params=asked)
        await bob.problem(404, "GET", f"{STATE}/{run_id}")
    state = await alice.ok("GET", f"{STATE}/{middle_id}")
    assert {node["node_type"]: node["status"] for node in state["node_executions"]} == {
        "agent": "completed",
        "flow": "completed",
    }


async def test_versions_and_states_stay_what_they_were_over_two_resets(own: Lab, alice: Caller) -> None:
    await own.model.script(Behaviour(text="first"), Behaviour(text="old"), Behaviour(text="third"), NO)
    execution_id = (await own.run(await own.agentflow(agents=TEAM), message="Go.")).id
    told: list[dict[str, Any]] = []
    states: list[dict[str, Any]] = []
    for reset in range(3):
        if reset:
            await send_back(own, execution_id, "two")
            await own.finish(execution_id)
        events = await alice.ok("GET", f"{EVENTS}/{execution_id}")
        assert [event["version"] for event in events] == list(range(1, len(events) + 1))
        assert events[: len(told)] == told
        assert [event["event_type"] for event in events].count("RunReset") == reset
        told = events
        states.append(await alice.ok("GET", f"{STATE}/{execution_id}"))
    assert [state["status"] for state in states] == ["completed", "failed", "completed"]
    for state in states:
        path = f"{STATE}/{execution_id}"
        assert await alice.ok("GET", path, params={"to_version": state["version"]}) == state
        assert await alice.ok("GET", path, params={"at": state["timestamp"]}) == state
    resets = [event for event in told if event["event_type"] == "RunReset"]
    for event in resets:
        sent_back = await alice.ok("GET", f"{STATE}/{execution_id}", params={"to_version": event["version"]})
        assert sent_back["status"] == "running"
        assert [node["status"] for node in sent_back["node_executions"]] == ["completed", "pending", "pending"]
    assert len({event["event_data"]["base_run_id"] for event in resets}) == 2
    replayed = await alice.ok("GET", f"/api/events/replay/{execution_id}", params={"to_version": states[0]["version"]})
    assert replayed == told[: states[0]["version"]]


async def test_a_run_that_waits_is_shown_as_its_workflow_says_it_stands(own: Lab, alice: Caller) -> None:
    await own.model.script(Behaviour(text="first"))
    agents: list[JsonValue] = [{"id": "one", "name": "One"}, {"id": "two", "name": "Two", "requires_approval": True}]
    execution_id = await own.start(await own.agentflow(agents=agents), message="Go.")
    await until(own, execution_id, "ApprovalRequested")
    shown = ExecutionState.model_validate(await alice.ok("GET", f"{STATE}/{execution_id}"))
    held: RunProgress = await run_handle(own.runtime.client, execution_id).query(PROGRESS, result_type=RunProgress)
    times = {"started_at", "completed_at", "duration_ms"}
    assert [node.model_dump(exclude=times) for node in shown.node_executions] == [
        node.model_dump(exclude=times) for node in held.node_executions
    ]
    assert (shown.pending_approvals, shown.decisions) == (held.pending_approvals, held.decisions)
    assert shown.metrics == held.metrics
    (pending,) = shown.pending_approvals
    await say(own, alice.user, execution_id, pending.approval_id, "approve")
    await own.finish(execution_id)
    before = await alice.ok("GET", f"{STATE}/{execution_id}", params={"to_version": shown.version})
    assert ExecutionState.model_validate(before) == shown
    assert (await alice.ok("GET", f"{STATE}/{execution_id}"))["pending_approvals"] == []
