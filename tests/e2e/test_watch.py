"""A run watched over HTTP: every event and every word, from any frame on, through crashes, from any API process."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest
from pydantic import JsonValue

from tests.support.event_reading import EventReader, ReadEvent, event_stream
from tests.support.product import API, JsonObject, Product, free_port
from tests.support.scripted_model import Behaviour, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

MODEL: JsonObject = {"llm_provider": "openai", "llm_model": "gpt-4o-mini"}
WORDS = "one two three four five six seven eight nine ten"


@pytest.fixture
async def flow_id(product: Product) -> str:
    agents: JsonValue = [{"name": "One", "id": "one"}, {"name": "Two", "id": "two"}]
    team: JsonObject = {"name": "Team", "agents": agents, "supervisor_config": MODEL, "orchestration_type": "parallel"}
    return str((await product.post(f"{API}/agentflows", team))["id"])


async def start(product: Product, flow_id: str) -> str:
    return str((await product.post(f"{API}/flows/{flow_id}/execute", {"input_data": {"message": "Hi"}}))["id"])


def path_of(execution_id: str) -> str:
    return f"{API}/executions/{execution_id}/stream"


@asynccontextmanager
async def watch(
    product: Product, execution_id: str, *, after: str | None = None, base: str = "", **query: str
) -> AsyncGenerator[EventReader]:
    async with event_stream(product.http, base + path_of(execution_id), last_event_id=after, **query) as reader:
        assert reader.response.status == 200, await reader.response.text()
        yield reader


def events_of(frames: Sequence[ReadEvent]) -> list[JsonObject]:
    return [frame.data for frame in frames if frame.name == "execution_update"]


def words_of(frames: Sequence[ReadEvent], step: str) -> list[tuple[str, JsonObject]]:
    return [
        (frame.name, frame.data)
        for frame in frames
        if frame.name != "execution_update" and frame.data["node_id"] == step
    ]


def same(frames: Sequence[ReadEvent], whole: Sequence[ReadEvent]) -> None:
    """Every event and every word once and in order; words of several steps may alternate in another way."""
    assert events_of(frames) == events_of(whole)
    for step in ("one", "two"):
        assert words_of(frames, step) == words_of(whole, step)


async def test_from_every_frame_on_the_rest_comes_and_nothing_else(
    product: Product, model: ScriptedModel, flow_id: str
) -> None:
    await model.script(
        Behaviour(status=503, body={"error": {"message": "Try later."}}, headers={"retry-after": "0.1"}),
        *[Behaviour(text=WORDS, token_delay_ms=5)] * 2,
    )
    execution_id = await start(product, flow_id)
    async with watch(product, execution_id) as reader:
        assert reader.response.headers["Content-Type"].startswith("text/event-stream")
        whole = await reader.rest()
    told: list[JsonObject] = (await product.call("GET", f"/api/events/aggregate/{execution_id}"))[1]  # type: ignore[assignment]
    assert events_of(whole) == told
    assert len({frame.id for frame in whole}) == len(whole)
    names = [frame.data.get("event_type", frame.name) for frame in whole]
    assert names[0] == "ExecutionStarted"
    assert names[-1] == "ExecutionCompleted"
    assert names.count("attempt_failed") == 1
    for step in ("one", "two"):
        text = "".join(str(data["text"]) for name, data in words_of(whole, step) if name == "token")
        assert text == WORDS
    for position, frame in enumerate(whole[:-1]):
        async with watch(product, execution_id, after=frame.id) as reader:
            same([*whole[: position + 1], *await reader.rest()], whole)
    async with event_stream(product.http, path_of(execution_id), last_event_id=whole[-1].id) as reader:
        assert reader.response.status == 204
    async with watch(product, execution_id, from_version="4") as reader:
        assert events_of(await reader.rest()) == told[3:]


async def test_a_stream_outlasts_a_killed_api_and_a_restart_of_all_the_rest(
    product: Product, model: ScriptedModel, flow_id: str
) -> None:
    await model.script(
        Behaviour(text="lost words", hang_after_tokens=2, times=2), *[Behaviour(text=WORDS, token_delay_ms=40)] * 2
    )
    port = free_port()
    await product.start("api", name="api 2", environment={"PERDURE_API__PORT": str(port)})
    base = f"http://127.0.0.1:{port}"
    execution_id = await start(product, flow_id)
    try:
        async with watch(product, execution_id, base=base) as reader:
            frames = await reader.until_said(4)
            await product.kill("api 2")
        async with watch(product, execution_id, after=frames[-1].id) as reader:
            # Worker, database and Temporal restart, and this reader stays.
            await product.stop("worker")
            await product.stop("services")
            await product.start("services", "worker")
            frames += await reader.rest()
        # The connections of its pool are gone: one request of the next test would be told to try again.
        await product.stop("api")
        await product.start("api")
    finally:
        if "api 2" in product.processes:
            await product.stop("api 2")
    events = events_of(frames)
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    assert len({frame.id for frame in frames}) == len(frames)
    for step in ("one", "two"):
        second = [data for name, data in words_of(frames, step) if name == "token" and data["attempt"] == 2]
        assert "".join(str(data["text"]) for data in second) == WORDS
        assert [data["index"] for data in second] == list(range(len(second)))
    assert frames[-1].data["event_type"] == "ExecutionCompleted"
