"""Executions: start, wait, read, list, cancel."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy.ext.asyncio import AsyncConnection

from api.bodies import StrictJsonRoute
from api.conditional import NOT_MODIFIED, json_answer
from api.deps import Caller, ReaderDep, RuntimeDep
from api.explanation_examples import EXPLANATIONS
from api.problems import problems
from api.waiting import cancel_and_wait, start_and_wait, wait_for
from perdure.bootstrap import Runtime
from perdure.domain.errors import NotFoundError
from perdure.domain.executions import Execution, ExecutionStatus
from perdure.domain.explanations import Explanation
from perdure.domain.flow_versions import runnable_as_now
from perdure.domain.flows import FlowType
from perdure.executions import KeyedRequest, StartRequest, find_started, get_execution
from perdure.explanations import explain_execution
from perdure.storage.executions import NO_EXECUTION, ExecutionFilter, list_executions, owns_execution
from perdure.storage.flow_versions import read_version
from perdure.storage.flows import get_flow
from perdure.storage.transcripts import read_whole

PREFIX = "/api/agent-builder"
router = APIRouter(prefix=PREFIX, tags=["executions"], route_class=StrictJsonRoute)

Wait = Annotated[
    float | None, Query(ge=0, le=60, description="Seconds to wait for the end; what there is then is returned.")
]
FlowVersionQuery = Annotated[
    int | None,
    Query(
        alias="version", ge=1, le=2**31 - 1, description="Run the flow as it was at this version; unset: as it is now."
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="A repeated call with the same key and body returns the first call's execution; 409 otherwise.",
    ),
]
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=2**31)]


class ExecuteRequest(BaseModel):
    """What a flow is run with."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"input_data": {"message": "What is durable execution?"}}]},
    )

    input_data: dict[str, JsonValue] = {}


async def _execute(
    runtime: Runtime, asked: KeyedRequest, *, flow_type: FlowType | None, seconds: float | None
) -> Response:
    # The key comes first: what it started is its answer, whatever became of the flow since.
    execution = await find_started(runtime, asked)
    if execution is None:
        async with runtime.single.connect() as connection:
            flow = await get_flow(connection, asked.flow_id, user_id=asked.user_id, flow_type=flow_type)
            if asked.version is not None:
                former = await read_version(connection, flow.id, asked.version, user_id=asked.user_id)
                flow = runnable_as_now(former, flow)
        execution = await start_and_wait(runtime, StartRequest.of(asked, flow), seconds=seconds)
    else:
        execution = await wait_for(runtime, execution, seconds=seconds)
    # Built as it is sent: the model was validated when it was read, once is enough.
    return Response(
        execution.model_dump_json(),
        media_type="application/json",
        headers={"Location": f"{PREFIX}/executions/{execution.id}"},
    )


class ExecutionPage(BaseModel):
    """A page of executions, newest first, and how many match in all."""

    executions: list[Execution]
    total: int


