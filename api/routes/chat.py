"""One chat turn, waited for."""

from uuid import UUID

from fastapi import APIRouter
from pydantic import JsonValue

from api.bodies import StrictJsonRoute
from api.deps import Caller, RuntimeDep
from api.problems import problems
from api.waiting import start_and_wait
from perdure.bootstrap import Runtime
from perdure.domain.chats import ChatAnswer, ChatRequest, ChatUsage, ToolCallMade
from perdure.domain.executions import Execution
from perdure.domain.flows import FlowType
from perdure.executions import StartRequest
from perdure.storage.chats import count_messages
from perdure.storage.flows import get_flow

router = APIRouter(prefix="/api/agent-builder/chatflow", tags=["chat"], route_class=StrictJsonRoute)

TURN_SECONDS = 24 * 3600.0
"""A turn is waited for as long as the caller stays; its own limits end it earlier."""


@router.post("/workflows/{flow_id}/chat", operation_id="chat", responses=problems(400, 401, 404, 409, 413, 422, 503))
async def chat(flow_id: UUID, body: ChatRequest, caller: Caller, runtime: RuntimeDep) -> ChatAnswer:
    """Send one message and wait for the answer. Hanging up does not stop the turn: it is an execution like any other.

    A turn that fails is a 200 with `success` false and the reason in `error_message`.
    """
    async with runtime.single.connect() as connection:
        flow = await get_flow(connection, flow_id, user_id=caller.id, flow_type=FlowType.CHATFLOW)
    input_data: dict[str, JsonValue] = {"message": body.message}
    if body.session_id is not None:
        input_data["session_id"] = body.session_id
    request = StartRequest(flow_id, caller.id, input_data, flow=flow)
    execution = await start_and_wait(runtime, request, seconds=TURN_SECONDS)
    return await answer_of(runtime, execution)


async def answer_of(runtime: Runtime, execution: Execution) -> ChatAnswer:
    """Tell how a turn ended."""
    session_id = execution.session_id or ""
    async with runtime.single.connect() as connection:
        count = await count_messages(connection, user_id=execution.user_id, session_id=session_id)
    output = execution.output_data or {}
    usage = output.get("usage")
    used = ChatUsage.model_validate(usage) if isinstance(usage, dict) else ChatUsage()
    response, sources, called = output.get("response"), output.get("sources"), output.get("tool_calls")
    return ChatAnswer(
        success=execution.output_data is not None,
        response=response if isinstance(response, str) else None,
        error_message=execution.error_message or (None if execution.output_data else "The turn was cancelled."),
        session_id=session_id,
        message_count=count,
        usage=_with_total(used),
        execution_id=execution.id,
        sources=[source for source in sources if isinstance(source, dict)] if isinstance(sources, list) else [],
        tool_calls=[ToolCallMade.model_validate(call) for call in called] if isinstance(called, list) else [],
    )


def _with_total(usage: ChatUsage) -> ChatUsage:
    if usage.input_tokens is None or usage.output_tokens is None:
        return usage
    return usage.model_copy(update={"total_tokens": usage.input_tokens + usage.output_tokens})
