"""Temporal's history → domain events. Pure: payloads are decoded before.

The order is that of event ids, never of times: Temporal may write an event with an older time after a younger one.
History events that mean nothing to users (workflow tasks, markers, kinds we do not know) are passed over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import JsonValue
from temporalio.api.enums.v1 import EventType, RetryState, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from perdure.domain.events import (
    EXHAUSTED,
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
from perdure.domain.runs import GenerateInput, GenerateResult, RunInput, RunResult, StepFailure


@dataclass(frozen=True)
class Recorded:
    """One history event with what its payloads say, decoded to plain JSON values."""

    event: HistoryEvent
    values: tuple[JsonValue, ...] = ()
    details: tuple[JsonValue, ...] = ()


@dataclass
class _Reading:
    """What is known from the events read so far."""

    steps: dict[int, str] = field(default_factory=dict[int, str])
    attempts: dict[int, int] = field(default_factory=dict[int, int])


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


def _step_completed(recorded: Recorded, _reading: _Reading) -> StepCompleted:
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
}