@router.post(
    "/flows/{flow_id}/execute",
    operation_id="executeFlow",
    response_model=Execution,
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def execute_flow(
    flow_id: UUID,
    body: ExecuteRequest,
    caller: Caller,
    runtime: RuntimeDep,
    wait: Wait = None,
    version: FlowVersionQuery = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Start a run of either kind of flow and return at once, or after `wait` seconds at most."""
    asked = KeyedRequest(flow_id, caller.id, body.input_data, idempotency_key, version=version)
    return await _execute(runtime, asked, flow_type=None, seconds=wait)


@router.post(
    "/agentflows/{flow_id}/execute",
    operation_id="executeAgentflow",
    response_model=Execution,
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def execute_agentflow(
    flow_id: UUID,
    body: dict[str, JsonValue],
    caller: Caller,
    runtime: RuntimeDep,
    wait: Wait = None,
    version: FlowVersionQuery = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Start a run of an agentflow; the body is the input itself."""
    asked = KeyedRequest(flow_id, caller.id, body, idempotency_key, version=version)
    return await _execute(runtime, asked, flow_type=FlowType.AGENTFLOW, seconds=wait)


@router.get(
    "/flows/{flow_id}/executions",
    operation_id="listFlowExecutions",
    response_model=ExecutionPage,
    responses={**NOT_MODIFIED, **problems(401, 404, 422, 503)},
)
async def list_flow_executions(
    request: Request,
    flow_id: UUID,
    caller: Caller,
    runtime: RuntimeDep,
    limit: Limit = 20,
    offset: Offset = 0,
    status: ExecutionStatus | None = None,
) -> Response:
    """The caller's runs of one flow, newest first."""
    async with runtime.single.connect() as connection:
        await get_flow(connection, flow_id, user_id=caller.id)
        wanted = ExecutionFilter(user_id=caller.id, flow_id=flow_id, status=status)
        return await _page(request, connection, wanted, limit, offset)


@router.get(
    "/executions",
    operation_id="listExecutions",
    response_model=ExecutionPage,
    responses={**NOT_MODIFIED, **problems(401, 422, 503)},
)
async def list_all_executions(
    request: Request,
    caller: Caller,
    runtime: RuntimeDep,
    limit: Limit = 20,
    offset: Offset = 0,
    status: ExecutionStatus | None = None,
    flow_id: UUID | None = None,
    session_id: Annotated[str | None, Query(max_length=255)] = None,
) -> Response:
    """All of the caller's runs, newest first; those of deleted flows too."""
    async with runtime.single.connect() as connection:
        wanted = ExecutionFilter(user_id=caller.id, flow_id=flow_id, status=status, session_id=session_id)
        return await _page(request, connection, wanted, limit, offset)


async def _page(
    request: Request, connection: AsyncConnection, wanted: ExecutionFilter, limit: int, offset: int
) -> Response:
    executions, total = await list_executions(connection, wanted, limit=limit, offset=offset)
    page = ExecutionPage(executions=executions, total=total)
    return json_answer(request, page.__pydantic_serializer__.to_json(page))


@router.get(
    "/executions/{execution_id}",
    operation_id="getExecution",
    response_model=Execution,
    responses={**NOT_MODIFIED, **problems(401, 404, 422, 503)},
)
async def read_one(request: Request, execution_id: UUID, caller: Caller, runtime: RuntimeDep) -> Response:
    """One run as it is now; while it runs, its steps are read from Temporal."""
    execution = await get_execution(runtime, execution_id, user_id=caller.id)
    return json_answer(request, execution.__pydantic_serializer__.to_json(execution))


@router.get(
    "/executions/{execution_id}/steps/{step_id:path}/output",
    operation_id="getStepOutput",
    response_class=PlainTextResponse,
    responses=problems(401, 404, 422, 503),
)
async def read_step_output(execution_id: UUID, step_id: str, caller: Caller, reader: ReaderDep) -> PlainTextResponse:
    """The whole answer or output of a step, also where the model was shown only a part of it."""
    async with reader.connect() as connection:
        owned = await owns_execution(connection, execution_id, user_id=caller.id)
        whole = await read_whole(connection, execution_id, step_id) if owned else None
    if not owned:
        raise NotFoundError(NO_EXECUTION)
    if whole is None:
        raise NotFoundError("This step has left no output (yet): check its id.")
    return PlainTextResponse(whole)


@router.get(
    "/executions/{execution_id}/explain",
    operation_id="explainExecution",
    responses={
        200: {"content": {"application/json": {"examples": EXPLANATIONS}}},
        **problems(401, 404, 422, 503),
    },
)
async def explain_one(execution_id: UUID, caller: Caller, runtime: RuntimeDep) -> Explanation:
    """Say what a run waits for, in a sentence and in fields: a worker, a human, a retry, another run, an answer."""
    return await explain_execution(runtime, execution_id, user=caller)


class TemporalRun(BaseModel):
    """The workflow in Temporal that an execution is."""

    namespace: str
    workflow_id: str
    url: str | None = Field(description="Its page in Temporal's Web UI; null where nobody said where that is.")


@router.get(
    "/executions/{execution_id}/temporal", operation_id="getTemporalRun", responses=problems(401, 404, 422, 503)
)
async def find_in_temporal(execution_id: UUID, caller: Caller, runtime: RuntimeDep) -> TemporalRun:
    """Say where the same run is found in Temporal."""
    async with runtime.single.connect() as connection:
        if not await owns_execution(connection, execution_id, user_id=caller.id):
            raise NotFoundError(NO_EXECUTION)
    ui, namespace = runtime.endpoints.temporal_ui_url, runtime.client.namespace
    return TemporalRun(
        namespace=namespace,
        workflow_id=str(execution_id),
        url=f"{ui}/namespaces/{quote(namespace, safe='')}/workflows/{execution_id}" if ui else None,
    )


@router.post(
    "/executions/{execution_id}/cancel", operation_id="cancelExecution", responses=problems(401, 404, 409, 422, 503)
)
async def cancel(execution_id: UUID, caller: Caller, runtime: RuntimeDep) -> Execution:
    """Stop a run: its model call is closed and it ends as `cancelled`, usually within a second.

    The answer shows the run as it is after that, or as it is after two seconds.
    """
    return await cancel_and_wait(runtime, execution_id, user_id=caller.id)
