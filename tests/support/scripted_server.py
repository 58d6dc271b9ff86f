"""The scripted model's server: see `tests.support.scripted_model`."""

import asyncio
import re
import sys
import time
from collections import deque
from collections.abc import Iterator

import orjson
from aiohttp import web

from tests.support.scripted_answer import Answer
from tests.support.scripted_embeddings import EmbeddingDesk
from tests.support.scripted_reranking import RerankDesk
from tests.support.scripted_wire import BEHAVIOURS, Behaviour, ChatBody, last_content, system_text, text_of

REQUESTS_KEPT = 20_000
"""Older requests are forgotten, so that a long bench does not grow without end; the count goes on."""


class _Open:
    """A request under way or over; turned into a `RecordedRequest` only when somebody asks."""

    __slots__ = ("arrived_at", "body", "disconnected_at", "finished_at", "headers", "index")

    def __init__(self, index: int, body: ChatBody, headers: dict[str, str]) -> None:
        self.index = index
        self.arrived_at = time.time()
        self.finished_at: float | None = None
        self.disconnected_at: float | None = None
        self.body = body
        self.headers = headers


class _Server:
    """The state of one scripted model and its handlers."""

    def __init__(self, latency_ms: float) -> None:
        self._default = Behaviour(times=None, delay_ms=latency_ms)
        self._script: list[tuple[Behaviour, Iterator[int] | None]] = []
        self._requests: deque[_Open] = deque(maxlen=REQUESTS_KEPT)
        self._total = 0
        self._embeddings = EmbeddingDesk()
        self._reranking = RerankDesk()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self.complete)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/script", self.script)
        app.router.add_post("/reset", self.reset)
        app.router.add_get("/requests", self.requests)
        self._embeddings.add_routes(app)
        self._reranking.add_routes(app)
        return app

    async def models(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "scripted", "object": "model", "created": 0}]})

    async def script(self, request: web.Request) -> web.Response:
        """Append behaviours to the script; the answer comes when they hold."""
        behaviours = BEHAVIOURS.validate_json(await request.read())
        self._script.extend((each, None if each.times is None else iter(range(each.times))) for each in behaviours)
        return web.json_response({"scripted": len(self._script)})

    async def reset(self, _request: web.Request) -> web.Response:
        self._script.clear()
        self._requests.clear()
        self._embeddings.reset()
        self._reranking.reset()
        self._total = 0
        return web.json_response({})

    async def requests(self, _request: web.Request) -> web.Response:
        seen = [{name: getattr(each, name) for name in _Open.__slots__} for each in self._requests]
        return web.Response(
            body=orjson.dumps({"total": self._total, "requests": seen}), content_type="application/json"
        )

    def _behaviour_for(self, body: ChatBody) -> Behaviour:
        if not self._script:
            return self._default
        user = last_content(body, "user")
        system = system_text(body)
        tool = last_content(body, "tool")
        messages = body.get("messages")
        last = text_of(messages[-1]) if messages else ""
        for behaviour, left in self._script:
            wanted = (
                (behaviour.user, user),
                (behaviour.system, system),
                (behaviour.tool, tool),
                (behaviour.last, last),
            )
            if any(pattern is not None and not re.search(pattern, text) for pattern, text in wanted):
                continue
            if left is None or next(left, None) is not None:
                return behaviour
        return self._default

    async def complete(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body: ChatBody = orjson.loads(raw)
        seen = _Open(self._total, body, {name.lower(): value for name, value in request.headers.items()})
        self._total += 1
        self._requests.append(seen)
        behaviour = self._behaviour_for(body)
        try:
            response = await self._answer(request, body, behaviour)
        except (asyncio.CancelledError, ConnectionError):
            seen.disconnected_at = time.time()
            raise
        seen.finished_at = time.time()
        return response

    async def _answer(self, request: web.Request, body: ChatBody, behaviour: Behaviour) -> web.StreamResponse:
        if behaviour.delay_ms:
            await asyncio.sleep(behaviour.delay_ms / 1000)
        if behaviour.status != web.HTTPOk.status_code:
            return web.Response(
                status=behaviour.status,
                headers=behaviour.headers,
                body=orjson.dumps(behaviour.body),
                content_type="application/json",
            )
        answer = Answer(body, behaviour)
        if body.get("stream"):
            return await self._stream(request, answer, behaviour)
        return web.Response(body=answer.whole(), content_type="application/json", headers=behaviour.headers)

    async def _stream(self, request: web.Request, answer: Answer, behaviour: Behaviour) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream", **behaviour.headers}
        frames = answer.frames()
        if not (behaviour.token_delay_ms or behaviour.hang_after_tokens is not None) and not answer.dropped:
            # Nothing to wait for: one write carries the whole stream, so that a bench measures its subject and not us.
            return web.Response(body=b"".join(frames), headers=headers)
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        for index, frame in enumerate(frames):
            if behaviour.hang_after_tokens == index:
                await asyncio.Event().wait()
            if behaviour.token_delay_ms and index < answer.token_count:
                await asyncio.sleep(behaviour.token_delay_ms / 1000)
            await response.write(frame)
        if answer.dropped:
            if request.transport is not None:
                # Let what was written leave before the connection is cut, so that the client sees a broken stream.
                await asyncio.sleep(0.02)
                request.transport.abort()
            return response
        await response.write_eof()
        return response


async def serve(port: int, latency_ms: float, *, until_stdin_closes: bool) -> None:
    """Serve on the loopback address until cancelled (or, if told so, until standard input ends)."""
    # Cancelling the handler when its caller hangs up is how a disconnect is seen at once.
    runner = web.AppRunner(_Server(latency_ms).app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    print(runner.addresses[0][1], flush=True)  # noqa: T201 the first line of output is the port
    try:
        if until_stdin_closes:
            # A killed test leaves no model behind: its end of the pipe closes with it.
            standard_input = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(standard_input), sys.stdin
            )
            await standard_input.read()
        else:
            await asyncio.Event().wait()
    finally:
        await runner.cleanup()
