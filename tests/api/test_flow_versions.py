"""Versions of flows: every change is kept, can be read, compared, gone back to, run, and taken elsewhere."""

from typing import Any
from uuid import uuid4

import pytest

from tests.api.callers import AGENTFLOWS, FLOWS, Caller, Flow

TEAM = [
    {"id": "writer", "name": "Writer", "system_prompt": "Write."},
    {"id": "critic", "name": "Critic", "system_prompt": "Judge.", "dependencies": ["writer"]},
]


async def _edited(alice: Caller) -> Flow:
    """A team at version 3: renamed, then the writer's prompt changed and an agent put in front."""
    flow = await alice.agentflow(agents=TEAM, tags=["a"])
    await alice.ok("PUT", f"{FLOWS}/{flow['id']}", json={"name": "Renamed"})
    agents = [{"id": "scout", "name": "Scout"}, {**TEAM[0], "system_prompt": "Write well."}, TEAM[1]]
    edited: Flow = await alice.ok("PUT", f"{FLOWS}/{flow['id']}", json={"agents": agents})
    return edited


async def test_every_change_is_a_line_of_the_flows_history(alice: Caller) -> None:
    flow = await _edited(alice)
    page = await alice.ok("GET", f"{FLOWS}/{flow['id']}/versions")
    assert page["total"] == 3
    assert [(each["version"], each["name"]) for each in page["versions"]] == [
        (3, "Renamed"),
        (2, "Renamed"),
        (1, "Team"),
    ]
    assert [each["changed"] for each in page["versions"][:2]] == [["agents"], ["name"]]
    assert {each["user_id"] for each in page["versions"]} == {alice.user.id}
    (second,) = (await alice.ok("GET", f"{FLOWS}/{flow['id']}/versions?limit=1&offset=1"))["versions"]
    assert second["version"] == 2


async def test_a_version_is_the_flow_as_it_was(alice: Caller) -> None:
    flow = await _edited(alice)
    first = await alice.ok("GET", f"{FLOWS}/{flow['id']}/versions/1")
    assert (first["name"], first["version"], first["id"]) == ("Team", 1, flow["id"])
    assert [agent["id"] for agent in first["agents"]] == ["writer", "critic"]
    problem = await alice.problem(404, "GET", f"{FLOWS}/{flow['id']}/versions/4")
    assert "version 4" in problem["detail"]


async def test_a_diff_names_agents_by_their_ids(alice: Caller) -> None:
    flow = await _edited(alice)
    diff = await alice.ok("GET", f"{FLOWS}/{flow['id']}/versions/1/diff/3")
    told = {"/".join(change["path"]): (change["kind"], change["before"], change["after"]) for change in diff["changes"]}
    assert told.pop("agents/scout")[0] == "added"
    assert told == {
        "name": ("changed", "Team", "Renamed"),
        "agents/writer/system_prompt": ("changed", "Write.", "Write well."),
        "agent_order": ("changed", ["writer", "critic"], ["scout", "writer", "critic"]),
    }
    back = await alice.ok("GET", f"{FLOWS}/{flow['id']}/versions/3/diff/1")
    assert {change["kind"] for change in back["changes"]} == {"removed", "changed"}
    assert (await alice.ok("GET", f"{FLOWS}/{flow['id']}/versions/2/diff/2"))["changes"] == []


async def test_restoring_makes_a_new_version_and_shares_nothing_again(alice: Caller) -> None:
    flow = await alice.agentflow(agents=TEAM, is_public=True)
    path = f"{FLOWS}/{flow['id']}"
    await alice.ok("PUT", path, json={"is_public": False, "agents": [], "description": "Empty now."})
    await alice.problem(412, "POST", f"{path}/versions/1/restore", headers={"If-Match": '"1-x"'})
    restored = await alice.ok("POST", f"{path}/versions/1/restore", headers={"If-Match": '"2-x"'})
    assert (restored["version"], restored["description"], restored["is_public"]) == (3, None, False)
    assert [agent["id"] for agent in restored["agents"]] == ["writer", "critic"]
    again = await alice.ok("POST", f"{path}/versions/1/restore")
    assert again["version"] == 3
    assert (await alice.ok("GET", f"{path}/versions"))["total"] == 3


