"""Temporal's history → domain events. Pure: payloads are decoded before.

The order is that of event ids, never of times: Temporal may write an event with an older time after a younger one.
History events that mean nothing to users (workflow tasks, markers, kinds we do not know) are passed over.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause

from perdure.domain.events import (
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
    planned_nodes,
)
from perdure.domain.runs import RunInput, RunResult
from perdure.record import messages, steps, subflows
from perdure.record.reading import Reading, Recorded, to_time


def to_events(history: Sequence[Recorded], run_id: str) -> list[ExecutionEvent]:
    """Map a run's history to its events, versions 1, 2, 3 … without holes."""
    return Mapper(run_id).add(history)


class Mapper:
    """Maps a run's history as it grows: what was mapped stays, and costs nothing again."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        """The run in Temporal's sense that the history has come to; resetting an execution begins another one."""
        self._reading = Reading()
        self._version = 0

    def add(self, history: Iterable[Recorded]) -> list[ExecutionEvent]:
        """The events that the next history events map to."""
        events: list[ExecutionEvent] = []
        for recorded in history:
            mapped = _MAPPING.get(recorded.event.event_type, _nothing)(recorded, self._reading)
            if isinstance(mapped, RunReset):
                self.run_id = recorded.event.workflow_task_failed_event_attributes.new_run_id
            if mapped is not None:
                self._version += 1
                events.append(
                    ExecutionEvent(
                        version=self._version,
                        timestamp=to_time(recorded.event.event_time),
                        run_id=self.run_id,
                        history_event_id=recorded.event.event_id,
                        data=mapped,
                    )
                )
        return events


def _nothing(_recorded: Recorded, _reading: Reading) -> None:
    return None


def _started(recorded: Recorded, _reading: Reading) -> ExecutionStarted:
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
        forked_from=header.forked_from,
    )


def _completed(recorded: Recorded, _reading: Reading) -> ExecutionCompleted:
    return ExecutionCompleted(output_data=RunResult.model_validate(recorded.values[0]).output_data)


def _failed(recorded: Recorded, _reading: Reading) -> ExecutionFailed:
    return ExecutionFailed(error=recorded.event.workflow_execution_failed_event_attributes.failure.message)


def _cancelled(_recorded: Recorded, _reading: Reading) -> ExecutionCancelled:
    return ExecutionCancelled()


def _terminated(recorded: Recorded, _reading: Reading) -> ExecutionTerminated:
    reason = recorded.event.workflow_execution_terminated_event_attributes.reason
    return ExecutionTerminated(reason=reason or None)


def _timed_out(_recorded: Recorded, _reading: Reading) -> ExecutionTimedOut:
    return ExecutionTimedOut()


def _cancel_requested(recorded: Recorded, _reading: Reading) -> CancelRequested:
    cause = recorded.event.workflow_execution_cancel_requested_event_attributes.cause
    return CancelRequested(reason=cause or None)


def _task_failed(recorded: Recorded, _reading: Reading) -> RunReset | EngineTrouble:
    attributes = recorded.event.workflow_task_failed_event_attributes
    message = attributes.failure.message or None
    if attributes.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW:
        return RunReset(base_run_id=attributes.base_run_id, reason=message)
    name = WorkflowTaskFailedCause.Name(attributes.cause)
    return EngineTrouble(cause=name.removeprefix("WORKFLOW_TASK_FAILED_CAUSE_"), message=message)


_MAPPING: Mapping["EventType.ValueType", Callable[[Recorded, Reading], ExecutionEventData | None]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: _started,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: _completed,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: _failed,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: _cancelled,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: _terminated,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: _timed_out,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: _cancel_requested,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: _task_failed,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: steps.step_scheduled,
    EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED: steps.step_started,
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: steps.step_completed,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: steps.step_failed,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: steps.step_timed_out,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: steps.step_cancelled,
    EventType.EVENT_TYPE_MARKER_RECORDED: messages.marker_set,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED: messages.update_admitted,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: messages.update_accepted,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED: messages.update_completed,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: subflows.flow_initiated,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED: subflows.flow_completed,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED: subflows.flow_failed,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED: subflows.flow_cancelled,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED: subflows.flow_ended_from_outside,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT: subflows.flow_ended_from_outside,
}
