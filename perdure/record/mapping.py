"""Temporal's history → domain events. Pure: payloads are decoded before.

The order is that of event ids, never of times: Temporal may write an event with an older time after a younger one.
History events that mean nothing to users (workflow tasks, markers, kinds we do not know) are passed over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import JsonValue, TypeAdapter
from temporalio.api.enums.v1 import EventType, RetryState, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.update.v1 import Request

from perdure.domain.approvals import DECIDE, ApprovalDecision
from perdure.domain.events import (
    EXHAUSTED,
    ApprovalDecided,
    CancelRequested,
    EngineTrouble,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionEventData,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionTerminated,
    ExecutionTimedOut,
    RunReset,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepScheduled,
    StepStarted,
    planned_nodes,
    timeout_sentence,
)
from perdure.domain.notes import AnyNote, Note
from perdure.domain.runs import (
    CallToolInput,
    CallToolResult,
    GenerateInput,
    GenerateResult,
    RunInput,
    RunResult,
    StepFailure,
)

CALL_TOOL = "call_tool"
"""The activity type of a tool call; every other activity of a run is a model call."""

_note: TypeAdapter[Note] = TypeAdapter(AnyNote)


@dataclass(frozen=True)
class Recorded:
    """One history event with what its payloads say, decoded to plain JSON values."""

    event: HistoryEvent
    values: tuple[JsonValue, ...] = ()
    details: tuple[JsonValue, ...] = ()
    local_activity: str | None = None
    """Of a marker: the type of the local activity whose result `values` holds."""


@dataclass
class _Reading:
    """What is known from the events read so far."""

    steps: dict[int, str] = field(default_factory=dict[int, str])
    attempts: dict[int, int] = field(default_factory=dict[int, int])
    tools: set[int] = field(default_factory=set[int])
    """Which of the scheduled steps are tool calls."""
    decisions: dict[str, ApprovalDecision] = field(default_factory=dict[str, ApprovalDecision])
    """What was decided, by the id of the update that brought it."""


def to_events(history: Sequence[Recorded], run_id: str) -> list[ExecutionEvent]:
    """Map a run's history to its events, versions 1, 2, 3 … without holes."""
    reading = _Reading()
    events: list[ExecutionEvent] = []
    for recorded in history:
        mapped = _MAPPING.get(recorded.event.event_type, _nothing)(recorded, reading)
        if mapped is not None:
            events.append(
                ExecutionEvent(
                    version=len(events) + 1,
                    timestamp=to_time(recorded.event.event_time),
                    run_id=run_id,
                    history_event_id=recorded.event.event_id,
                    data=mapped,
                )
            )
    return events


def to_time(stamp: Timestamp) -> datetime:
    """A protobuf timestamp as an instant in UTC, to the microsecond."""
    return stamp.ToDatetime(tzinfo=UTC)


def _nothing(_recorded: Recorded, _reading: _Reading) -> None:
    return None


def _started(recorded: Recorded, _reading: _Reading) -> ExecutionStarted:
    run = RunInput.model_validate(recorded.values[0])
    header = run.header
    return ExecutionStarted(
        flow_id=str(header.flow_id),
        flow_type=header.flow_type,
        flow_name=header.flow_name,
        flow_version=header.flow_version,
        input_data=header.input_data,
        session_id=header.session_id,
        nodes=planned_nodes(run.flow),
    )


def _completed(recorded: Recorded, _reading: _Reading) -> ExecutionCompleted:
    return ExecutionCompleted(output_data=RunResult.model_validate(recorded.values[0]).output_data)


def _failed(recorded: Recorded, _reading: _Reading) -> ExecutionFailed:
    return ExecutionFailed(error=recorded.event.workflow_execution_failed_event_attributes.failure.message)


def _cancelled(_recorded: Recorded, _reading: _Reading) -> ExecutionCancelled:
    return ExecutionCancelled()


