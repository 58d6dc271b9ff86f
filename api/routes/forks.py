"""Going on from what a run has done: fork, retry, both in bulk, and the comparison of two runs."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from api.bodies import StrictJsonRoute
from api.deps import Caller, RuntimeDep
from api.problems import problems
from api.routes.executions import PREFIX, IdempotencyKey, Wait
from api.waiting import start_and_wait, wait_for
from perdure.bootstrap import Runtime
from perdure.bulk_forks import start_in_bulk
from perdure.domain.bulk_outcomes import BulkOutcome
from perdure.domain.events import ExecutionEvent
from perdure.domain.executions import Execution, ExecutionStatus
from perdure.domain.run_diffs import RunDiff
from perdure.executions import find_started
from perdure.forks import ForkAsked, RetryAsked, plan, read_parent, read_record
from perdure.record.diff import compare
from perdure.storage.fork_lists import BulkFilter

router = APIRouter(prefix=PREFIX, tags=["forks"], route_class=StrictJsonRoute)

StepId = Annotated[str, Field(min_length=1, max_length=300)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Changes(_Body):
    edits: dict[StepId, JsonValue] = Field(
        default={},
        max_length=100,
        description="Outputs to put in the place of the run's own, by id of step: texts, or what the agent's "
        "`output_schema` asks for.",
    )
    flow: dict[str, JsonValue] = Field(default={}, description="Fields of the flow to run with, as in `PUT`.")
    input_data: dict[str, JsonValue] | None = Field(default=None, description="Taken in the place of the run's own.")


class ForkRequest(_Changes):
    """Where a fork parts from its run, and what is different in it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"from_step": "writer", "edits": {"researcher": "Ships float."}}]}
    )

    from_step: StepId | None = Field(
        default=None, description="What was complete before this step began is reused; this step is done anew."
    )
    from_version: int | None = Field(
        default=None, ge=1, le=2**31, description="What was complete at this version of the run's events is reused."
    )


class RetryRequest(_Body):
    """How a run is resumed."""

    use_current_flow: bool = Field(default=False, description="With the flow as it is now, not as the run had it.")


class _Filter(_Body):
    flow_id: UUID | None = None
    since: AwareDatetime | None = Field(default=None, description="Started at this time or later.")
    until: AwareDatetime | None = Field(default=None, description="Started before this time.")
    limit: int = Field(default=20, ge=1, le=100, description="How many executions to look at, the newest first.")


class BulkRetryRequest(_Filter, RetryRequest):
    """Which executions to retry."""

    status: ExecutionStatus | None = Field(default=None, description="`failed` or `cancelled`; null for both.")


class BulkForkRequest(_Filter, _Changes):
    """Which executions to fork, and how."""

    from_step: StepId | None = None
    status: ExecutionStatus | None = Field(default=None, description="Null for any.")


@router.post("/executions/retry", operation_id="retryExecutions", responses=problems(400, 401, 403, 404, 413, 422, 503))
async def retry_many(body: BulkRetryRequest, caller: Caller, runtime: RuntimeDep) -> BulkOutcome:
    """Resume what has failed or was cancelled. A repeated call passes over what it has resumed before."""
    ended_badly = (ExecutionStatus.FAILED, ExecutionStatus.CANCELLED)
    wanted = _wanted(body, caller.id, ended_badly if body.status is None else (body.status,))
    return await start_in_bulk(runtime, wanted, RetryAsked(body.use_current_flow), limit=body.limit)


@router.post("/executions/fork", operation_id="forkExecutions", responses=problems(400, 401, 403, 404, 413, 422, 503))
async def fork_many(body: BulkForkRequest, caller: Caller, runtime: RuntimeDep) -> BulkOutcome:
    """Fork every execution that the filter finds in the same way. A repeated call passes over those it has forked."""
    wanted = _wanted(body, caller.id, tuple(ExecutionStatus) if body.status is None else (body.status,))
    asked = ForkAsked(from_step=body.from_step, edits=body.edits, flow=body.flow, input_data=body.input_data)
    return await start_in_bulk(runtime, wanted, asked, limit=body.limit)


@router.post(
    "/executions/{execution_id}/fork",
    operation_id="forkExecution",
    response_model=Execution,
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def fork(
    execution_id: UUID,
    body: ForkRequest,
    caller: Caller,
    runtime: RuntimeDep,
    wait: Wait = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Start a new execution that reuses what this one had done up to a point, and goes on from there.

    Nothing is called again for what is reused, and nothing is counted again. This execution stays as it is.
    """
    asked = ForkAsked(
        from_step=body.from_step,
        from_version=body.from_version,
        edits=body.edits,
        flow=body.flow,
        input_data=body.input_data,
    )
    return await _go_on(runtime, execution_id, caller.id, asked, key=idempotency_key, seconds=wait)


@router.post(
    "/executions/{execution_id}/retry",
    operation_id="retryExecution",
    response_model=Execution,
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def retry(
    execution_id: UUID,
    caller: Caller,
    runtime: RuntimeDep,
    body: RetryRequest | None = None,
    wait: Wait = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Start a new execution that goes on where this one failed, was cancelled or was ended from outside."""
    asked = RetryAsked(body.use_current_flow if body else False)
    return await _go_on(runtime, execution_id, caller.id, asked, key=idempotency_key, seconds=wait)


@router.get("/executions/{a}/diff/{b}", operation_id="diffExecutions", responses=problems(401, 404, 422, 503))
async def diff(a: UUID, b: UUID, caller: Caller, runtime: RuntimeDep) -> RunDiff:
    """Compare two executions step by step: outputs, tokens, cost, time, and the first step at which they part."""
    left, right = await asyncio.gather(_events(runtime, a, caller.id), _events(runtime, b, caller.id))
    # Comparing long texts takes its time, which the other calls shall not wait for.
    return await asyncio.to_thread(compare, a, left, b, right)


async def _events(runtime: Runtime, execution_id: UUID, user_id: int) -> list[ExecutionEvent]:
    await read_parent(runtime, execution_id, user_id=user_id)
    return (await read_record(runtime, execution_id)).events


async def _go_on(
    runtime: Runtime,
    execution_id: UUID,
    user_id: int,
    asked: ForkAsked | RetryAsked,
    *,
    key: str | None,
    seconds: float | None,
) -> Response:
    parent = await read_parent(runtime, execution_id, user_id=user_id)
    keyed = asked.keyed(parent, key)
    # The key comes first, as with a start.
    execution = await find_started(runtime, keyed)
    if execution is None:
        execution = await start_and_wait(runtime, await plan(runtime, parent, asked, keyed), seconds=seconds)
    else:
        execution = await wait_for(runtime, execution, seconds=seconds)
    return Response(
        execution.model_dump_json(),
        media_type="application/json",
        headers={"Location": f"{PREFIX}/executions/{execution.id}"},
    )


def _wanted(body: _Filter, user_id: int, statuses: tuple[ExecutionStatus, ...]) -> BulkFilter:
    return BulkFilter(user_id=user_id, statuses=statuses, flow_id=body.flow_id, since=body.since, until=body.until)
