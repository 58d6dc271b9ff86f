"""Watching runs on a real server: codes, tokens, slow readers, many watchers, a run that is sent back."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator
from dataclasses import replace
from uuid import UUID, uuid4

import aiohttp
import orjson
import pytest
from pydantic import JsonValue
from temporalio.client import (
    Client,
    FetchWorkflowHistoryEventsInput,
    Interceptor,
    OutboundInterceptor,
    WorkflowHistoryEventAsyncIterator,
)
from typing_extensions import override
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from perdure.bootstrap import Runtime
from perdure.storage.users import ensure_user
from perdure.temporal.history import Records
from perdure.watching import Place, Watching
from tests.support.event_reading import ReadEvent, event_stream
from tests.support.resetting import send_back
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour
from tests.support.serving import Served, serving, token_of

BACKLOG = 50
WORDS = "one two three four five"


@pytest.fixture
async def served(runtime: Runtime) -> AsyncGenerator[Served]:
    async with serving(runtime, watcher_backlog=BACKLOG) as running:
        yield running


@pytest.fixture
def token(lab: Lab) -> str:
    return token_of(lab.runtime, lab.user_id)


async def messages(address: str) -> tuple[list[dict[str, JsonValue]], int]:
    """All that comes over a WebSocket, and the code it is closed with."""
    told: list[dict[str, JsonValue]] = []
    async with connect(address, max_size=None) as watching:
        try:
            while True:
                told.append(orjson.loads(await watching.recv()))
        except ConnectionClosed:
            code = watching.close_code
    assert code is not None
    return told, code


def said_in(told: list[dict[str, JsonValue]]) -> str:
    """All words of models."""
    return "".join(
        str(message["data"]["text"])
        for message in told
        if message["type"] == "token" and isinstance(message["data"], dict)
    )


async def frames(served: Served, execution_id: UUID, token: str, after: str | None = None) -> list[ReadEvent]:
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http,
        event_stream(http, served.stream(execution_id), last_event_id=after) as reader,
    ):
        assert reader.response.status == 200, await reader.response.text()
        return await reader.rest()


async def test_a_socket_tells_what_a_stream_tells_and_goes_on_after_every_frame(
    served: Served, lab: Lab, token: str
) -> None:
    await lab.model.script(Behaviour(text=WORDS, token_delay_ms=5))
    execution_id = await lab.start(await lab.agentflow(agents=[{"name": "Solo"}]), message="Go.")
    whole, code = await messages(served.socket(execution_id, token=token))
    assert code == 1000
    kinds = [str(message["type"]) for message in whole]
    assert kinds == [
        *["execution_update"] * 2,
        "step_started",
        *["token"] * kinds.count("token"),
        *["execution_update"] * 3,
    ]
    assert said_in(whole) == WORDS
    streamed = await frames(served, execution_id, token)
    assert [(frame.name, frame.data, frame.id) for frame in streamed] == [
        (message["type"], message["data"], message["id"]) for message in whole
    ]
    for position, message in enumerate(whole):
        rest, code = await messages(served.socket(execution_id, token=token, last_event_id=str(message["id"])))
        assert (rest, code) == (whole[position + 1 :], 1000)
    from_third, _ = await messages(served.socket(execution_id, token=token, from_version=3))
    # The step was not over by then: its words come once more, from the first on.
    data_of = [message["data"] for message in whole]
    assert [message["data"] for message in from_third] == data_of[2:]


async def test_the_code_says_why_nothing_is_told(served: Served, lab: Lab, token: str) -> None:
    execution = await lab.run(await lab.agentflow(agents=[{"name": "Solo"}]), message="Go.")
    async with lab.runtime.sessions.begin() as session:
        stranger = await ensure_user(session, f"{uuid4().hex}@example.com")
    foreign = token_of(lab.runtime, stranger.id)
    for address, expected in (
        (served.socket(execution.id), 4401),
        (served.socket(execution.id, token="wrong"), 4401),
        (served.socket(execution.id, token=foreign), 4404),
        (served.socket(uuid4(), token=token), 4404),
        (served.socket("nonsense", token=token), 4404),
        (served.socket(execution.id, token=token, from_version="x"), 4400),
        (served.socket(execution.id, token=token, from_version="9" * 30), 4400),
        (served.socket(execution.id, token=token, last_event_id="x"), 4400),
        (served.socket(execution.id, token=token, from_version=10**6), 1000),
    ):
        assert await messages(address) == ([], expected), address
    async with aiohttp.ClientSession() as http:
        for query, headers, status in (
            ({}, {}, 401),
            ({"token": "wrong"}, {}, 401),
            ({"token": foreign}, {}, 404),
            ({"token": token, "from_version": "x"}, {}, 422),
            ({"token": token}, {"Last-Event-ID": "x"}, 400),
            ({"token": token, "last_event_id": "5-end"}, {}, 204),
        ):
            async with http.get(served.stream(execution.id), params=query, headers=headers) as answer:
                assert answer.status == status, (query, headers, await answer.text())


async def test_no_log_keeps_the_token_of_an_address(
    served: Served, lab: Lab, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    execution = await lab.run(await lab.agentflow(agents=[{"name": "Solo"}]), message="Go.")
    with caplog.at_level(logging.INFO):
        await messages(served.socket(execution.id, token=token))
        await messages(served.socket(execution.id, token=f"{token}x"))
        async with aiohttp.ClientSession() as http:
            for asked in (served.stream(execution.id), served.stream(uuid4())):
                async with http.get(asked, params={"token": token, "from_version": "1"}) as answer:
                    await answer.read()
    assert token not in caplog.text


async def test_a_stopping_server_closes_its_sockets_and_asks_to_connect_again(
    runtime: Runtime, lab: Lab, token: str
) -> None:
    await lab.model.script(Behaviour(text="one two", hang_after_tokens=1))
    execution_id = await lab.start(await lab.agentflow(agents=[{"name": "Solo"}]), message="Go.")
    async with (
        serving(runtime, watcher_backlog=BACKLOG) as served,
        connect(served.socket(execution_id, token=token)) as watching,
    ):
        while orjson.loads(await watching.recv())["type"] != "token":
            pass
        served.stop.set()
        with pytest.raises(ConnectionClosed):
            await watching.recv()
        assert watching.close_code == 1012
    await lab.runtime.client.get_workflow_handle(str(execution_id)).cancel()


async def test_a_slow_reader_is_cut_off_and_goes_on_where_it_was(served: Served, lab: Lab, token: str) -> None:
    piece = "x" * 20_000
    await lab.model.script(Behaviour(text=" ".join([piece] * 600)))
    execution_id = await lab.start(await lab.agentflow(agents=[{"name": "Solo"}]), message="Go.")
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.setblocking(False)
        await asyncio.get_running_loop().sock_connect(stuck, ("127.0.0.1", served.port))
        address = served.socket(execution_id, token=token)
        async with connect(address, sock=stuck, max_queue=1, compression=None) as watching:
            first = orjson.loads(await watching.recv())
            # Reads nothing while the whole answer is written.
            await lab.finish(execution_id)
            last = first
            try:
                while True:
                    last = orjson.loads(await watching.recv())
            except ConnectionClosed:
                assert watching.close_code == 4408
    rest, code = await messages(served.socket(execution_id, token=token, last_event_id=last["id"]))
    assert code == 1000
    assert [rest[-1]["type"], rest[-1]["id"]] == ["execution_update", "5-end"]


class _Counting(Interceptor):
    """Counts the calls that follow a history."""

    def __init__(self) -> None:
        self.follows = 0

    @override
    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        counting = self

        class Counted(OutboundInterceptor):
            @override
            def fetch_workflow_history_events(
                self, input: FetchWorkflowHistoryEventsInput
            ) -> WorkflowHistoryEventAsyncIterator:
                counting.follows += 1
                return super().fetch_workflow_history_events(input)

        return Counted(next)


async def test_a_thousand_watchers_of_a_run_cost_one_call(lab: Lab) -> None:
    counting = _Counting()
    client = Client(**{**lab.runtime.client.config(), "interceptors": [counting]})  # type: ignore[typeddict-item]
    watching = Watching(replace(lab.runtime, client=client, records=Records(client, lab.runtime.single)))
    await lab.model.script(Behaviour(text=WORDS, hang_after_tokens=3))
    execution_id = await lab.start(await lab.agentflow(agents=[{"name": "Solo"}]), message="Go.")
    waiting = asyncio.Semaphore(0)

    async def watch() -> list[str]:
        told: list[str] = []
        async with watching.watch(execution_id, Place(), user_id=lab.user_id) as watcher:
            waiting.release()
            while await watcher.next():
                told.append(watcher.place)
        return told

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(watch()) for _ in range(1000)]
        for _ in tasks:
            await waiting.acquire()
        assert (watching.watched, counting.follows) == (1, 1)
        await lab.runtime.client.get_workflow_handle(str(execution_id)).cancel()
    assert watching.watched == 0
    assert counting.follows == 1
    (only,) = {tuple(task.result()) for task in tasks}
    assert only[-1].endswith("-end")


async def test_a_run_that_is_sent_back_is_told_on(served: Served, lab: Lab, token: str) -> None:
    await lab.model.script(
        Behaviour(text="first"), Behaviour(text="lost words", hang_after_tokens=2), Behaviour(text="second")
    )
    flow = await lab.agentflow(agents=[{"name": "One", "id": "one"}, {"name": "Two", "id": "two"}])
    execution_id = await lab.start(flow, message="Go.")
    told: list[dict[str, JsonValue]] = []
    async with connect(served.socket(execution_id, token=token)) as watching:
        try:
            while True:
                told.append(orjson.loads(await watching.recv()))
                if told[-1]["type"] == "token" and said_in(told) == "firstlost words":
                    await send_back(lab, execution_id, "two")
        except ConnectionClosed:
            assert watching.close_code == 1000
    events = [message["data"] for message in told if message["type"] == "execution_update"]
    assert [event["version"] for event in events if isinstance(event, dict)] == list(range(1, len(events) + 1))
    kinds = [event["event_type"] for event in events if isinstance(event, dict)]
    assert "RunReset" in kinds
    assert kinds[-1] == "ExecutionCompleted"
    after = kinds.index("RunReset")
    assert kinds[after:].count("StepScheduled") == 1
    assert said_in(told) == "firstlost wordssecond"
