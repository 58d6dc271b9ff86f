"""One chat turn as it happens: server-sent events that a browser's `EventSource` can read and take up again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import JsonValue

from api.bodies import StrictJsonRoute
from api.deps import RuntimeDep, Watcher
from api.problems import problems
from api.streaming import EventStream, Phase, Place
from api.turns import turn_events
from perdure.bootstrap import Runtime
from perdure.domain.errors import BadRequestError, FieldProblem, NotFoundError
from perdure.domain.executions import Execution
from perdure.domain.flows import FlowType
from perdure.domain.validation import does_not_validate
from perdure.executions import KeyedRequest, StartRequest, find_started, get_execution, start_execution
from perdure.storage.executions import NO_EXECUTION
from perdure.storage.flows import get_flow

router = APIRouter(prefix="/api/agent-builder/chatflow", tags=["chat"], route_class=StrictJsonRoute)

_EXAMPLE = """\
event: start
data: {"session_id":"s-1","execution_id":"0f8fad5b-d9cb-469f-a165-70867728950e"}
id: 0f8fad5b-d9cb-469f-a165-70867728950e:start

event: sources
data: {"sources":[]}
id: 0f8fad5b-d9cb-469f-a165-70867728950e:0

event: token
data: {"node_id":"assistant","attempt":1,"index":0,"text":"Hello"}
id: 0f8fad5b-d9cb-469f-a165-70867728950e:1b.2

event: end
data: {"success":true,"response":"Hello","session_id":"s-1","message_count":2,…}
id: 0f8fad5b-d9cb-469f-a165-70867728950e:end
"""


@router.get(
    "/workflows/{flow_id}/chat/stream",
    operation_id="streamChat",
    response_class=EventStream,
    # FastAPI's document cannot learn it from the class.
    status_code=200,
    responses={
        200: {
            "description": "`start`, `sources`, `tool`, `token` and `reset`, then `end` or `error`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        204: {"description": "`Last-Event-ID` is that of the last event: there is no more to come."},
        **problems(400, 401, 404, 409, 422, 503),
    },
)
async def stream_chat(
    flow_id: UUID,
    caller: Watcher,
    runtime: RuntimeDep,
    message: Annotated[str | None, Query(min_length=1, pattern=r"\S", description="The user's words.")] = None,
    session_id: Annotated[str | None, Query(min_length=1, max_length=255, description="None: a new session.")] = None,
    execution_id: Annotated[UUID | None, Query(description="Follow this turn, from its start, and start none.")] = None,
    idempotency_key: Annotated[
        str | None, Query(min_length=1, max_length=255, description="The turn is started once under this key.")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(description="Go on after this event of a turn, and start none; browsers send it.")
    ] = None,
) -> Response:
    """Send one message and read the answer as it is written. Closing the connection does not stop the turn.

    Connected again with `Last-Event-ID`, the stream goes on where it was, through any API process, also after the end.
    """
    place = _place(last_event_id, execution_id)
    if place is not None:
        execution = await get_execution(runtime, place.execution_id, user_id=caller.id)
        if execution.flow_id != flow_id:
            raise NotFoundError(NO_EXECUTION)
        if place.phase is Phase.ENDED:
            # What tells an EventSource not to come back.
            return Response(status_code=204)
    else:
        execution = await _start(runtime, flow_id, caller.id, idempotency_key, _said(message, session_id))
        place = Place(execution.id)
    return EventStream(turn_events(runtime, execution, place), {"X-Execution-Id": str(execution.id)})


def _place(last_event_id: str | None, execution_id: UUID | None) -> Place | None:
    if not last_event_id:
        return Place(execution_id) if execution_id else None
    place = Place.parse(last_event_id)
    if execution_id not in {None, place.execution_id}:
        raise BadRequestError("execution_id and Last-Event-ID name two turns: send one of them.")
    return place


def _said(message: str | None, session_id: str | None) -> dict[str, JsonValue]:
    if message is None:
        raise does_not_validate([FieldProblem(loc=["query", "message"], msg="This field is required.")])
    return {"message": message} if session_id is None else {"message": message, "session_id": session_id}


async def _start(
    runtime: Runtime, flow_id: UUID, user_id: int, idempotency_key: str | None, input_data: dict[str, JsonValue]
) -> Execution:
    asked = KeyedRequest(flow_id, user_id, input_data, idempotency_key)
    execution = await find_started(runtime, asked)
    if execution is not None:
        return execution
    async with runtime.single.connect() as connection:
        flow = await get_flow(connection, flow_id, user_id=user_id, flow_type=FlowType.CHATFLOW)
    request = StartRequest.of(asked, flow)
    return await start_execution(runtime, request, execution_id=request.execution_id)
