"""Server-sent events: how frames are written, where a stream stands, and how a run is followed from there.

Every frame has an id that names the execution and the place, so that any API process goes on where another stopped.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Self, TypeVar
from uuid import UUID

import orjson
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from perdure.bootstrap import Runtime
from perdure.domain.errors import BadRequestError
from perdure.domain.executions import Execution
from perdure.executions import get_execution
from perdure.live import LiveFrame
from perdure.storage.outages import waiting_out

Result = TypeVar("Result")

HEARTBEAT_SECONDS = 15.0
"""Proxies cut connections on which nothing comes for long."""

SEND_SECONDS = 30.0
"""How long a frame may wait for a reader that takes nothing. Then it is cut off; it can take up the stream again."""

LOOK_SECONDS = 15.0
"""After so much silence a run's record is looked at: the channel may lose an end when its server crashes."""

RECONNECT_MS = 1000
"""How long a browser waits before it connects again."""

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_PLACES = re.compile(r"(-?[0-9a-f]{1,16}\.[0-9a-f]{1,16})(_-?[0-9a-f]{1,16}\.[0-9a-f]{1,16}){0,999}")


class EventStream(StreamingResponse):
    """An answer of server-sent events, kept alive by a comment every 15 s.

    It ends with its frames, or when the API stops: its reader connects again, to another process or to the next one.
    """

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(frames, headers={**_HEADERS, **(headers or {})})
        self._frames = frames
        self._stopping: asyncio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI's entry
        self._stopping = scope["app"].state.stopping
        await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send what there is as it comes."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send_frames(send), name="frames of an event stream")
        beating = asyncio.create_task(_beat(send), name="heartbeat of an event stream")
        tasks: set[asyncio.Task[object]] = {sending, beating}
        if self._stopping is not None:
            tasks.add(asyncio.create_task(self._stopping.wait(), name="stop of an event stream"))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not sending.result():
                return
        finally:
            for task in tasks:
                task.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_frames(self, send: Send) -> bool:
        """Send them all; False when the reader takes none of them any more."""
        async with aclosing(self._frames):
            async for frame in self._frames:
                try:
                    async with asyncio.timeout(SEND_SECONDS):
                        await send({"type": "http.response.body", "body": frame, "more_body": True})
                except TimeoutError:
                    return False
        return True


async def _beat(send: Send) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        await send({"type": "http.response.body", "body": KEEPALIVE_COMMENT, "more_body": True})


class Phase(StrEnum):
    """How far a stream has come."""

    OPENED = "opened"
    STARTED = "start"
    WORDS = "words"
    ANSWERED = "answer"
    SOURCED = "sources"
    ENDED = "end"


_ORDER = list(Phase)


@dataclass(frozen=True)
class Place:
    """Where a stream stands: what its reader has had. Written as the `id` of the last frame.

    Live frames are counted writer by writer: their order among writers differs from one reading to the next.
    """

    execution_id: UUID
    phase: Phase = Phase.OPENED
    had: Mapping[int, int] = field(default_factory=dict[int, int])
    """The last frame had of each writer."""

    def __str__(self) -> str:
        if self.phase is not Phase.WORDS:
            return f"{self.execution_id}:{self.phase.value}"
        return f"{self.execution_id}:" + ("_".join(f"{writer:x}.{seq:x}" for writer, seq in self.had.items()) or "0")

    def past(self, phase: Phase) -> bool:
        """Whether the reader has had what this phase brings; of words, whether they have begun."""
        return _ORDER.index(self.phase) >= _ORDER.index(phase)

    def at(self, phase: Phase) -> Self:
        """The same stream, further on."""
        return replace(self, phase=phase)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a frame's id, as `Last-Event-ID` brings it back.

        Raises:
            BadRequestError: it is none of ours.
        """
        execution, _, rest = text.partition(":")
        try:
            execution_id = UUID(execution)
            if rest == "0":
                return cls(execution_id, Phase.WORDS)
            if _PLACES.fullmatch(rest) is None:
                return cls(execution_id, Phase(rest))
        except ValueError:
            msg = "Last-Event-ID is no id of this stream: send the id of the last event as it came, or none."
            raise BadRequestError(msg) from None
        places = (place.split(".") for place in rest.split("_"))
        return cls(execution_id, Phase.WORDS, {int(writer, 16): int(seq, 16) for writer, seq in places})


@dataclass(frozen=True)
class Seen:
    """A live frame, where the stream stands after it, and whether its reader had it before."""

    frame: LiveFrame
    place: Place
    repeated: bool


async def follow(runtime: Runtime, execution: Execution, place: Place) -> AsyncGenerator[Seen]:
    """Yield a run's live frames from the first one on until it has ended; those the reader had too, marked.

    Each comes once. There may be few or none: they go some time after the end, and when the database server crashes.

    Raises:
        TooSlowError: the reader has fallen too far behind.
    """
    had = dict(place.had)
    ended = execution.status.is_final
    rows = runtime.live.rows(execution.id, ended=ended, silence_seconds=LOOK_SECONDS)
    async with aclosing(rows):
        async for row in rows:
            if row is None:
                if (await read_again(runtime, execution)).status.is_final:
                    return
                continue
            repeated = row.seq <= had.get(row.writer, 0)
            had[row.writer] = max(row.seq, had.get(row.writer, 0))
            yield Seen(row.frame, Place(execution.id, Phase.WORDS, dict(had)), repeated)


async def read_again(runtime: Runtime, execution: Execution) -> Execution:
    """A run as it is by now, however long the database is away: the stream goes on as its reader stays."""
    return await outlasting(partial(get_execution, runtime, execution.id, user_id=execution.user_id))


async def outlasting(read: Callable[[], Awaitable[Result]]) -> Result:
    """Read, again and again until the database is back."""
    async for attempt in waiting_out():
        with attempt:
            return await read()
    raise AssertionError  # pragma: no cover: the attempts never run out


def event(name: str, data: BaseModel, place: Place | None = None, *, retry_ms: int | None = None) -> bytes:
    """Write a frame. Without a place the reader's last one stays: connecting again goes on from there."""
    return format_sse_event(
        # The name says what kind it is.
        data_str=data.model_dump_json(exclude={"kind"}),
        event=name,
        id=str(place) if place else None,
        retry=retry_ms,
    )


def unnamed(data: object) -> bytes:
    """Write a frame without name and id, its data as JSON."""
    return format_sse_event(data_str=orjson.dumps(data).decode())
