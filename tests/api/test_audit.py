"""The audit log over HTTP: every deed is in it, nobody else's is, and a log that was touched is found out."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from perdure.bootstrap import Runtime
from perdure.domain.audit import AuditQuery
from perdure.storage.audit import read_audit, seal, seal_all, verify
from tests.api.callers import CHATFLOWS, FLOWS, PASSWORD, Call, Caller
from tests.api.test_approvals import asked, path_of
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour

AUDIT = "/api/events/audit"
EXECUTIONS = "/api/agent-builder/executions"


async def log(caller: Caller, **query: str | int) -> list[dict[str, Any]]:
    page = await caller.ok("GET", AUDIT, params=query)
    assert page["total_count"] >= len(page["events"])
    events: list[dict[str, Any]] = page["events"]
    return events


async def kinds(caller: Caller, **query: str | int) -> list[str]:
    """Oldest first, without the making of the test's own user."""
    found = [event["event_type"] for event in reversed(await log(caller, **query))]
    return [kind for kind in found if kind not in {"UserCreated", "PasswordSet"}]


async def test_a_change_says_who_from_where_before_and_after(alice: Caller) -> None:
    flow = await alice.ok(
        "POST", "/api/agent-builder/agentflows", json={"name": "Team"}, headers={"User-Agent": "tester/1"}
    )
    await alice.ok("PUT", f"{FLOWS}/{flow['id']}", json={"name": "Crew"})
    await alice.ok("DELETE", f"{FLOWS}/{flow['id']}")
    deleted, updated, created = (await log(alice))[:3]
    assert [event["event_type"] for event in (created, updated, deleted)] == [
        "FlowCreated",
        "FlowUpdated",
        "FlowDeleted",
    ]
    assert (created["before"], created["version"], created["aggregate_id"]) == (None, 1, flow["id"])
    assert (updated["before"]["name"], updated["event_data"]["flow"]["name"]) == ("Team", "Crew")
    assert updated["event_data"]["changed"] == ["name"]
    assert created["metadata"] == {"source": "api", "ip": "127.0.0.1", "user_agent": "tester/1"}
    assert {event["user_id"] for event in (created, updated, deleted)} == {alice.user.id}


async def test_a_session_says_from_where_its_first_message_came(lab: Lab, alice: Caller) -> None:
    chat = {"llm_provider": "openai", "llm_model": "scripted"}
    flow = await alice.ok("POST", CHATFLOWS, json={"name": "Helper", "chat_config": chat})
    for message in ("Hi.", "Again."):
        input_data = {"message": message, "session_id": "s"}
        await alice.ok("POST", f"{FLOWS}/{flow['id']}/execute", params={"wait": 30}, json={"input_data": input_data})
    (created,) = await log(alice, event_type="SessionCreated")
    assert (created["user_id"], created["metadata"]["source"]) == (alice.user.id, "api")
    assert created["metadata"]["ip"] == "127.0.0.1"
    assert len(await lab.model.requests()) == 2


async def test_a_runs_start_and_end_are_in_it_with_where_it_was_asked_for(lab: Lab, alice: Caller) -> None:
    flow = await alice.agentflow(supervisor_config={"llm_provider": "openai", "llm_model": "scripted"})
    run = await alice.ok("POST", f"{FLOWS}/{flow['id']}/execute?wait=20", json={"input_data": {"message": "Go."}})
    assert run["status"] == "completed"
    fork = await alice.ok("POST", f"{EXECUTIONS}/{run['id']}/fork?wait=20", json={"from_version": 1})
    assert await kinds(alice, aggregate_type="Execution") == [
        "ExecutionStarted",
        "ExecutionCompleted",
        "ExecutionForked",
        "ExecutionCompleted",
    ]
    ended, forked, _, started = await log(alice, aggregate_type="Execution")
    assert (started["aggregate_id"], started["user_id"]) == (run["id"], alice.user.id)
    assert started["metadata"]["ip"] == "127.0.0.1"
    assert started["event_data"]["flow_name"] == flow["name"]
    assert forked["event_data"]["forked_from"]["execution_id"] == run["id"]
    assert (ended["aggregate_id"], ended["user_id"]) == (fork["id"], None)
    assert ended["before"] == {"status": "running"}
    assert ended["event_data"]["status"] == "completed"
    assert lab.user_id != alice.user.id


