"""Forks, retries and diffs over HTTP: whose they are, and what is answered to what cannot be."""

from dataclasses import replace
from uuid import UUID

import pytest
from pydantic import JsonValue

from tests.api.callers import Call, Caller
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour

EXECUTIONS = "/api/agent-builder/executions"
TEAM: list[JsonValue] = [{"id": "one", "name": "One"}, {"id": "two", "name": "Two"}]


async def ran(lab: Lab, owner: Caller, *, fails: bool = False) -> UUID:
    own = replace(lab, user_id=owner.user.id)
    if fails:
        await lab.model.script(Behaviour(status=400, body={"error": {"message": "no"}}))
    return (await own.run(await own.agentflow(agents=TEAM), message="Go.")).id


async def test_forks_of_others_executions_are_not_found(lab: Lab, alice: Caller, bob: Caller, stranger: Call) -> None:
    execution_id = await ran(lab, alice)
    for method, path in (
        ("POST", f"{EXECUTIONS}/{execution_id}/fork"),
        ("POST", f"{EXECUTIONS}/{execution_id}/retry"),
        ("GET", f"{EXECUTIONS}/{execution_id}/diff/{execution_id}"),
    ):
        body: JsonValue = {"from_step": "two"} if path.endswith("fork") else None
        await bob.problem(404, method, path, json=body)
        await stranger.problem(401, method, path, json=body)
    nothing: dict[str, JsonValue] = {"started": [], "skipped": []}
    assert await bob.ok("POST", f"{EXECUTIONS}/retry", json={}) == nothing
    assert await bob.ok("POST", f"{EXECUTIONS}/fork", json={"from_step": "two"}) == nothing
    await stranger.problem(401, "POST", f"{EXECUTIONS}/retry", json={})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"from_step": "nobody"},
        {"from_step": "two", "from_version": 3},
        {"from_version": 0},
        {"from_version": 1000},
        {"from_step": "two", "edits": {"nobody": "x"}},
        {"from_step": "two", "flow": {"agents": [{"name": "X", "dependencies": ["nobody"]}]}},
        {"from_step": "two", "wait": 1},
    ],
    ids=str,
)
async def test_what_is_no_fork_is_told_and_starts_nothing(lab: Lab, alice: Caller, body: JsonValue) -> None:
    execution_id = await ran(lab, alice)
    problem = await alice.problem(422, "POST", f"{EXECUTIONS}/{execution_id}/fork", json=body)
    assert problem["errors"]
    assert (await alice.ok("GET", EXECUTIONS))["total"] == 1


async def test_a_fork_names_its_run_and_the_diff_says_where_they_part(lab: Lab, alice: Caller) -> None:
    execution_id = await ran(lab, alice)
    body: JsonValue = {"edits": {"one": "Ships float."}}
    forked = await alice.ok("POST", f"{EXECUTIONS}/{execution_id}/fork", params={"wait": 30}, json=body)
    assert forked["forked_from"]["execution_id"] == str(execution_id)
    assert forked["metrics"]["reused_steps"] == 1
    assert (await alice.ok("GET", f"{EXECUTIONS}/{forked['id']}"))["forked_from"] == forked["forked_from"]
    diff = await alice.ok("GET", f"{EXECUTIONS}/{execution_id}/diff/{forked['id']}")
    assert diff["first_difference"] == "one"
    assert "+Ships float." in diff["steps"][0]["output_diff"]
    assert diff["steps"][0]["b"]["is_edited"]
    await alice.problem(409, "POST", f"{EXECUTIONS}/{forked['id']}/retry")


async def test_a_repeated_key_retries_once(lab: Lab, alice: Caller) -> None:
    execution_id = await ran(lab, alice, fails=True)
    path, key = f"{EXECUTIONS}/{execution_id}/retry", {"Idempotency-Key": "again"}
    first, second = [await alice.ok("POST", path, params={"wait": 30}, headers=key) for _ in range(2)]
    assert first == second
    assert first["status"] == "completed"
    await alice.problem(409, "POST", path, json={"use_current_flow": True}, headers=key)
