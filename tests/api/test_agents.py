"""The agents of a team one by one, and its plan."""

import pytest
from pydantic import JsonValue

from tests.api.callers import AGENTFLOWS, Caller, Flow


@pytest.fixture
async def flow(alice: Caller) -> Flow:
    agents = [{"id": "a", "name": "Finder"}, {"id": "b", "name": "Writer", "dependencies": ["Finder"]}]
    return await alice.agentflow(agents=agents)


async def test_an_agent_is_added_changed_and_removed(alice: Caller, flow: Flow) -> None:
    path = f"{AGENTFLOWS}/{flow['id']}"

    added = await alice.ok("POST", f"{path}/agents", json={"name": "Editor", "dependencies": ["b"]})
    editor = added["agents"][2]
    assert (editor["name"], editor["timeout_seconds"], editor["max_retries"], editor["priority"]) == (
        "Editor",
        60,
        3,
        1,
    )
    changed = await alice.ok("PUT", f"{path}/agents/{editor['id']}", json={"role": "Checks", "priority": 5})
    assert changed["agents"][2] == {**editor, "role": "Checks", "priority": 5}
    removed = await alice.ok("DELETE", f"{path}/agents/{editor['id']}")

    assert removed["agents"] == flow["agents"]
    assert [answer["version"] for answer in (added, changed, removed)] == [2, 3, 4]
    assert await alice.ok("GET", path) == removed


async def test_an_agent_that_others_need_stays(alice: Caller, flow: Flow) -> None:
    problem = await alice.problem(409, "DELETE", f"{AGENTFLOWS}/{flow['id']}/agents/a")

    assert "'Writer'" in problem["detail"]


async def test_a_team_that_would_not_hold_together_is_refused(alice: Caller, flow: Flow) -> None:
    path = f"{AGENTFLOWS}/{flow['id']}/agents"

    circle = await alice.problem(422, "PUT", f"{path}/a", json={"dependencies": ["b"]})
    assert "circle" in circle["detail"]
    await alice.problem(422, "PUT", f"{path}/a", json={"name": "Renamed"})
    await alice.problem(422, "POST", path, json={"name": "C", "dependencies": ["nobody"]})
    await alice.problem(422, "POST", path, json={"nam": "C"})
    await alice.problem(422, "PUT", f"{path}/a", json={"colour": "red"})
    await alice.problem(409, "POST", path, json={"id": "a", "name": "C"})
    assert await alice.ok("GET", f"{AGENTFLOWS}/{flow['id']}") == flow


async def test_an_unknown_agent_or_flow_is_not_found(alice: Caller, bob: Caller, flow: Flow) -> None:
    path = f"{AGENTFLOWS}/{flow['id']}/agents"

    await alice.problem(404, "PUT", f"{path}/nobody", json={"role": "x"})
    await alice.problem(404, "DELETE", f"{path}/nobody")
    await bob.problem(404, "DELETE", f"{path}/b")
    chat = await alice.chatflow()
    await alice.problem(404, "POST", f"{AGENTFLOWS}/{chat['id']}/agents", json={"name": "A"})


async def test_edits_of_agents_heed_if_match(alice: Caller, flow: Flow) -> None:
    path = f"{AGENTFLOWS}/{flow['id']}"
    tag = (await alice.ask("GET", path)).headers["etag"]
    edited = await alice.ask("PUT", f"{path}/agents/b", json={"role": "x"}, headers={"If-Match": tag})
    assert edited.status_code == 200

    await alice.problem(412, "DELETE", f"{path}/agents/b", headers={"If-Match": tag})
    await alice.problem(412, "POST", f"{path}/agents", json={"name": "C"}, headers={"If-Match": tag})
    await alice.ok("DELETE", f"{path}/agents/b", headers={"If-Match": edited.headers["etag"]})


async def test_the_plan_says_the_stages(alice: Caller, bob: Caller, flow: Flow) -> None:
    path = f"{AGENTFLOWS}/{flow['id']}/execution-plan"

    plan = await alice.ok("GET", path)

    assert (plan["orchestration_type"], plan["dynamic"]) == ("sequential", False)
    assert [[agent["id"] for agent in stage["agents"]] for stage in plan["stages"]] == [["a"], ["b"]]
    assert plan["stages"][1]["agents"][0] == {
        "id": "b",
        "name": "Writer",
        "role": None,
        "priority": 1,
        "dependencies": ["a"],
    }
    await bob.problem(404, "GET", path)
    assert (await alice.ok("GET", f"{AGENTFLOWS}/{(await alice.agentflow())['id']}/execution-plan"))["stages"] == []


@pytest.mark.parametrize(
    ("policy", "place"),
    [({"quorum": 0}, ["quorum"]), ({"quorum": 2, "approvers": ["a@example.com"]}, []), ({"who": "me"}, ["who"])],
)
async def test_what_is_wrong_with_an_approval_policy_is_said_once_where_it_is(
    alice: Caller, policy: JsonValue, place: list[str]
) -> None:
    agent: JsonValue = {"name": "A", "requires_approval": policy}
    problem = await alice.problem(422, "POST", AGENTFLOWS, json={"name": "Team", "agents": [agent]})
    assert [each["loc"] for each in problem["errors"]] == [["body", "agents", 0, "requires_approval", *place]]