def _terminated(recorded: Recorded, _reading: _Reading) -> ExecutionTerminated:
    reason = recorded.event.workflow_execution_terminated_event_attributes.reason
    return ExecutionTerminated(reason=reason or None)


def _timed_out(_recorded: Recorded, _reading: _Reading) -> ExecutionTimedOut:
    return ExecutionTimedOut()


def _cancel_requested(recorded: Recorded, _reading: _Reading) -> CancelRequested:
    cause = recorded.event.workflow_execution_cancel_requested_event_attributes.cause
    return CancelRequested(reason=cause or None)


def _task_failed(recorded: Recorded, _reading: _Reading) -> RunReset | EngineTrouble:
    attributes = recorded.event.workflow_task_failed_event_attributes
    message = attributes.failure.message or None
    if attributes.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW:
        return RunReset(base_run_id=attributes.base_run_id, reason=message)
    name = WorkflowTaskFailedCause.Name(attributes.cause)
    return EngineTrouble(cause=name.removeprefix("WORKFLOW_TASK_FAILED_CAUSE_"), message=message)


def _step_scheduled(recorded: Recorded, reading: _Reading) -> StepScheduled:
    attributes = recorded.event.activity_task_scheduled_event_attributes
    reading.steps[recorded.event.event_id] = attributes.activity_id
    if attributes.activity_type.name == CALL_TOOL:
        reading.tools.add(recorded.event.event_id)
        return StepScheduled.of_tool(CallToolInput.model_validate(recorded.values[0]))
    return StepScheduled.of(GenerateInput.model_validate(recorded.values[0]))


def _step_started(recorded: Recorded, reading: _Reading) -> StepStarted:
    attributes = recorded.event.activity_task_started_event_attributes
    reading.attempts[attributes.scheduled_event_id] = attributes.attempt
    last = attributes.last_failure
    return StepStarted(
        step_id=reading.steps[attributes.scheduled_event_id],
        attempt=attributes.attempt,
        last_error=failure_sentence(last) if attributes.HasField("last_failure") else None,
        worker=attributes.identity,
    )


def _step_completed(recorded: Recorded, reading: _Reading) -> StepCompleted:
    if recorded.event.activity_task_completed_event_attributes.scheduled_event_id in reading.tools:
        return StepCompleted.of_tool(CallToolResult.model_validate(recorded.values[0]))
    return StepCompleted.of(GenerateResult.model_validate(recorded.values[0]))


def _step_failed(recorded: Recorded, reading: _Reading) -> StepFailed:
    attributes = recorded.event.activity_task_failed_event_attributes
    said = StepFailure.of(recorded.details)
    scheduled = attributes.scheduled_event_id
    return StepFailed(
        step_id=reading.steps[scheduled],
        attempt=reading.attempts.get(scheduled),
        error=failure_sentence(attributes.failure),
        kind=said.kind if said else attributes.failure.application_failure_info.type or None,
        reason=EXHAUSTED if said and said.exhausted else _retry_state(attributes.retry_state),
    )


def _step_timed_out(recorded: Recorded, reading: _Reading) -> StepFailed:
    attributes = recorded.event.activity_task_timed_out_event_attributes
    scheduled = attributes.scheduled_event_id
    return StepFailed(
        step_id=reading.steps[scheduled],
        attempt=reading.attempts.get(scheduled),
        error=failure_sentence(attributes.failure),
        kind=_timeout(attributes.failure),
        reason=_retry_state(attributes.retry_state),
    )


def _step_cancelled(recorded: Recorded, reading: _Reading) -> StepCancelled:
    attributes = recorded.event.activity_task_canceled_event_attributes
    return StepCancelled(step_id=reading.steps[attributes.scheduled_event_id])


def _marker(recorded: Recorded, _reading: _Reading) -> Note | None:
    return _note.validate_python(recorded.values[0]) if recorded.local_activity == "note" else None