async def test_a_cancel_and_a_failure_are_in_it(lab: Lab, alice: Caller) -> None:
    own = replace(lab, user_id=alice.user.id)
    await lab.model.script(Behaviour(hang_after_tokens=0), Behaviour(status=401))
    flow = await own.agentflow(agents=[{"name": "Writer"}])
    execution_id = await own.start(flow, message="Go.")
    await lab.model.wait_for_requests(1)
    await alice.ok("POST", f"{EXECUTIONS}/{execution_id}/cancel")
    await own.finish(execution_id)
    await own.run(flow, message="Go.")
    assert await kinds(alice, aggregate_type="Execution") == [
        "ExecutionStarted",
        "ExecutionCancelRequested",
        "ExecutionCancelled",
        "ExecutionStarted",
        "ExecutionFailed",
    ]
    failed = (await log(alice, event_type="ExecutionFailed"))[0]
    assert "OPENAI_API_KEY" in failed["event_data"]["error_message"]


async def test_an_approval_names_who_decided_in_its_owners_log(lab: Lab, alice: Caller, bob: Caller) -> None:
    execution_id = await asked(lab, alice, bob)
    await bob.ok("POST", path_of(execution_id), json={"decision": "reject", "comment": "Too dear."})
    await replace(lab, user_id=alice.user.id).finish(execution_id)
    found = [event for event in reversed(await log(alice)) if event["event_type"].startswith("Approval")]
    assert [(event["event_type"], event["user_id"]) for event in found] == [
        ("ApprovalRequested", None),
        ("ApprovalSubmitted", bob.user.id),
        ("ApprovalRejected", bob.user.id),
    ]
    submitted = found[1]
    assert (submitted["event_data"]["decision"], submitted["event_data"]["comment"]) == ("reject", "Too dear.")
    assert submitted["metadata"]["ip"] == "127.0.0.1"
    assert await kinds(bob) == []


async def test_logins_and_keys_are_in_it_without_any_secret(alice: Caller, stranger: Call, runtime: Runtime) -> None:
    login = {"username": alice.user.email, "password": PASSWORD}
    await stranger.ok("POST", "/api/auth/login", data=login)
    await stranger.problem(401, "POST", "/api/auth/login", data={**login, "password": "wrong horse"})
    nobody = f"{uuid4().hex}@example.com"
    await stranger.problem(401, "POST", "/api/auth/login", data={"username": nobody, "password": "wrong horse"})
    made = await alice.ok("POST", "/api/auth/api-keys", json={"name": "nightly"})
    await stranger.ok("GET", FLOWS, headers={"Authorization": f"Bearer {made['key']}"})
    await alice.ok("DELETE", f"/api/auth/api-keys/{made['id']}")
    assert await kinds(alice) == ["LoginSucceeded", "LoginFailed", "ApiKeyCreated", "ApiKeyUsed", "ApiKeyDeleted"]
    used = (await log(alice, event_type="ApiKeyUsed"))[0]
    assert (used["event_data"]["api_key_id"], used["user_id"]) == (made["id"], alice.user.id)
    told = json.dumps(await log(alice))
    assert made["key"] not in told
    assert "horse" not in told
    async with runtime.single.connect() as connection:
        kept = await read_audit(connection, AuditQuery(tenant_id=0, event_types=("LoginFailed",)), limit=100, offset=0)
    assert nobody in [event.event_data["email"] for event in kept.events]


