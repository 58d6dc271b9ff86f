"""A door for the tools people have: flows as the models of OpenAI's chat completions."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import JsonValue

from api import openai_errors
from api.bodies import StrictJsonRoute
from api.deps import Caller, RuntimeDep
from api.openai_errors import ModelNotFoundError, RefusedParameterError, RunCancelledError, RunFailedError, documented
from api.openai_wire import (
    Chunks,
    Completion,
    CompletionRequest,
    Model,
    ModelList,
    Usage,
    as_task,
    finish_reason_of,
    text_of,
)
from api.routes.chat import TURN_SECONDS
from api.routes.executions import IdempotencyKey
from api.streaming import EventStream, Place, follow, read_again, unnamed
from api.waiting import start_and_wait, wait_for
from api.words import Reset, Speech, Words
from perdure.bootstrap import Runtime
from perdure.domain.errors import (
    BadRequestError,
    ConflictError,
    NotFoundError,
    PerdureError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnavailableError,
)
from perdure.domain.executions import Execution, ExecutionStatus
from perdure.domain.flow_lists import FlowQuery, Scope
from perdure.domain.flows import Agentflow, Chatflow, FlowView
from perdure.domain.users import User
from perdure.executions import KeyedRequest, StartRequest, find_started, start_execution
from perdure.live import TooSlowError
from perdure.orchestration import answering_step
from perdure.storage.flow_lists import list_flows
from perdure.storage.flow_names import find_named
from perdure.storage.flows import get_flow, get_view

router = APIRouter(prefix="/v1", tags=["openai"], route_class=StrictJsonRoute)

PAGE_SIZE = 100


@router.get("/models", operation_id="listModels", responses=documented(BadRequestError, UnauthenticatedError))
async def list_models(
    caller: Caller,
    runtime: RuntimeDep,
    page: Annotated[int, Query(ge=1, le=10_000_000, description="From 1.")] = 1,
    page_size: Annotated[
        int, Query(ge=1, le=PAGE_SIZE, description="So many of the caller's own, and of those that others share.")
    ] = PAGE_SIZE,
) -> ModelList:
    """List the flows that the caller may run, newest first: own ones, then those that others share."""
    models: list[Model] = []
    has_more = False
    async with runtime.single.connect() as connection:
        for scope in (Scope.OWN, Scope.PUBLIC):
            query = FlowQuery(scope=scope, is_active=True, page=page, page_size=page_size)
            found = await list_flows(connection, caller.id, query)
            models += [_model(flow) for flow in found.flows]
            has_more = has_more or found.total > page * page_size
    return ModelList(data=models, has_more=has_more)


@router.get("/models/{model}", operation_id="getModel", responses=documented(UnauthenticatedError, ModelNotFoundError))
async def get_model(model: str, caller: Caller, runtime: RuntimeDep) -> Model:
    """Read one flow as a model, by its id or its name."""
    flow_id = await _flow_id(runtime, caller, model)
    try:
        async with runtime.single.connect() as connection:
            return _model(await get_view(connection, flow_id, user_id=caller.id))
    except NotFoundError:
        raise ModelNotFoundError(model) from None


def _model(flow: FlowView) -> Model:
    return Model(
        id=str(flow.id),
        created=int(flow.created_at.timestamp()),
        owned_by=f"user-{flow.user_id}",
        name=flow.name,
        flow_type=flow.flow_type.value,
    )


@router.post(
    "/chat/completions",
    operation_id="createChatCompletion",
    response_model=Completion,
    responses={
        200: {
            "description": "The answer; with `stream` true server-sent events of `chat.completion.chunk`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **documented(
            BadRequestError,
            UnauthenticatedError,
            ModelNotFoundError,
            ConflictError,
            TooManyRequestsError,
            RunFailedError,
            UnavailableError,
        ),
    },
)
async def create_chat_completion(
    body: CompletionRequest,
    caller: Caller,
    runtime: RuntimeDep,
    session: Annotated[
        str | None, Header(alias="X-Session-Id", min_length=1, max_length=255, description="Goes before `user`.")
    ] = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Run a flow on a conversation. Hanging up does not stop the run.

    A session named in `X-Session-Id` or `user` remembers by itself: of the messages the last one counts. Without one
    the messages sent are the conversation, and none is kept.
    """
    body.refuse_unsupported()
    flow = await _flow(runtime, caller, body.model)
    asked = KeyedRequest(flow.id, caller.id, _input(body, flow, session or body.user), idempotency_key)
    request = StartRequest.of(asked, flow)
    execution = await find_started(runtime, asked)
    if body.stream:
        if execution is None:
            execution = await start_execution(runtime, request, execution_id=request.execution_id)
        chunks = _chunks(runtime, execution, body, step=answering_step(flow))
        return EventStream(chunks, _headers(execution))
    if execution is None:
        execution = await start_and_wait(runtime, request, seconds=TURN_SECONDS)
    else:
        execution = await wait_for(runtime, execution, seconds=TURN_SECONDS)
    failure = _failure(execution)
    if failure is not None:
        raise failure
    return Response(
        Completion.of(execution, body.model).model_dump_json(),
        media_type="application/json",
        headers=_headers(execution),
    )


