"""Statistics of the caller's runs, for dashboards."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from api.bodies import StrictJsonRoute
from api.deps import Caller, RuntimeDep
from api.problems import problems
from perdure.domain.statistics import ExecutionStatistics, Period
from perdure.storage.statistics import read_statistics

router = APIRouter(prefix="/api/agent-builder", tags=["executions"], route_class=StrictJsonRoute)


@router.get("/executions/statistics", operation_id="getExecutionStatistics", responses=problems(401, 422, 503))
async def get_execution_statistics(
    caller: Caller,
    runtime: RuntimeDep,
    since: Annotated[
        AwareDatetime | None, Query(description="Runs started from this instant on; unset: 30 days before `until`.")
    ] = None,
    until: Annotated[
        AwareDatetime | None, Query(description="Runs started before this instant; unset: now. 366 days at most.")
    ] = None,
    tz: Annotated[
        str, Query(max_length=64, description="The IANA zone whose midnights part the days, such as `Asia/Seoul`.")
    ] = "UTC",
) -> ExecutionStatistics:
    """Count the caller's runs of a period, in all, by flow and by day: how they ended, latency, tokens, cost."""
    period = Period.of(since, until, tz, now=datetime.now(UTC))
    return await read_statistics(runtime.engine, period, user_id=caller.id)
