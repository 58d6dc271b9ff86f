"""Starting a run's workflow."""

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from perdure.domain.runs import RunInput
from perdure.temporal.client import TASK_QUEUE
from perdure.temporal.naming import WORKFLOW_TYPES, run_attributes


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


def run_handle(client: Client, execution_id: object) -> WorkflowHandle[object, object]:
    """The workflow of an execution: its id is the execution's."""
    return client.get_workflow_handle(str(execution_id))


def _details(run: RunInput) -> str:
    description = f"\n\n{run.flow.description}" if run.flow.description else ""
    return f"**{run.flow.name}**, version {run.flow.version}, run by user {run.user_id}{description}"[:2000]
