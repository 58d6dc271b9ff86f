"""Temporal's history → domain events. Pure: payloads are decoded before.

The order is that of event ids, never of times: Temporal may write an event with an older time after a younger one.
History events that mean nothing to users (workflow tasks, markers, kinds we do not know) are passed over.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import ValidationError
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause

from perdure.domain.events import (
    CancelRequested,
    EngineTrouble,
    EventUnreadable,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionContinued,
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
    """Maps an execution's history as it grows, run after run in Temporal's sense; what was mapped costs nothing again.

    Versions go on over runs: those that an execution handed out before it was reset or continued stay what they were.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        """The run that the history has come to."""
        self._reading = Reading()
        self._version = 0
        self._lines: dict[str, list[tuple[int, int]]] = {}
        """Of each run: which history event stands at which version, the kept ones of its base included."""

    def next_run(self, run_id: str) -> None:
        """Go on with another run of the same execution, given from its first event on."""
        if run_id != self.run_id:
            # What a continuation's line has before its own events; a reset says anew what it keeps.
            self._lines[run_id] = [(0, version) for _, version in self._lines.get(self.run_id, [])]
        self.run_id = run_id
        self._reading = Reading()

    def add(self, history: Iterable[Recorded]) -> list[ExecutionEvent]:
        """The events that the next history events map to."""
        return [event for recorded in history if (event := self._next(recorded)) is not None]

    def copied(self, history: Iterable[Recorded]) -> None:
        """Take in what a reset copied from the run before: known, and not told again."""
        for recorded in history:
            self._map(recorded)

    def _next(self, recorded: Recorded) -> ExecutionEvent | None:
        data = self._map(recorded)
        if data is None or (isinstance(data, ExecutionStarted) and self._version):
            # A run that continues another is no second start.
            return None
        history_id = recorded.event.event_id
        if isinstance(data, RunReset):
            # Where the run's line leaves its base's; the history of one run alone is its own base.
            base = self._lines.get(data.base_run_id) or self._lines.get(self.run_id, [])
            kept = [place for place in base if place[0] < history_id]
            self.run_id = recorded.event.workflow_task_failed_event_attributes.new_run_id or self.run_id
            self._lines[self.run_id] = kept
            data = data.model_copy(update={"to_version": kept[-1][1] if kept else 0})
        self._version += 1
        self._lines.setdefault(self.run_id, []).append((history_id, self._version))
        return ExecutionEvent(
            version=self._version,
            timestamp=to_time(recorded.event.event_time),
            run_id=self.run_id,
            history_event_id=history_id,
            data=data,
        )

    def _map(self, recorded: Recorded) -> ExecutionEventData | None:
        try:
            return _MAPPING.get(recorded.event.event_type, _nothing)(recorded, self._reading)
        except (ValidationError, LookupError, TypeError):
            # A newer build wrote it, or what it belongs to could not be read.
            return EventUnreadable(history_event_type=_kind(recorded))


def _kind(recorded: Recorded) -> str:
    return EventType.Name(recorded.event.event_type).removeprefix("EVENT_TYPE_")


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


def _continued(recorded: Recorded, _reading: Reading) -> ExecutionContinued:
    attributes = recorded.event.workflow_execution_continued_as_new_event_attributes
    return ExecutionContinued(new_run_id=attributes.new_execution_run_id)


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
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: _continued,
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
