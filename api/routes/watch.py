"""Watching an execution: its events as they are recorded and its models' words as they come."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from secrets import token_hex
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response, WebSocket, WebSocketDisconnect
from temporalio.service import RPCError

from api.deps import RuntimeDep, Watcher
from api.problems import problems
from api.streaming import RECONNECT_MS, SEND_SECONDS, EventStream
from api.watching import TOO_SLOW, WatchingDep, as_message, as_sent_event, check_owner, place_of
from perdure.bootstrap import Runtime
from perdure.domain.errors import BadRequestError, NotFoundError, PerdureError, UnauthenticatedError, UnavailableError
from perdure.live import TooSlowError
from perdure.storage.executions import read_execution
from perdure.storage.outages import is_outage
from perdure.watching import Place, Watching

_log = logging.getLogger(__name__)

TOGETHER_BYTES = 65_536
"""How much of what is there already is sent at once, about."""

router = APIRouter(tags=["executions"])

ENDED, RESTARTING, FAILED, TRY_LATER = 1000, 1012, 1011, 1013
BAD_REQUEST, BAD_TOKEN, UNKNOWN, SLOW = 4400, 4401, 4404, 4408
"""The codes a WebSocket is closed with; those from 4400 on are ours, named after HTTP's."""
_CODES: dict[type[PerdureError], int] = {
    UnauthenticatedError: BAD_TOKEN,
    BadRequestError: BAD_REQUEST,
    NotFoundError: UNKNOWN,
    UnavailableError: TRY_LATER,
}

_EXAMPLE = """\
event: execution_update
data: {"aggregate_id":"0f8fad5b-…","aggregate_type":"Execution","event_type":"StepScheduled",…,"version":2}
id: 2

event: step_started
data: {"node_id":"writer","attempt":1,"run_id":"019ab…"}
id: 2_2.0.1.0

event: token
data: {"node_id":"writer","attempt":1,"index":0,"text":"Hello"}
id: 2_2.0.1.1

event: execution_update
data: {…,"event_type":"ExecutionCompleted",…,"version":5}
id: 5-end
"""


