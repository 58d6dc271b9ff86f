"""The history of activities → events of steps: model calls and tool calls."""

from perdure.domain.events import EXHAUSTED, StepCancelled, StepCompleted, StepFailed, StepScheduled, StepStarted
from perdure.domain.runs import CallToolInput, CallToolResult, GenerateInput, GenerateResult, StepFailure
from perdure.record.reading import Reading, Recorded, failure_sentence, retry_name, timeout_name

CALL_TOOL = "call_tool"
"""The activity type of a tool call; every other activity of a run is a model call."""


def step_scheduled(recorded: Recorded, reading: Reading) -> StepScheduled:
    """A step was handed to the workers."""
    attributes = recorded.event.activity_task_scheduled_event_attributes
    reading.steps[recorded.event.event_id] = attributes.activity_id
    if attributes.activity_type.name == CALL_TOOL:
        reading.tools.add(recorded.event.event_id)
        return StepScheduled.of_tool(CallToolInput.model_validate(recorded.values[0]))
    return StepScheduled.of(GenerateInput.model_validate(recorded.values[0]))


def step_started(recorded: Recorded, reading: Reading) -> StepStarted:
    """An attempt began; Temporal writes it when the step is over."""
    attributes = recorded.event.activity_task_started_event_attributes
    reading.attempts[attributes.scheduled_event_id] = attributes.attempt
    last = attributes.last_failure
    return StepStarted(
        step_id=reading.steps[attributes.scheduled_event_id],
        attempt=attributes.attempt,
        last_error=failure_sentence(last) if attributes.HasField("last_failure") else None,
        worker=attributes.identity,
    )


def step_completed(recorded: Recorded, reading: Reading) -> StepCompleted:
    """A step gave its result."""
    if recorded.event.activity_task_completed_event_attributes.scheduled_event_id in reading.tools:
        return StepCompleted.of_tool(CallToolResult.model_validate(recorded.values[0]))
    return StepCompleted.of(GenerateResult.model_validate(recorded.values[0]))


def step_failed(recorded: Recorded, reading: Reading) -> StepFailed:
    """A step gave up."""
    attributes = recorded.event.activity_task_failed_event_attributes
    said = StepFailure.of(recorded.details)
    scheduled = attributes.scheduled_event_id
    return StepFailed(
        step_id=reading.steps[scheduled],
        attempt=reading.attempts.get(scheduled),
        error=failure_sentence(attributes.failure),
        kind=said.kind if said else attributes.failure.application_failure_info.type or None,
        reason=EXHAUSTED if said and said.exhausted else retry_name(attributes.retry_state),
    )


def step_timed_out(recorded: Recorded, reading: Reading) -> StepFailed:
    """A step ran out of time."""
    attributes = recorded.event.activity_task_timed_out_event_attributes
    scheduled = attributes.scheduled_event_id
    return StepFailed(
        step_id=reading.steps[scheduled],
        attempt=reading.attempts.get(scheduled),
        error=failure_sentence(attributes.failure),
        kind=timeout_name(attributes.failure),
        reason=retry_name(attributes.retry_state),
    )


def step_cancelled(recorded: Recorded, reading: Reading) -> StepCancelled:
    """A step was cancelled."""
    attributes = recorded.event.activity_task_canceled_event_attributes
    return StepCancelled(step_id=reading.steps[attributes.scheduled_event_id])
