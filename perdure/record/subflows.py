"""The history of child workflows → events of flows that are called as tools."""

from perdure.domain.events import StepCancelled, StepCompleted, StepFailed, StepScheduled
from perdure.domain.runs import RunInput, RunResult
from perdure.record.reading import Reading, Recorded, to_time


def flow_initiated(recorded: Recorded, reading: Reading) -> StepScheduled:
    """Another flow's run is called as a tool."""
    run = RunInput.model_validate(recorded.values[0])
    # Without a parent it is no run of ours that was called as a tool.
    step_id = run.parent.step_id if run.parent else str(run.execution_id)
    reading.steps[recorded.event.event_id] = step_id
    return StepScheduled.of_flow(run, step_id, run.parent.node_id if run.parent else step_id)


def flow_completed(recorded: Recorded, reading: Reading) -> StepCompleted:
    """It gave its output."""
    attributes = recorded.event.child_workflow_execution_completed_event_attributes
    text = str(RunResult.model_validate(recorded.values[0]).output_data.get("response", ""))
    return StepCompleted(
        step_id=reading.steps[attributes.initiated_event_id],
        attempt=1,
        text=text,
        is_error=False,
        characters=len(text),
        execution_id=attributes.workflow_execution.workflow_id,
        finished_at=to_time(recorded.event.event_time),
    )


def flow_failed(recorded: Recorded, reading: Reading) -> StepFailed:
    """It failed."""
    attributes = recorded.event.child_workflow_execution_failed_event_attributes
    return _gone(reading, attributes.initiated_event_id, attributes.failure.message)


def flow_ended_from_outside(recorded: Recorded, reading: Reading) -> StepFailed:
    """It was terminated, or ran out of time."""
    event = recorded.event
    initiated = (
        event.child_workflow_execution_terminated_event_attributes.initiated_event_id
        or event.child_workflow_execution_timed_out_event_attributes.initiated_event_id
    )
    return _gone(reading, initiated, "It was ended from outside.")


def _gone(reading: Reading, initiated: int, error: str) -> StepFailed:
    step_id = reading.steps[initiated]
    return StepFailed(step_id=step_id, attempt=1, error=error, kind="flow", reason="NON_RETRYABLE_FAILURE")


def flow_cancelled(recorded: Recorded, reading: Reading) -> StepCancelled:
    """It was cancelled."""
    attributes = recorded.event.child_workflow_execution_canceled_event_attributes
    return StepCancelled(step_id=reading.steps[attributes.initiated_event_id])
