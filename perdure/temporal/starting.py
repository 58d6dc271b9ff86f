"""Starting a run's workflow."""

from uuid import UUID

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.domain.runs import FoldInput, RunInput
from perdure.temporal.client import TASK_QUEUE
from perdure.temporal.naming import PROCEED, SUMMARY_WORKFLOW, WORKFLOW_TYPES, run_attributes


async def start_run(client: Client, run: RunInput) -> None:
    """Start the workflow of a run. Repeating it for the same execution is harmless.

    A worker in this process gets the first task with the answer (eager start); any other polls for it.
    """
    try:
        await client.start_workflow(
            WORKFLOW_TYPES[run.flow.flow_type],
            run,
            id=str(run.execution_id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=run_attributes(run),
            static_summary=f"{run.flow.flow_type.value}: {run.flow.name}"[:200],
            static_details=_details(run),
            request_eager_start=True,
        )
    except WorkflowAlreadyStartedError:
        # An earlier call with the same idempotency key started it and died before it could commit.
        return


async def call_turn(client: Client, execution_id: UUID) -> None:
    """Tell a waiting turn to look whether it may begin. Harmless where it has begun or ended."""
    try:
        await run_handle(client, execution_id).signal(PROCEED)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def start_fold(client: Client, fold: FoldInput, workflow_id: str) -> None:
    """Start folding older turns into a summary. Where that is under way or done, nothing happens."""
    try:
        await client.start_workflow(
            SUMMARY_WORKFLOW,
            fold,
            id=workflow_id,
            task_queue=TASK_QUEUE,
            # One that failed may be tried again after a later turn.
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            static_summary=f"summary of session {fold.session_id}"[:200],
        )
    except WorkflowAlreadyStartedError:
        return


def run_handle(client: Client, execution_id: object) -> WorkflowHandle[object, object]:
    """The workflow of an execution: its id is the execution's."""
    return client.get_workflow_handle(str(execution_id))


def _details(run: RunInput) -> str:
    description = f"\n\n{run.flow.description}" if run.flow.description else ""
    return f"**{run.flow.name}**, version {run.flow.version}, run by user {run.user_id}{description}"[:2000]
