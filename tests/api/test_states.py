"""Aggregates at any instant, their events page by page, and the schema of all events."""

from tests.api.callers import FLOWS, Caller

STATE = "/api/events/state"


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
