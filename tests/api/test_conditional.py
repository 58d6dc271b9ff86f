"""ETag, If-None-Match and If-Match."""

import asyncio

import pytest
from sqlalchemy import update

from perdure.bootstrap import Runtime
from perdure.storage.tables import FlowActivityRow
from tests.api.callers import FLOWS, Caller


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
async def test_a_known_flow_or_list_is_not_sent_again(alice: Caller, form: str) -> None:
    flow = await alice.agentflow()

    runs = f"{FLOWS}/{flow['id']}/executions"
    for path in (FLOWS, f"{FLOWS}/{flow['id']}", runs, "/api/agent-builder/executions"):
        tag = (await alice.ask("GET", path)).headers["etag"]
        again = await alice.ask("GET", path, headers={"If-None-Match": form.format(tag)})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == tag


async def test_a_changed_flow_or_list_is_sent(alice: Caller) -> None:
    flow = await alice.agentflow()
    tags = {path: (await alice.ask("GET", path)).headers["etag"] for path in (FLOWS, f"{FLOWS}/{flow['id']}")}

    await alice.ok("PUT", f"{FLOWS}/{flow['id']}", json={"name": "New"})

    for path, tag in tags.items():
        again = await alice.ask("GET", path, headers={"If-None-Match": tag})
        assert again.status_code == 200
        assert again.headers["etag"] != tag


async def test_an_edit_on_top_of_what_was_read_applies(alice: Caller) -> None:
    flow = await alice.agentflow()
    path = f"{FLOWS}/{flow['id']}"
    tag = (await alice.ask("GET", path)).headers["etag"]

    changed = await alice.ask("PUT", path, json={"name": "New"}, headers={"If-Match": tag})

    assert changed.status_code == 200
    await alice.problem(412, "PUT", path, json={"name": "Newer"}, headers={"If-Match": tag})
    await alice.problem(412, "DELETE", path, headers={"If-Match": tag})
    both = f"{tag}, {changed.headers['etag']}"
    await alice.ok("PUT", path, json={"name": "Newer"}, headers={"If-Match": both})
    await alice.ok("DELETE", path, headers={"If-Match": "*"})


async def test_a_tag_that_a_proxy_made_weak_still_counts(alice: Caller) -> None:
    flow = await alice.agentflow()
    path = f"{FLOWS}/{flow['id']}"
    tag = (await alice.ask("GET", path)).headers["etag"]

    await alice.ok("PUT", path, json={"name": "New"}, headers={"If-Match": f"W/{tag}"})


async def test_a_version_alone_is_tag_enough_for_an_edit(alice: Caller) -> None:
    """Lists tell no tags, and who opens a flow from one need not read it again to change it."""
    flow = await alice.agentflow()
    path = f"{FLOWS}/{flow['id']}"
    mine = {"If-Match": f'"{flow["version"]}"'}

    await alice.ok("PUT", path, json={"name": "New"}, headers=mine)

    await alice.problem(412, "PUT", path, json={"name": "Newer"}, headers=mine)


@pytest.mark.parametrize("tag", ["nonsense", '""', '"x-1"', "", '"'])
async def test_a_tag_of_nothing_matches_nothing(alice: Caller, tag: str) -> None:
    flow = await alice.agentflow()

    await alice.problem(412, "PUT", f"{FLOWS}/{flow['id']}", json={"name": "New"}, headers={"If-Match": tag})


async def test_a_run_changes_what_is_shown_and_fails_no_edit(alice: Caller, runtime: Runtime) -> None:
    flow = await alice.agentflow()
    path = f"{FLOWS}/{flow['id']}"
    tag = (await alice.ask("GET", path)).headers["etag"]
    async with runtime.sessions.begin() as session:
        ran = update(FlowActivityRow).values(execution_count=1, last_execution_status="completed")
        await session.execute(ran.where(FlowActivityRow.flow_id == flow["id"]))

    shown = await alice.ask("GET", path, headers={"If-None-Match": tag})
    assert (shown.status_code, shown.json()["execution_count"]) == (200, 1)
    await alice.ok("PUT", path, json={"name": "New"}, headers={"If-Match": tag})


async def test_of_edits_on_top_of_the_same_version_one_applies(alice: Caller) -> None:
    flow = await alice.agentflow()
    path = f"{FLOWS}/{flow['id']}"
    tag = (await alice.ask("GET", path)).headers["etag"]

    answers = await asyncio.gather(
        *(alice.ask("PUT", path, json={"name": f"n{n}"}, headers={"If-Match": tag}) for n in range(8))
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
