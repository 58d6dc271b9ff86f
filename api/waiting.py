"""Waiting for the end of a run without asking again and again: the live channel says when it is recorded."""

import time
from uuid import UUID

from perdure.bootstrap import Runtime
from perdure.domain.executions import Execution
from perdure.executions import StartRequest, cancel_execution, get_execution, start_execution
from perdure.live import Ending

CANCEL_WAIT_SECONDS = 2.0
LOOK_SECONDS = 15.0


async def start_and_wait(runtime: Runtime, request: StartRequest, *, seconds: float | None) -> Execution:
    """Start a run and return it as it is when it ends, or after so many seconds; at once with None or 0."""
    execution_id = request.execution_id
    if not seconds:
        return await start_execution(runtime, request, execution_id=execution_id)
    # Watched before it starts, so that no end is missed.
    async with runtime.live.ending(execution_id) as ending:
        execution = await start_execution(runtime, request, execution_id=execution_id)
        return await _until_ended(runtime, ending, execution, seconds)


async def wait_for(runtime: Runtime, execution: Execution, *, seconds: float | None) -> Execution:
    """A run that was started before, as it is when it ends, or after so many seconds; at once with None or 0."""
    async with runtime.live.ending(execution.id) as ending:
        execution = await get_execution(runtime, execution.id, user_id=execution.user_id)
        return await _until_ended(runtime, ending, execution, seconds or 0)


async def _until_ended(runtime: Runtime, ending: Ending, execution: Execution, seconds: float) -> Execution:
    deadline = time.monotonic() + seconds
    while not execution.status.is_final and (left := deadline - time.monotonic()) > 0:
        # The channel may lose an end when its server crashes: whoever waits long looks now and then.
        await ending.wait(min(left, LOOK_SECONDS))
        execution = await get_execution(runtime, execution.id, user_id=execution.user_id)
    return execution


async def cancel_and_wait(runtime: Runtime, execution_id: UUID, *, user_id: int) -> Execution:
    """Cancel a run and return it as it is when it has stopped, or after two seconds."""
    async with runtime.live.ending(execution_id) as ending:
        await cancel_execution(runtime, execution_id, user_id=user_id)
        await ending.wait(CANCEL_WAIT_SECONDS)
    return await get_execution(runtime, execution_id, user_id=user_id)
