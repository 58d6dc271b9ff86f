"""What ended runs did is kept when Temporal forgets it, and told as before."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import JsonValue
from sqlalchemy import text
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.archiving import ArchivingActivities
from activities.housekeeping import HousekeepingActivities
from perdure.domain.errors import NotFoundError
from perdure.domain.executions import ExecutionStatus
from perdure.domain.housekeeping import ArchiveResult
from perdure.event_store import read_events
from perdure.executions import get_execution
from perdure.forks import ForkAsked
from perdure.settings import ArchiveSettings
from perdure.storage.archive import find_unarchived
from perdure.temporal.runs import fetch_history
from tests.support.forking import fork, retry
from tests.support.resetting import again_from
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour

NO = Behaviour(status=400, body={"error": {"message": "no"}})
TWO: list[JsonValue] = [{"id": "one", "name": "One"}, {"id": "two", "name": "Two"}]


async def archive(lab: Lab, *, retention_days: int | None = None) -> ArchiveResult:
    """One pass that takes even what has just ended."""
    settings = ArchiveSettings(after_seconds=0, retention_days=retention_days)
    archiving = ArchivingActivities(lab.runtime.records, lab.runtime.sessions, settings)
    return await ActivityEnvironment().run(archiving.archive)


async def forget(lab: Lab, execution_id: UUID, run_id: str | None = None) -> None:
    """Have Temporal delete an execution's run (None: the latest), as its retention does."""
    client = lab.runtime.client
    execution = WorkflowExecution(workflow_id=str(execution_id), run_id=run_id or "")
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    )
    await until_forgotten(client, execution_id, run_id)


async def until_forgotten(client: Client, execution_id: UUID, run_id: str | None) -> None:
    """Temporal deletes a moment later; nothing tells of it, so it is asked."""
    while await fetch_history(client, str(execution_id), run_id):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def age(lab: Lab, execution_id: UUID, days: int) -> None:
    """Let an archived execution have ended so many days ago."""
    async with lab.runtime.sessions.begin() as session:
        await session.execute(
            text("UPDATE archived_histories SET ended_at = :ended WHERE execution_id = :id"),
            {"ended": datetime.now(UTC) - timedelta(days=days), "id": execution_id},
        )


async def due(lab: Lab) -> set[UUID]:
    """The executions that the next pass would archive."""
    async with lab.runtime.sessions() as session:
        found = await find_unarchived(session, ended_before=datetime.now(UTC), after=None)
    return {each.execution_id for each in found}


async def test_a_run_that_temporal_has_forgotten_is_told_as_before(lab: Lab) -> None:
    await lab.model.script(Behaviour(text="x" * 100_000), Behaviour(text="second"), Behaviour(text="again"))
    execution = await lab.run(await lab.agentflow(agents=TWO), message="y" * 100_000)
    before = await read_events(lab.runtime, str(execution.id), None, user_id=lab.user_id)
    assert (await archive(lab)).archived >= 1
    await forget(lab, execution.id)
    housekeeping = HousekeepingActivities(
        lab.runtime.records, lab.runtime.sessions, grace=timedelta(0), payloads_at_least=timedelta(0)
    )
    await ActivityEnvironment().run(housekeeping.reconcile)
    assert await read_events(lab.runtime, str(execution.id), None, user_id=lab.user_id) == before
    assert await get_execution(lab.runtime, execution.id, user_id=lab.user_id) == execution
    forked = await fork(lab, execution.id, ForkAsked(from_step="two"))
    assert (forked.status, forked.metrics.reused_steps, forked.metrics.llm_calls) == (ExecutionStatus.COMPLETED, 1, 1)


async def test_what_a_reset_left_behind_is_kept_when_only_that_is_forgotten(lab: Lab) -> None:
    await lab.model.script(Behaviour(text="first"), NO)
    execution = await lab.run(await lab.agentflow(agents=TWO), message="Go.")
    left = (await lab.history(execution.id)).events[0].workflow_execution_started_event_attributes
    await archive(lab)
    await lab.model.script(NO)
    await again_from(lab, execution.id, "two")
    before = await read_events(lab.runtime, str(execution.id), None, user_id=lab.user_id)
    await forget(lab, execution.id, left.original_execution_run_id)
    assert await read_events(lab.runtime, str(execution.id), None, user_id=lab.user_id) == before
    # The end of what was reset is archived too, and what was there is not replaced by what Temporal still has.
    assert (await archive(lab)).archived == 1
    await forget(lab, execution.id)
    assert await read_events(lab.runtime, str(execution.id), None, user_id=lab.user_id) == before
    await lab.model.script(Behaviour(text="second"))
    assert (await retry(lab, execution.id)).metrics.llm_calls == 1


async def test_a_forgotten_run_whose_row_is_from_before_its_end_is_settled_by_the_archive(lab: Lab) -> None:
    execution = await lab.run(await lab.agentflow(agents=TWO), message="Go.")
    await archive(lab)
    await forget(lab, execution.id)
    async with lab.runtime.sessions.begin() as session:  # as if a backup from before its end had been restored
        await session.execute(
            text("UPDATE executions SET status = 'running', completed_at = NULL WHERE id = :id"), {"id": execution.id}
        )
    settled = await get_execution(lab.runtime, execution.id, user_id=lab.user_id)
    assert (settled.status, settled.output_data) == (ExecutionStatus.COMPLETED, execution.output_data)
    assert [(node.id, node.output_data) for node in settled.node_executions] == [
        (node.id, node.output_data) for node in execution.node_executions
    ]


async def test_the_archive_forgets_only_where_it_is_told_to(lab: Lab) -> None:
    flow = await lab.agentflow(agents=TWO)
    lost, old, young = [await lab.run(flow, message="Go.") for _ in range(3)]
    await forget(lab, lost.id)
    assert (await archive(lab)).archived >= 2
    # What Temporal had forgotten before is not looked for at every pass.
    assert (await archive(lab)).archived == 0
    assert lost.id not in await due(lab)
    await asyncio.gather(forget(lab, old.id), forget(lab, young.id))
    await age(lab, old.id, 8)
    assert (await archive(lab)).deleted == 0
    assert (await archive(lab, retention_days=7)).deleted == 1
    assert await read_events(lab.runtime, str(young.id), None, user_id=lab.user_id)
    for gone in (old, lost):
        with pytest.raises(NotFoundError, match="no longer kept"):
            await read_events(lab.runtime, str(gone.id), None, user_id=lab.user_id)
    assert (await get_execution(lab.runtime, old.id, user_id=lab.user_id)).status is ExecutionStatus.COMPLETED