@router.get(
    "/api/agent-builder/executions/{execution_id}/stream",
    operation_id="streamExecution",
    response_class=EventStream,
    status_code=200,
    responses={
        200: {
            "description": "`execution_update`, and between them `step_started`, `token`, `attempt_failed`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        204: {"description": "`Last-Event-ID` is that of the last event: there is no more to come."},
        **problems(400, 401, 404, 422, 503),
    },
)
async def stream_execution(
    execution_id: UUID,
    caller: Watcher,
    runtime: RuntimeDep,
    watching: WatchingDep,
    from_version: Annotated[int, Query(ge=0, le=2**31, description="The first event wanted.")] = 0,
    last_event_id: Annotated[
        str | None, Header(description="Go on after this frame; browsers send it when they connect again.")
    ] = None,
    last_frame: Annotated[
        str | None, Query(alias="last_event_id", description="The same, where no header can be sent.")
    ] = None,
) -> Response:
    """Watch a run from its first event to its last, as server-sent events. Closing the connection stops nothing.

    Every frame has an id: connected again with it, the stream goes on behind that frame, through any API process, also
    after the end of the run.
    """
    place = place_of(last_event_id or last_frame, from_version)
    await check_owner(runtime, execution_id, user_id=caller.id)
    if place.ended and await _is_over(runtime, execution_id, caller.id):
        # What tells an EventSource not to come back.
        return Response(status_code=204)
    frames = _sent_events(watching, execution_id, place, caller.id)
    # Whether there is anything to watch is known with the first: until then it can still be refused.
    first = await anext(frames)
    return EventStream(_from(first, frames))


async def _is_over(runtime: Runtime, execution_id: UUID, user_id: int) -> bool:
    async with runtime.single.connect() as connection:
        execution = await read_execution(connection, execution_id, user_id=user_id)
    return execution.status.is_final


async def _sent_events(watching: Watching, execution_id: UUID, place: Place, user_id: int) -> AsyncGenerator[bytes]:
    async with watching.watch(execution_id, place, user_id=user_id) as watcher:
        yield b"retry: %d\n\n" % RECONNECT_MS
        try:
            while (frame := await watcher.next()) is not None:
                told = as_sent_event(frame, watcher.place)
                # Where many read, or one has much to catch up on, several frames are there: one write for them.
                while len(told) < TOGETHER_BYTES and (frame := watcher.ready()) is not None:
                    told += as_sent_event(frame, watcher.place)
                yield told
        except TooSlowError:
            # Without an id: the reader's last frame stays where it goes on.
            yield b'event: error\ndata: {"code":"too_slow","message":"%b"}\n\n' % TOO_SLOW.encode()
        except UnavailableError as error:
            _log.warning("A stream of %s is cut off: %s", execution_id, error.detail)


async def _from(first: bytes, frames: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(frames):
        yield first
        async for frame in frames:
            yield frame


@router.websocket("/ws/executions/{execution_id}")
async def watch_execution(socket: WebSocket, execution_id: str) -> None:
    """Watch a run from its first event to its last. Query: `token`, `from_version`, `last_event_id`."""
    # A code reaches the other side only once the handshake is done.
    await socket.accept()
    code, reason = await _serve(socket, execution_id)
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await socket.close(code, reason)
    except (TimeoutError, RuntimeError, WebSocketDisconnect):
        return  # the other side is gone, or reads nothing


async def _serve(socket: WebSocket, execution_id: str) -> tuple[int, str]:
    """Tell of the run until there is no more to tell; the code and the reason to close with."""
    serving = asyncio.create_task(_tell(socket, execution_id), name="watcher by WebSocket")
    leaving = asyncio.create_task(_until_left(socket), name="other side of a WebSocket")
    stopping = asyncio.create_task(socket.app.state.stopping.wait(), name="stop of a WebSocket")
    tasks: set[asyncio.Task[object]] = {serving, leaving, stopping}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            return serving.result()
        return RESTARTING, "The server restarts: connect again."
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _until_left(socket: WebSocket) -> None:
    """Read on: nothing that comes means anything, but the other side's leaving is noticed by it."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _tell(socket: WebSocket, execution_id: str) -> tuple[int, str]:
    try:
        await _tell_all(socket, execution_id)
    except (WebSocketDisconnect, RuntimeError):
        return ENDED, ""  # nobody is there to hear it
    except PerdureError as error:
        return _CODES.get(type(error), FAILED), error.detail
    except (TooSlowError, TimeoutError):
        return SLOW, TOO_SLOW
    except Exception as error:  # noqa: BLE001 - the process edge
        if isinstance(error, RPCError) or is_outage(error):
            return TRY_LATER, "A part of the server is away: connect again."
        error_id = token_hex(6)
        _log.exception("Error %s while somebody watches", error_id)
        return FAILED, f"Something went wrong on our side: {error_id}."
    return ENDED, ""


async def _tell_all(socket: WebSocket, execution_id: str) -> None:
    state = socket.app.state
    runtime: Runtime = state.runtime
    watching: Watching = state.watching
    user = await state.authenticator.user_of(_token(socket))
    query = socket.query_params
    from_version = query.get("from_version", "0")
    if not (from_version.isascii() and from_version.isdigit() and len(from_version) < len(str(2**31))):
        raise BadRequestError("from_version is no version: send a whole number.")
    place = place_of(query.get("last_event_id"), int(from_version))
    identity = _identity(execution_id)
    await check_owner(runtime, identity, user_id=user.id)
    async with watching.watch(identity, place, user_id=user.id) as watcher:
        while (frame := await watcher.next()) is not None:
            async with asyncio.timeout(SEND_SECONDS):
                await socket.send_text(as_message(frame, watcher.place))


def _token(socket: WebSocket) -> str:
    scheme, _, token = socket.headers.get("authorization", "").partition(" ")
    found = token if scheme.lower() == "bearer" else socket.query_params.get("token")
    if not found:
        raise UnauthenticatedError("Send a token: `?token=`, or `Authorization: Bearer TOKEN`.")
    return found


def _identity(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError("There is no such execution: check its id.") from None