async def test_filters_totals_and_former_names(alice: Caller, bob: Caller, runtime: Runtime) -> None:
    for number in range(3):
        await alice.agentflow(name=f"Team {number}")
    await alice.ok("POST", CHATFLOWS, json={"name": "Chat"})
    await bob.agentflow()
    await seal(runtime.sessions, alice.user.id)
    await alice.agentflow(name="Not sealed yet")
    for query in ({"event_type": "FlowCreated"}, {"event_type": "WorkflowCreated"}, {"aggregate_type": "Workflow"}):
        page = await alice.ok("GET", AUDIT, params={**query, "limit": 2})
        assert (len(page["events"]), page["total_count"]) == (2, 5), query
    names = [
        event["event_data"]["flow"]["name"]
        for offset in range(5)
        for event in await log(alice, event_type="FlowCreated", limit=1, offset=offset)
    ]
    assert names == ["Not sealed yet", "Chat", "Team 2", "Team 1", "Team 0"]
    for query, total in (
        ({"user_id": alice.user.id}, 5),
        ({"user_id": bob.user.id}, 0),
        ({"aggregate_type": "KnowledgeBase"}, 0),
        ({"from_date": "2001-01-01T12:00:00Z"}, 7),
        ({"to_date": "2001-01-01T12:00:00Z"}, 0),
        ({"from_date": "2001-01-01T12:00:00Z", "to_date": "2999-01-01T12:00:00+09:00", "user_id": alice.user.id}, 5),
    ):
        assert (await alice.ok("GET", AUDIT, params=query))["total_count"] == total, query
    for query in ({"limit": 1001}, {"limit": 0}, {"from_date": "yesterday"}, {"from_date": "2026-01-01T00:00:00"}):
        await alice.problem(422, "GET", AUDIT, params=query)


@pytest.mark.parametrize("hours", [1, 30, 80])
async def test_totals_over_days_agree_with_counting(alice: Caller, runtime: Runtime, hours: int) -> None:
    begin = datetime(2020, 3, 1, 20, tzinfo=UTC)
    async with runtime.sessions.begin() as session:
        await session.execute(
            text("""
                INSERT INTO audit_log (tenant_id, event_type, aggregate_type, aggregate_id, event_data, metadata,
                    timestamp)
                SELECT :tenant, 'Ticked', 'Clock', n, '{}', '{}', CAST(:begin AS timestamptz) + n * interval '1 hour'
                FROM generate_series(0, 99) AS n
            """),
            {"tenant": alice.user.id, "begin": begin},
        )
    await seal(runtime.sessions, alice.user.id)
    for first in (0, 3, 4, 5, 50):
        query = {
            "event_type": "Ticked",
            "from_date": (begin + timedelta(hours=first)).isoformat(),
            "to_date": (begin + timedelta(hours=first + hours)).isoformat(),
        }
        page = await alice.ok("GET", AUDIT, params={**query, "limit": 1000})
        assert page["total_count"] == len(page["events"]) == min(hours, 100 - first)