async def test_former_versions_are_their_owners_alone(alice: Caller, bob: Caller) -> None:
    secret = await _edited(alice)
    shared = await alice.agentflow(name="Shared", is_public=True)
    for path in ("versions", "versions/1", "versions/1/diff/2"):
        await bob.problem(404, "GET", f"{FLOWS}/{secret['id']}/{path}")
        await bob.problem(403, "GET", f"{FLOWS}/{shared['id']}/{path}")
    await bob.problem(404, "POST", f"{FLOWS}/{secret['id']}/versions/1/restore")
    await bob.problem(403, "POST", f"{FLOWS}/{shared['id']}/versions/1/restore")
    await bob.problem(403, "POST", f"{FLOWS}/{shared['id']}/execute?version=1", json={"input_data": {}})
    await bob.problem(403, "GET", f"{FLOWS}/{shared['id']}/export?version=1")
    assert (await bob.ok("GET", f"{FLOWS}/{shared['id']}/export"))["flow"]["name"] == "Shared"


async def test_a_deleted_flow_has_no_versions_to_go_back_to(alice: Caller) -> None:
    flow = await _edited(alice)
    await alice.ok("DELETE", f"{FLOWS}/{flow['id']}")
    await alice.problem(404, "GET", f"{FLOWS}/{flow['id']}/versions")
    await alice.problem(404, "POST", f"{FLOWS}/{flow['id']}/versions/1/restore")


async def test_a_flow_travels_as_a_file(alice: Caller, bob: Caller) -> None:
    flow = await _edited(alice)
    answer = await alice.ask("GET", f"{FLOWS}/{flow['id']}/export?version=1")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''Team.json"
    file = answer.json()
    assert (file["format"], file["format_version"]) == ("perdure.flow", 1)
    assert not {"id", "user_id", "version", "execution_count"} & set(file["flow"])
    copied = await bob.ok("POST", f"{FLOWS}/import", json={**file, "flow": {**file["flow"], "is_public": True}})
    assert (copied["user_id"], copied["version"], copied["is_public"]) == (bob.user.id, 1, False)
    assert copied["id"] != flow["id"]
    assert [(agent["id"], agent["dependencies"]) for agent in copied["agents"]] == [
        ("writer", []),
        ("critic", ["writer"]),
    ]
    again = await bob.ok("GET", f"{FLOWS}/{copied['id']}/export")
    assert again["flow"] == file["flow"]


async def test_a_chatflow_travels_too(alice: Caller) -> None:
    flow = await alice.chatflow(memory_config={"type": "hybrid"}, name="도우미")
    file = await alice.ok("GET", f"{FLOWS}/{flow['id']}/export")
    copied = await alice.ok("POST", f"{FLOWS}/import", json=file)
    assert (copied["flow_type"], copied["memory_config"]["type"], copied["name"]) == ("chatflow", "hybrid", "도우미")


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"format": "dify"}, "format"),
        ({"format_version": 2}, "format_version"),
        ({"flow": {"flow_type": "agentflow"}}, "name"),
        ({"flow": {"flow_type": "spreadsheet", "name": "x"}}, "flow"),
        ({"flow": {"flow_type": "agentflow", "name": "x", "agents": [{"name": "A", "dependencies": ["B"]}]}}, "flow"),
        ({"extra": 1}, "extra"),
    ],
    ids=["format", "newer", "nameless", "kind", "dependency", "extra"],
)
async def test_what_is_no_file_of_ours_makes_nothing(alice: Caller, change: dict[str, Any], loc: str) -> None:
    flow = await alice.agentflow()
    file = await alice.ok("GET", f"{FLOWS}/{flow['id']}/export")
    problem = await alice.problem(422, "POST", f"{FLOWS}/import", json={**file, **change})
    assert loc in str(problem["errors"])
    assert (await alice.ok("GET", AGENTFLOWS))["total"] == 1


async def test_there_are_no_versions_of_what_there_is_not(alice: Caller) -> None:
    await alice.problem(404, "GET", f"{FLOWS}/{uuid4()}/versions")
    await alice.problem(404, "GET", f"{FLOWS}/{uuid4()}/versions/0")