def _update_admitted(recorded: Recorded, reading: _Reading) -> None:
    # After a reset, an update comes again as admitted; what is accepted later carries no input then.
    request = recorded.event.workflow_execution_update_admitted_event_attributes.request
    _remember(reading, request, recorded)


def _update_accepted(recorded: Recorded, reading: _Reading) -> None:
    request = recorded.event.workflow_execution_update_accepted_event_attributes.accepted_request
    _remember(reading, request, recorded)


def _remember(reading: _Reading, request: Request, recorded: Recorded) -> None:
    if recorded.values and request.input.name == DECIDE:
        reading.decisions[request.meta.update_id] = ApprovalDecision.model_validate(recorded.values[0])


def _update_completed(recorded: Recorded, reading: _Reading) -> ApprovalDecided | None:
    attributes = recorded.event.workflow_execution_update_completed_event_attributes
    decided = reading.decisions.get(attributes.meta.update_id)
    if decided is None:
        return None
    failed = attributes.outcome.HasField("failure")
    return ApprovalDecided(**decided.model_dump(), refused=attributes.outcome.failure.message if failed else None)


def _flow_initiated(recorded: Recorded, reading: _Reading) -> StepScheduled:
    run = RunInput.model_validate(recorded.values[0])
    # Without a parent it is no run of ours that was called as a tool.
    step_id = run.parent.step_id if run.parent else str(run.execution_id)
    reading.steps[recorded.event.event_id] = step_id
    return StepScheduled.of_flow(run, step_id, run.parent.node_id if run.parent else step_id)


def _flow_completed(recorded: Recorded, reading: _Reading) -> StepCompleted:
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


def _flow_failed(recorded: Recorded, reading: _Reading) -> StepFailed:
    attributes = recorded.event.child_workflow_execution_failed_event_attributes
    return _flow_gone(reading, attributes.initiated_event_id, attributes.failure.message)


def _flow_ended_from_outside(recorded: Recorded, reading: _Reading) -> StepFailed:
    event = recorded.event
    initiated = (
        event.child_workflow_execution_terminated_event_attributes.initiated_event_id
        or event.child_workflow_execution_timed_out_event_attributes.initiated_event_id
    )
    return _flow_gone(reading, initiated, "It was ended from outside.")


def _flow_gone(reading: _Reading, initiated: int, error: str) -> StepFailed:
    step_id = reading.steps[initiated]
    return StepFailed(step_id=step_id, attempt=1, error=error, kind="flow", reason="NON_RETRYABLE_FAILURE")


def _flow_cancelled(recorded: Recorded, reading: _Reading) -> StepCancelled:
    attributes = recorded.event.child_workflow_execution_canceled_event_attributes
    return StepCancelled(step_id=reading.steps[attributes.initiated_event_id])


def _timeout(failure: Failure) -> str:
    return TimeoutType.Name(failure.timeout_failure_info.timeout_type).removeprefix("TIMEOUT_TYPE_")


def failure_sentence(failure: Failure) -> str:
    """What a failure says to a person."""
    if failure.HasField("timeout_failure_info"):
        return timeout_sentence(_timeout(failure))
    return failure.message


def _retry_state(state: "RetryState.ValueType") -> str:
    return RetryState.Name(state).removeprefix("RETRY_STATE_")


_MAPPING: Mapping["EventType.ValueType", Callable[[Recorded, _Reading], ExecutionEventData | None]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: _started,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: _completed,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: _failed,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: _cancelled,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: _terminated,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: _timed_out,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: _cancel_requested,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: _task_failed,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: _step_scheduled,
    EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED: _step_started,
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: _step_completed,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: _step_failed,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: _step_timed_out,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: _step_cancelled,
    EventType.EVENT_TYPE_MARKER_RECORDED: _marker,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED: _update_admitted,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: _update_accepted,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED: _update_completed,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: _flow_initiated,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED: _flow_completed,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED: _flow_failed,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED: _flow_cancelled,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED: _flow_ended_from_outside,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT: _flow_ended_from_outside,
}