async def test_the_database_refuses_to_change_the_log(alice: Caller, runtime: Runtime) -> None:
    await alice.agentflow()
    await seal(runtime.sessions, alice.user.id)
    for statement in (
        "UPDATE audit_log SET user_id = 1",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "UPDATE audit_chain SET position = position + 1",
        "DELETE FROM audit_chain",
        "TRUNCATE audit_chain",
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            async with runtime.engine.begin() as connection:
                await connection.execute(text(statement))


async def test_a_log_that_nobody_touched_is_valid_and_checked_without_us(alice: Caller) -> None:
    for number in range(3):
        await alice.agentflow(name=f"Team {number}")
    verdict = await alice.ok("GET", f"{AUDIT}/verify")
    assert (verdict["valid"], verdict["problems"], verdict["entries"]) == (True, [], 5)
    answer = await alice.ask("GET", f"{AUDIT}/export")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    link = b""
    for number, line in enumerate(map(json.loads, answer.text.splitlines()), 1):
        row_hash = hashlib.sha256(line["entry"].encode()).digest()
        link = hashlib.sha256(link + row_hash).digest()
        assert (line["position"], line["row_hash"], line["hash"]) == (number, row_hash.hex(), link.hex())
    assert link.hex() == verdict["head"]
    assert "Team 2" in answer.text.splitlines()[-1]


@asynccontextmanager
async def tampering(runtime: Runtime) -> AsyncGenerator[AsyncConnection]:
    """A superuser who shuts the triggers off, and lets them on again."""
    async with runtime.engine.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield connection


TAMPERING = {
    "altered": "UPDATE audit_log SET event_data = '{}' WHERE id = :id",
    "altered by its date": "UPDATE audit_log SET timestamp = timestamp - interval '1 day' WHERE id = :id",
    "removed": "DELETE FROM audit_log WHERE id = :id",
    "removed with its link": """
        WITH gone AS (DELETE FROM audit_chain WHERE log_id = :id) DELETE FROM audit_log WHERE id = :id
    """,
    "reordered": """
        UPDATE audit_chain AS c SET log_id = -other.log_id, row_hash = other.row_hash FROM audit_chain AS other
        WHERE c.log_id IN (:id, :next) AND other.log_id IN (:id, :next) AND other.log_id <> c.log_id
    """,
    "cut off": "DELETE FROM audit_chain WHERE tenant_id = :tenant AND log_id >= :id",
    "inserted": """
        INSERT INTO audit_log (tenant_id, event_type, aggregate_type, aggregate_id, event_data, metadata, timestamp)
        VALUES (:tenant, 'ExecutionStarted', 'Execution', 'x', '{}', '{}', now())
    """,
}


@pytest.mark.parametrize("name", TAMPERING)
async def test_what_was_touched_is_found_and_named(alice: Caller, runtime: Runtime, name: str) -> None:
    for number in range(4):
        await alice.agentflow(name=f"Team {number}")
    await seal(runtime.sessions, alice.user.id)
    newest = await log(alice, event_type="FlowCreated")
    touched, following = newest[2]["id"], newest[1]["id"]
    async with tampering(runtime) as connection:
        known = {"tenant": alice.user.id, "id": touched, "next": following}
        used = {key: value for key, value in known.items() if f":{key}" in TAMPERING[name]}
        await connection.execute(text(TAMPERING[name]), used)
        if name == "reordered":
            await connection.execute(
                text("UPDATE audit_chain SET log_id = -log_id WHERE tenant_id = :tenant AND log_id < 0"),
                {"tenant": alice.user.id},
            )
    verdict = await alice.ok("GET", f"{AUDIT}/verify")
    assert not verdict["valid"]
    problems = {(problem["problem"], problem["id"]) for problem in verdict["problems"]}
    expected = {
        "altered": ("altered", touched),
        "altered by its date": ("altered", touched),
        "removed": ("removed", touched),
        "removed with its link": ("removed", following),
        "reordered": ("reordered", following),
        "cut off": ("cut off", newest[3]["id"]),
    }
    if name == "inserted":
        assert {problem for problem, _ in problems} == {"inserted"}
    else:
        assert expected[name] in problems
    assert all(problem["sentence"] for problem in verdict["problems"])


@pytest.mark.parametrize("at_once", [1, 2, 3])
async def test_a_log_is_checked_in_parts_without_a_gap(alice: Caller, runtime: Runtime, at_once: int) -> None:
    for number in range(4):
        await alice.agentflow(name=f"Team {number}")
    await seal(runtime.sessions, alice.user.id)
    async with runtime.engine.begin() as connection:
        assert (await verify(connection, alice.user.id, at_once=at_once)).valid
    for gone in (event["id"] for event in (await log(alice, event_type="FlowCreated"))[1:3]):
        async with tampering(runtime) as connection:
            await connection.execute(text("DELETE FROM audit_chain WHERE log_id = :id"), {"id": gone})
            await connection.execute(text("DELETE FROM audit_log WHERE id = :id"), {"id": gone})
    async with runtime.engine.begin() as connection:
        verdict = await verify(connection, alice.user.id, at_once=at_once)
    assert [problem.problem for problem in verdict.problems] == ["removed"]


async def test_many_writers_and_sealers_at_once_make_one_chain(alice: Caller, bob: Caller, runtime: Runtime) -> None:
    async def write(caller: Caller) -> None:
        for number in range(10):
            await caller.agentflow(name=f"Team {number}")

    async def sealing() -> None:
        for _ in range(10):
            await seal_all(runtime.sessions)

    async def verifying() -> None:
        for _ in range(20):
            assert (await alice.ok("GET", f"{AUDIT}/verify"))["problems"] == []

    await asyncio.gather(write(alice), write(bob), write(alice), sealing(), sealing(), verifying(), verifying())
    for caller, entries in ((alice, 22), (bob, 12)):
        verdict = await caller.ok("GET", f"{AUDIT}/verify")
        assert (verdict["valid"], verdict["entries"]) == (True, entries)


async def test_the_log_is_its_owners_alone(alice: Caller, bob: Caller, stranger: Call) -> None:
    await alice.agentflow()
    assert await kinds(bob) == []
    assert "FlowCreated" not in (await bob.ask("GET", f"{AUDIT}/export")).text
    for path in (AUDIT, f"{AUDIT}/verify", f"{AUDIT}/export"):
        await stranger.problem(401, "GET", path)