def _input(body: CompletionRequest, flow: Agentflow | Chatflow, session: str | None) -> dict[str, JsonValue]:
    text, before = body.conversation()
    if isinstance(flow, Agentflow):
        return {"message": as_task(text, before)}
    if session:
        return {"message": text, "session_id": session}
    return {"message": text, "messages": [message.model_dump() for message in before]}


def _headers(execution: Execution) -> dict[str, str]:
    return {"X-Execution-Id": str(execution.id)}


def _failure(execution: Execution) -> PerdureError | None:
    if execution.status is ExecutionStatus.COMPLETED:
        return None
    if execution.status is ExecutionStatus.CANCELLED:
        return RunCancelledError("The run was cancelled before it gave an answer.")
    return RunFailedError(execution.error_message or "The run gave no answer.")


async def _chunks(
    runtime: Runtime, execution: Execution, asked: CompletionRequest, *, step: str | None
) -> AsyncGenerator[bytes]:
    chunks = Chunks(execution.id, asked.model, with_usage=asked.wants_usage)
    yield unnamed(chunks.delta({"role": "assistant", "content": ""}))
    speech = Speech()
    try:
        async with aclosing(_pieces(runtime, execution, step, speech)) as pieces:
            async for piece in pieces:
                yield unnamed(chunks.delta({"content": piece}))
    except TooSlowError:
        failure = UnavailableError("You read more slowly than the model writes: the answer is in the execution.")
        yield unnamed(openai_errors.answer_of(failure).model_dump())
        return
    execution = await read_again(runtime, execution)
    failed = _failure(execution)
    if failed is not None:
        yield unnamed(openai_errors.answer_of(failed).model_dump())
        return
    rest = speech.finish(text_of(execution))
    if rest:
        yield unnamed(chunks.delta({"content": rest}))
    yield unnamed(chunks.delta({}, finish_reason_of(execution)))
    if asked.wants_usage:
        yield unnamed(chunks.usage(Usage.of(execution)))
    yield b"data: [DONE]\n\n"


async def _pieces(runtime: Runtime, execution: Execution, step: str | None, speech: Speech) -> AsyncGenerator[str]:
    """The words of the step whose answer is the run's, as they come."""
    words = Words()
    async with aclosing(follow(runtime, execution, Place(execution.id))) as frames:
        async for seen in frames:
            for shown in words.take(seen.frame):
                if shown.node_id != step:
                    continue
                if isinstance(shown, Reset):
                    speech.begin_anew()
                elif piece := speech.add(shown.text):
                    yield piece


async def _flow(runtime: Runtime, caller: User, model: str) -> Agentflow | Chatflow:
    flow_id = await _flow_id(runtime, caller, model)
    try:
        async with runtime.single.connect() as connection:
            return await get_flow(connection, flow_id, user_id=caller.id)
    except NotFoundError:
        raise ModelNotFoundError(model) from None


async def _flow_id(runtime: Runtime, caller: User, model: str) -> UUID:
    """The flow of this id, or of this name. Raises ModelNotFoundError, RefusedParameterError for two of one name."""
    try:
        return UUID(model)
    except ValueError:
        pass
    async with runtime.single.connect() as connection:
        named = await find_named(connection, user_id=caller.id, name=model)
    if not named:
        raise ModelNotFoundError(model)
    if len(named) > 1:
        raise RefusedParameterError("model", f"You have several flows named '{model}': send an id.", "model_ambiguous")
    return named[0]
