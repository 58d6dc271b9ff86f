"""Chat turns as server-sent events: word by word, taken up again, through crashes, from any API process."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import aiohttp
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.event_reading import EventReader, ReadEvent, event_stream, indexes, shown
from tests.support.product import API, JsonObject, Product, free_port
from tests.support.scripted_model import Behaviour, ScriptedCall, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CHAT: JsonObject = {"llm_provider": "openai", "llm_model": "gpt-4o-mini"}
NOBODYS = "00000000-0000-4000-8000-000000000000"
ANOTHERS = "00000000-0000-4000-8000-000000000001"
WORDS = "one two three four five six seven eight nine ten"


@pytest.fixture
async def path(product: Product) -> str:
    flow = await product.post(f"{API}/chatflows", {"name": "FAQ", "chat_config": CHAT})
    return f"{API}/chatflow/workflows/{flow['id']}/chat/stream"


@asynccontextmanager
async def stream(
    product: Product, path: str, message: str = "Hi", *, last_event_id: str | None = None, **query: str
) -> AsyncGenerator[EventReader]:
    opened = event_stream(product.http, path, last_event_id=last_event_id, message=message, **query)
    async with opened as reader:
        assert reader.response.status == 200, await reader.response.text()
        yield reader


def is_whole(events: list[ReadEvent]) -> bool:
    """Whether each frame of an answer has come once, in order."""
    return shown(events) == WORDS and indexes(events) == list(range(len(indexes(events))))


async def test_a_turn_is_told_word_by_word_while_the_model_writes(
    product: Product, model: ScriptedModel, path: str
) -> None:
    await model.script(Behaviour(text="one two three", hang_after_tokens=2), Behaviour(text=WORDS))
    async with stream(product, path) as reader:
        assert reader.response.headers["Content-Type"].startswith("text/event-stream")
        assert reader.response.headers["Cache-Control"] == "no-cache"
        assert reader.response.headers["X-Accel-Buffering"] == "no"
        # The model has written two words and holds its breath: both are here.
        events = await reader.until_said(2)
        assert [event.name for event in events[:3]] == ["start", "sources", "token"]
        assert events[1].data == {"sources": []}
        assert events[2].data.items() >= {"node_id": "assistant", "attempt": 1, "index": 0}.items()
        assert shown(events) == "one two"
        execution_id = str(events[0].data["execution_id"])
        assert (await product.get(f"{API}/executions/{execution_id}"))["status"] == "running"
        await product.post(f"{API}/executions/{execution_id}/cancel")
        (last,) = await reader.rest()
        assert (last.name, last.data["code"]) == ("error", "cancelled")


async def test_the_end_tells_what_a_waiting_call_would_be_answered(
    product: Product, model: ScriptedModel, path: str
) -> None:
    await model.script(Behaviour(text=WORDS, token_delay_ms=5))
    async with stream(product, path, session_id="s-" + uuid4().hex) as reader:
        events = await reader.rest()
    assert is_whole(events)
    assert len({event.id for event in events}) == len(events)
    end = events[-1].data
    assert events[-1].name == "end"
    assert (end["response"], end["message_count"], end["success"]) == (WORDS, 2, True)
    assert end["session_id"] == events[0].data["session_id"]
    usage = end["usage"]
    assert isinstance(usage, dict)
    assert usage["output_tokens"] == 10


async def test_a_reader_that_comes_back_loses_and_repeats_nothing(
    product: Product, model: ScriptedModel, path: str
) -> None:
    await model.script(Behaviour(text=WORDS, token_delay_ms=40))
    async with stream(product, path) as reader:
        events = await reader.until_said(2)
    while events[-1].name != "end":
        # As a browser does: the same address, the id of the last event.
        async with stream(product, path, last_event_id=events[-1].id) as reader:
            events += await reader.until_said(2) if len(shown(events)) < len(WORDS) / 2 else await reader.rest()
    assert is_whole(events)
    assert [event.name for event in events if event.name != "token"] == ["start", "sources", "end"]
    assert (await model.recorded()).total == 1
    # Over and over: an EventSource that is told 204 does not come back.
    async with event_stream(product.http, path, last_event_id=events[-1].id, message="Hi") as reader:
        assert reader.response.status == 204
    async with stream(product, path, last_event_id=events[4].id) as reader:
        assert await reader.rest() == events[5:]
    async with stream(product, path, execution_id=str(events[0].data["execution_id"])) as reader:
        assert await reader.rest() == events
    assert (await model.recorded()).total == 1


async def test_nobody_has_to_watch_for_a_turn_to_be_kept(product: Product, model: ScriptedModel, path: str) -> None:
    await model.script(Behaviour(text=WORDS, token_delay_ms=20))
    async with stream(product, path) as reader:
        execution_id = (await anext(reader)).data["execution_id"]
    execution = await product.ended(execution_id)
    assert execution["status"] == "completed"
    async with stream(product, path, session_id=str(execution["session_id"])) as reader:
        assert (await reader.rest())[-1].data["message_count"] == 4


async def test_a_failing_model_ends_the_stream_with_an_error(product: Product, model: ScriptedModel, path: str) -> None:
    await model.script(Behaviour(status=400, body={"error": {"message": "no"}}))
    async with stream(product, path) as reader:
        events = await reader.rest()
    assert [event.name for event in events] == ["start", "sources", "error"]
    assert events[-1].data["code"] == "failed"
    assert events[-1].data["message"]
    async with stream(product, path, last_event_id=events[1].id) as reader:
        assert await reader.rest() == events[2:]


async def test_the_words_of_a_killed_worker_are_replaced_by_the_next_ones(
    product: Product, model: ScriptedModel, path: str
) -> None:
    await model.script(Behaviour(text="lost words", hang_after_tokens=2), Behaviour(text=WORDS))
    async with stream(product, path) as reader:
        events = await reader.until_said(2)
        assert shown(events) == "lost words"
        await product.kill("worker")
        await product.start("worker")
        events += await reader.rest()
    (reset,) = [event for event in events if event.name == "reset"]
    assert reset.data == {"node_id": "assistant", "attempt": 2}
    assert shown(events) == WORDS
    assert events[-1].data["response"] == WORDS
    assert all(event.data["attempt"] == 2 for event in events[events.index(reset) :] if event.name == "token")


async def test_another_api_process_goes_on_where_the_first_was_killed(
    product: Product, model: ScriptedModel, path: str
) -> None:
    await model.script(Behaviour(text=WORDS, token_delay_ms=60))
    port = free_port()
    await product.start("api", name="api 2", environment={"PERDURE_API__PORT": str(port)})
    elsewhere = f"http://127.0.0.1:{port}{path}"
    try:
        async with stream(product, path) as reader:
            events = await reader.until_said(3)
        async with stream(product, elsewhere, last_event_id=events[-1].id) as reader:
            events += await reader.until_said(2)
            await product.kill("api 2")
    finally:
        if "api 2" in product.processes:
            await product.stop("api 2")
    async with stream(product, path, last_event_id=events[-1].id) as reader:
        events += await reader.rest()
    assert is_whole(events)
    assert events[-1].name == "end"


async def test_a_stopping_api_ends_its_streams_at_once(product: Product, model: ScriptedModel, path: str) -> None:
    await model.script(Behaviour(text="one two", hang_after_tokens=1))
    port = free_port()
    await product.start("api", name="api 2", environment={"PERDURE_API__PORT": str(port)})
    async with stream(product, f"http://127.0.0.1:{port}{path}") as reader:
        events = await reader.until("token")
        began = time.monotonic()
        assert await product.stop("api 2") == 0
        assert time.monotonic() - began < 3
        assert await reader.rest() == []
    async with stream(product, path, last_event_id=events[-1].id) as reader:
        await product.post(f"{API}/executions/{events[0].data['execution_id']}/cancel")
        assert [event.name for event in await reader.rest()] == ["error"]


async def test_once_the_live_rows_are_gone_the_answer_comes_in_one_piece(
    product: Product, model: ScriptedModel, path: str
) -> None:
    await model.script(Behaviour(text=WORDS))
    async with stream(product, path) as reader:
        events = await reader.until("token")
        await reader.rest()
    execution_id = str(events[0].data["execution_id"])
    await forget_live_rows(product, execution_id)
    async with stream(product, path, execution_id=execution_id) as reader:
        whole = await reader.rest()
    assert [event.name for event in whole] == ["start", "sources", "token", "end"]
    assert whole[2].data == {"node_id": "assistant", "attempt": 1, "index": 0, "text": WORDS}
    # Who has had a part of it is told to drop that.
    async with stream(product, path, last_event_id=events[-1].id) as reader:
        rest = await reader.rest()
    assert [event.name for event in rest] == ["reset", "token", "end"]
    assert rest[1].data["attempt"] == 2
    assert shown([*events, *rest]) == WORDS
    async with stream(product, path, last_event_id=rest[1].id) as reader:
        assert [event.name for event in await reader.rest()] == ["end"]


async def forget_live_rows(product: Product, execution_id: str) -> None:
    engine = create_async_engine(product.database_url)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM live_frames WHERE execution_id = :id"), {"id": execution_id})
    await engine.dispose()


async def test_a_browser_says_who_it_is_in_the_query_and_no_log_keeps_it(product: Product, path: str) -> None:
    token = await product.token("ada@example.com")
    async with aiohttp.ClientSession(product.base_url) as browser:
        for query, status in (({}, 401), ({"token": "wrong"}, 401), ({"token": token}, 200)):
            async with event_stream(browser, path, message="Hi", **query) as reader:
                assert reader.response.status == status
                if status == 200:
                    assert (await reader.rest())[-1].name == "end"
        async with browser.get(f"{path}?token={token}&session_id=") as response:
            assert response.status == 422
            assert token not in await response.text()
    for log in product.data_dir.rglob("*.log"):
        assert token not in await asyncio.to_thread(log.read_text, errors="replace"), log


@pytest.mark.parametrize(
    ("query", "last_event_id", "expected"),
    [
        ({}, None, 422),
        ({"message": " "}, None, 422),
        ({"message": "x", "session_id": "s" * 256}, None, 422),
        ({"message": "x"}, "nonsense", 400),
        ({"message": "x"}, f"{NOBODYS}:nonsense", 400),
        ({"message": "x"}, f"{NOBODYS}:0", 404),
        ({"execution_id": NOBODYS}, None, 404),
        ({"execution_id": NOBODYS}, f"{ANOTHERS}:0", 400),
    ],
)
async def test_what_cannot_be_streamed_is_told_before_the_stream(
    product: Product, model: ScriptedModel, path: str, query: dict[str, str], last_event_id: str | None, expected: int
) -> None:
    async with event_stream(product.http, path, last_event_id=last_event_id, **query) as reader:
        assert reader.response.status == expected
        assert (await reader.response.json(content_type="application/problem+json"))["detail"]
    assert (await model.recorded()).total == 0


async def test_one_key_starts_one_turn_and_nobody_follows_anothers(
    product: Product, model: ScriptedModel, path: str
) -> None:
    key = uuid4().hex
    async with stream(product, path, idempotency_key=key) as reader:
        events = await reader.rest()
    async with stream(product, path, idempotency_key=key) as reader:
        assert await reader.rest() == events
    assert (await model.recorded()).total == 1
    await product.log_in("eve@example.com")
    try:
        async with event_stream(product.http, path, last_event_id=events[3].id, message="Hi") as reader:
            assert reader.response.status == 404
    finally:
        await product.log_in("ada@example.com")


async def test_sources_and_tool_calls_are_told_before_the_words(product: Product, model: ScriptedModel) -> None:
    code = ScriptedCall(name="python", arguments={"code": "6 * 7"})
    await model.script(Behaviour(last="^Hi$", text="Wait.", tool_calls=(code,)), Behaviour(tool="42", text="It is 42."))
    flow = await product.post(f"{API}/chatflows", {"name": "Sage", "chat_config": CHAT, "tools": ["python"]})
    async with stream(product, f"{API}/chatflow/workflows/{flow['id']}/chat/stream") as reader:
        events = await reader.rest()
    called, returned = (event.data for event in events if event.name == "tool")
    assert (called["name"], called["status"], called["arguments"]) == ("python", "called", {"code": "6 * 7"})
    assert (returned["step_id"], returned["status"], returned["is_error"]) == (called["step_id"], "returned", False)
    names = [event.name for event in events]
    assert names[:3] == ["start", "sources", "token"]
    assert names.index("tool") < [event.data.get("node_id") for event in events].index("assistant:2")
    end = events[-1].data
    assert (end["response"], end["message_count"]) == ("It is 42.", 2)
    async with stream(
        product, f"{API}/chatflow/workflows/{flow['id']}/chat/stream", last_event_id=events[3].id
    ) as reader:
        assert await reader.rest() == events[4:]
