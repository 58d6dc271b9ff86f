"""The list of executions is made to agree with Temporal, whatever was killed in between."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pydantic import JsonValue
from sqlalchemy import func, select, text
from temporalio.testing import ActivityEnvironment

from activities.housekeeping import HousekeepingActivities
from perdure.domain.executions import Execution, ExecutionStatus
from perdure.domain.flows import Agentflow
from perdure.domain.housekeeping import ReconcileResult
from perdure.domain.runs import RunInput
from perdure.executions import StartRequest, cancel_execution, get_execution, start_execution
from perdure.storage.executions import ExecutionFilter, list_executions
from perdure.storage.tables import PayloadRow
from perdure.temporal.starting import run_handle, start_run
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour

AGENTS: list[JsonValue] = [{"name": "Solo"}]


async def reconcile(lab: Lab) -> ReconcileResult:
    """One pass that finds even the youngest runs."""
    housekeeping = HousekeepingActivities(
        lab.runtime.records, lab.runtime.sessions, grace=timedelta(0), payloads_at_least=timedelta(0)
    )
    return await ActivityEnvironment().run(housekeeping.reconcile)


async def listed(lab: Lab) -> list[Execution]:
    async with lab.runtime.single.connect() as connection:
        executions, total = await list_executions(connection, ExecutionFilter(user_id=lab.user_id), limit=50, offset=0)
    assert total == len(executions)
    return executions


async def start_without_a_row(lab: Lab, flow: Agentflow, key: str | None = None) -> UUID:
    """What an API leaves behind that is killed after the start and before its commit."""
    request = StartRequest(flow.id, lab.user_id, {"message": "Go."}, key, flow=flow)
    execution_id = request.execution_id
    run = RunInput(
        execution_id=execution_id,
        flow=flow,
        user_id=lab.user_id,
        input_data={"message": "Go."},
        idempotency_key=key,
        request_hash=request.request_hash if key else None,
        started_at=datetime.now(UTC),
    )
    await start_run(lab.runtime.client, run)
    return execution_id


async def found_by_temporal(lab: Lab, execution_id: UUID, *, status: str = "Running") -> None:
    """Wait until the run is in Temporal's lists, which follow it a moment later."""
    query = f"WorkflowId = '{execution_id}' AND ExecutionStatus = '{status}'"
    async with asyncio.timeout(10):
        while True:
            if [run async for run in lab.runtime.client.list_workflows(query)]:
                return
            await asyncio.sleep(0.05)


async def test_a_run_that_was_terminated_is_settled_in_the_list(lab: Lab) -> None:
    await lab.model.script(Behaviour(hang_after_tokens=0))
    execution_id = await lab.start(await lab.agentflow(agents=AGENTS), message="Go.")
    await lab.model.wait_for_requests(1)
    await run_handle(lab.runtime.client, execution_id).terminate(reason="enough")
    await found_by_temporal(lab, execution_id, status="Terminated")
    assert [execution.status for execution in await listed(lab)] == [ExecutionStatus.RUNNING]
    assert (await reconcile(lab)).settled >= 1
    (execution,) = await listed(lab)
    assert (execution.status, execution.error_message) == (
        ExecutionStatus.FAILED,
        "Terminated from outside: enough",
    )


async def test_a_running_run_is_left_alone(lab: Lab) -> None:
    await lab.model.script(Behaviour(hang_after_tokens=0))
    execution_id = await lab.start(await lab.agentflow(agents=AGENTS), message="Go.")
    await lab.model.wait_for_requests(1)
    await reconcile(lab)
    assert [execution.status for execution in await listed(lab)] == [ExecutionStatus.RUNNING]
    await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)
    await lab.finish(execution_id)


async def test_a_running_run_without_a_row_is_listed(lab: Lab) -> None:
    await lab.model.script(Behaviour(hang_after_tokens=0))
    execution_id = await start_without_a_row(lab, await lab.agentflow(agents=AGENTS))
    await lab.model.wait_for_requests(1)
    await found_by_temporal(lab, execution_id)
    assert (await reconcile(lab)).adopted >= 1
    assert [execution.id for execution in await listed(lab)] == [execution_id]
    await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)
    assert (await lab.finish(execution_id)).status is ExecutionStatus.CANCELLED


@pytest.mark.parametrize("ended", [True, False], ids=["after its end", "while it runs"])
async def test_a_key_whose_commit_was_lost_finds_its_run(lab: Lab, ended: bool) -> None:
    flow = await lab.agentflow(agents=AGENTS)
    key = uuid4().hex
    await lab.model.script(Behaviour(delay_ms=0 if ended else 500))
    execution_id = await start_without_a_row(lab, flow, key)
    if ended:
        await lab.finish(execution_id)
    request = StartRequest(flow.id, lab.user_id, {"message": "Go."}, key, flow=flow)
    again = await start_execution(lab.runtime, request, execution_id=request.execution_id)
    assert again.id == execution_id
    assert (await lab.finish(execution_id)).status is ExecutionStatus.COMPLETED
    assert len(await lab.model.requests()) == 1
    assert len(await listed(lab)) == 1


async def test_a_run_that_temporal_has_forgotten_is_not_shown_as_running_for_ever(lab: Lab) -> None:
    await lab.model.script(Behaviour(hang_after_tokens=0))
    execution_id = await lab.start(await lab.agentflow(agents=AGENTS), message="Go.")
    await lab.model.wait_for_requests(1)
    async with lab.runtime.sessions.begin() as session:  # as if the history had been deleted with its server
        lost = uuid4()
        await session.execute(
            text("UPDATE executions SET id = :lost WHERE id = :id"), {"lost": lost, "id": execution_id}
        )
    execution = await get_execution(lab.runtime, lost, user_id=lab.user_id)
    assert execution.status is ExecutionStatus.FAILED
    assert "no longer knows" in (execution.error_message or "")
    await run_handle(lab.runtime.client, execution_id).terminate()


async def test_payloads_go_when_their_history_is_gone_and_not_before(lab: Lab) -> None:
    execution = await lab.run(await lab.agentflow(agents=AGENTS), message="x" * 200_000)

    async def kept(owner: str) -> int:
        async with lab.runtime.sessions() as session:
            return (
                await session.scalar(
                    select(func.count()).select_from(PayloadRow).where(PayloadRow.workflow_id == owner)
                )
                or 0
            )

    assert await kept(str(execution.id)) > 0
    async with lab.runtime.sessions.begin() as session:
        session.add(PayloadRow(workflow_id="forgotten", digest=b"d", data=b"x"))
    await reconcile(lab)
    assert await kept("forgotten") == 0
    assert await kept(str(execution.id)) > 0


async def test_a_lost_database_connection_costs_no_second_model_call(lab: Lab) -> None:
    await lab.model.script(Behaviour(delay_ms=500))
    execution_id = await lab.start(await lab.agentflow(agents=[{"name": "One"}, {"name": "Two"}]), message="Go.")
    await lab.model.wait_for_requests(1)
    async with lab.runtime.engine.connect() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'perdure' AND pid <> pg_backend_pid()"
            )
        )
    execution = await lab.finish(execution_id)
    assert execution.status is ExecutionStatus.COMPLETED
    assert len(await lab.model.requests()) == 2
    assert [node.retry_count for node in execution.node_executions] == [0, 0]
