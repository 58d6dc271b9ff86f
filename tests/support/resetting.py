"""An operator's reset in tests."""

from uuid import UUID, uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from perdure.domain.executions import Execution
from tests.support.running import Lab


async def send_back(lab: Lab, execution_id: UUID, step_id: str | None = None) -> None:
    """Send a run back to where this step was last handed to the workers; without one to its first decision."""
    history = (await lab.history(execution_id)).events
    if step_id is None:
        completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        point = next(event.event_id for event in history if event.event_type == completed)
    else:
        scheduled = (event.activity_task_scheduled_event_attributes for event in reversed(history))
        point = next(each.workflow_task_completed_event_id for each in scheduled if each.activity_id == step_id)
    client = lab.runtime.client
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=str(execution_id)),
            reason="mended",
            workflow_task_finish_event_id=point,
            request_id=str(uuid4()),
        )
    )


async def again_from(lab: Lab, execution_id: UUID, step_id: str) -> Execution:
    """Reset a run to where this step was scheduled, and wait for its end."""
    await send_back(lab, execution_id, step_id)
    return await lab.finish(execution_id)
