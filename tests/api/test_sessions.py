"""Sessions over HTTP: read, cleared, deleted, exported; their events; whose they are."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from perdure.bootstrap import Runtime
from perdure.domain.runs import RunHeader, Turn
from perdure.storage.chats import open_session, write_turn
from perdure.storage.executions import insert_started
from tests.api.callers import Caller, Flow

CHAT = "/api/agent-builder/chatflow"
SESSIONS = f"{CHAT}/sessions"
EVENTS = "/api/events/aggregate"


async def said(runtime: Runtime, caller: Caller, flow: Flow, session_id: str, *turns: tuple[str, str]) -> None:
    """Put turns into a session as runs leave them."""
    for message, answer in turns:
        async with runtime.sessions.begin() as session:
            header = RunHeader(
                execution_id=uuid4(),
                flow_id=UUID(flow["id"]),
                flow_type="chatflow",
                flow_name=flow["name"],
                flow_version=1,
                user_id=caller.user.id,
                session_id=session_id,
                input_data={"message": message},
                started_at=datetime.now(UTC),
            )
            await insert_started(session, header)
            await open_session(session, user_id=caller.user.id, session_id=session_id, flow_id=header.flow_id)
            await write_turn(session, header, Turn(message=message, answer=answer), answered_at=datetime.now(UTC))


@pytest.fixture
async def flow(alice: Caller) -> Flow:
    return await alice.chatflow(name="Helper", memory_config={"type": "summary", "summary_threshold": 6})


async def test_sessions_are_listed_the_latest_used_first(runtime: Runtime, alice: Caller, flow: Flow) -> None:
    other = await alice.chatflow()
    await said(runtime, alice, flow, "a/b", ("Hi", "Hello"))
    await said(runtime, alice, other, "c", ("Hi", "Hello"))
    await said(runtime, alice, flow, "d", ("Hi", "Hello"), ("Why?", "So."))
    listed = await alice.ok("GET", SESSIONS)
    assert listed["total"] == 3
    assert [session["id"] for session in listed["sessions"]] == ["d", "c", "a/b"]
    assert listed["sessions"][0]["message_count"] == 4
    page = await alice.ok("GET", SESSIONS, params={"chatflow_id": flow["id"], "limit": 1, "offset": 1})
    assert (page["total"], [session["id"] for session in page["sessions"]]) == (2, ["a/b"])


async def test_one_session_is_read_with_its_history_in_pages(runtime: Runtime, alice: Caller, flow: Flow) -> None:
    await said(runtime, alice, flow, "a/b", ("Hi", "Hello"), ("Why?", "So."))
    session = await alice.ok("GET", f"{SESSIONS}/a/b")
    assert session["chatflow_id"] == flow["id"]
    assert session["chatflow_name"] == "Helper"
    assert session["memory_config"]["type"] == "summary"
    assert session["has_own_memory"] is False
    history = await alice.ok("GET", f"{SESSIONS}/a/b/history", params={"limit": 2, "offset": 1})
    assert history["total"] == 4
    assert [(message["role"], message["content"]) for message in history["messages"]] == [
        ("assistant", "Hello"),
        ("user", "Why?"),
    ]
    assert set(history["messages"][0]) >= {"execution_id", "created_at", "sequence"}
    assert await alice.ok("GET", f"{SESSIONS}/a%2Fb") == session


async def test_a_session_is_exported_whole(runtime: Runtime, alice: Caller, flow: Flow) -> None:
    await said(runtime, alice, flow, "s", ("Hi", "Hello"), ("Why?", "So."))
    exported = await alice.ok("GET", f"{SESSIONS}/s/export")
    assert exported["session"]["id"] == "s"
    assert [message["content"] for message in exported["messages"]] == ["Hi", "Hello", "Why?", "So."]
    text = await alice.ask("GET", f"{SESSIONS}/s/export", params={"format": "markdown"})
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert text.text.startswith("# Helper\n")
    assert text.text.index("Hi") < text.text.index("## Assistant") < text.text.index("So.")
    await alice.problem(422, "GET", f"{SESSIONS}/s/export", params={"format": "pdf"})


async def test_a_cleared_session_is_empty_and_its_events_tell(runtime: Runtime, alice: Caller, flow: Flow) -> None:
    await said(runtime, alice, flow, "a/b", ("Hi", "Hello"))
    cleared = await alice.ok("POST", f"{SESSIONS}/a/b/clear")
    assert cleared["message_count"] == 0
    assert (await alice.ok("GET", f"{SESSIONS}/a/b/history"))["messages"] == []
    await said(runtime, alice, flow, "a/b", ("Again", "Yes"))
    deleted = await alice.ok("DELETE", f"{SESSIONS}/a/b")
    assert deleted["message_count"] == 2
    await alice.problem(404, "GET", f"{SESSIONS}/a/b")
    await said(runtime, alice, flow, "a/b", ("Anew", "Yes"))
    events = await alice.ok("GET", f"{EVENTS}/a/b", params={"aggregate_type": "Session"})
    assert [(event["event_type"], event["version"]) for event in events] == [
        ("SessionCreated", 1),
        ("SessionCleared", 2),
        ("SessionDeleted", 3),
        ("SessionCreated", 4),
    ]
    assert {event["aggregate_id"] for event in events} == {"a/b"}
    assert await alice.ok("GET", f"{EVENTS}/a/b") == events
    replayed = await alice.ok("GET", "/api/events/replay/a/b", params={"to_version": 2})
    assert replayed == events[:2]


async def test_one_session_has_a_memory_of_its_own(runtime: Runtime, alice: Caller, flow: Flow) -> None:
    await said(runtime, alice, flow, "s", ("Hi", "Hello"))
    changed = await alice.ok("PUT", f"{SESSIONS}/s/memory", json={"type": "buffer", "max_messages": 4})
    assert changed["has_own_memory"] is True
    assert (changed["memory_config"]["type"], changed["memory_config"]["max_messages"]) == ("buffer", 4)
    await alice.problem(422, "PUT", f"{SESSIONS}/s/memory", json={"type": "elephant"})
    await alice.problem(422, "PUT", f"{SESSIONS}/s/memory", json={"type": "buffer", "max_mesages": 4})
    events = await alice.ok("GET", f"{EVENTS}/s", params={"aggregate_type": "Session"})
    assert events[-1]["event_type"] == "SessionMemoryChanged"
    assert events[-1]["event_data"]["memory_config"]["max_messages"] == 4


async def test_another_s_session_is_not_there(runtime: Runtime, alice: Caller, bob: Caller, flow: Flow) -> None:
    await said(runtime, alice, flow, "s", ("Hi", "Hello"))
    for method, path in (
        ("GET", "/s"),
        ("GET", "/s/history"),
        ("GET", "/s/export"),
        ("POST", "/s/clear"),
        ("DELETE", "/s"),
    ):
        await bob.problem(404, method, f"{SESSIONS}{path}")
    await bob.problem(404, "PUT", f"{SESSIONS}/s/memory", json={"type": "buffer"})
    await bob.problem(404, "GET", f"{EVENTS}/s", params={"aggregate_type": "Session"})
    assert (await bob.ok("GET", SESSIONS))["total"] == 0
    assert (await alice.ok("GET", f"{SESSIONS}/s"))["message_count"] == 2


async def test_two_users_may_have_sessions_of_one_name(runtime: Runtime, alice: Caller, bob: Caller) -> None:
    for caller in (alice, bob):
        await said(runtime, caller, await caller.chatflow(), "s", ("Hi", "Hello"))
        events = await caller.ok("GET", f"{EVENTS}/s", params={"aggregate_type": "Session"})
        assert [event["user_id"] for event in events] == [caller.user.id]


async def test_memory_types_are_described_with_their_settings(alice: Caller) -> None:
    strategies = (await alice.ok("GET", f"{CHAT}/memory/strategies"))["strategies"]
    assert [strategy["type"] for strategy in strategies] == ["buffer", "summary", "vector", "hybrid"]
    settings = {strategy["type"]: strategy["settings"] for strategy in strategies}
    assert settings["buffer"]["max_messages"]["default"] == 20
    assert settings["vector"]["vector_top_k"]["maximum"] == 1000
    assert "summary_threshold" not in settings["buffer"]
    assert {"buffer_weight", "summary_weight", "vector_weight"} <= set(settings["hybrid"])
