"""Domain events → the state of a run after them. Any prefix of a run's events is a valid state."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from perdure.domain.events import (
    CancelRequested,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionTerminated,
    ExecutionTimedOut,
    RunReset,
    StepCompleted,
    StepFailed,
    StepStarted,
)
from perdure.domain.executions import ExecutionStatus
from perdure.domain.ledger import Ledger
from perdure.domain.notes import ApprovalClosed, ApprovalCounted, ApprovalRequested
from perdure.domain.states import AnyChoice, ExecutionState, PendingApproval


@dataclass(frozen=True)
class RunState:
    """Where a run stood."""

    status: ExecutionStatus
    ledger: Ledger
    output_data: dict[str, JsonValue] | None = None
    error_message: str | None = None
    ended_at: datetime | None = None


def fold(events: Iterable[ExecutionEvent]) -> RunState:
    """The state after the last of `events`, which are a run's first ones in order."""
    folded = RunFold()
    for event in events:
        folded.apply(event)
    return folded.state


def counting(events: Iterable[ExecutionEvent]) -> list[ExecutionEvent]:
    """The events that count in an execution's latest run: without those that a reset left behind, and the reset."""
    folded = RunFold()
    for event in events:
        folded.apply(event)
    return folded.line


class RunFold:
    """Folds a run's events one by one; `state` is that after the last of them."""

    def __init__(self) -> None:
        self._lines: dict[str, list[ExecutionEvent]] = {}
        """Of each run in Temporal's sense: the events that count in it, those kept of its base included."""
        self._run_id = ""
        self._last: ExecutionEvent | None = None
        self._begin()

    def _begin(self) -> None:
        self._started: ExecutionEvent | None = None
        self._ledger = Ledger()
        self._ending: ExecutionEvent | None = None
        self._is_cancelling = False
        self._attempts: dict[str, int] = {}
        self._approvals: dict[str, PendingApproval] = {}
        self._decisions: list[AnyChoice] = []

    @property
    def line(self) -> list[ExecutionEvent]:
        """The events that the state comes from."""
        return list(self._lines.get(self._run_id, []))

    def apply(self, event: ExecutionEvent) -> None:
        """Take in the next event."""
        if isinstance(event.data, RunReset):
            base = self._lines.get(event.data.base_run_id, self._lines.get(self._run_id, []))
            upto = event.data.to_version
            kept = [each for each in base if upto is None or each.version <= upto]
            self._begin()
            for each in kept:
                self._enter(each)
            self._lines[event.run_id] = kept
        else:
            # A run that continues another goes on with its line.
            line = self._lines.setdefault(event.run_id, list(self._lines.get(self._run_id, [])))
            line.append(event)
            self._enter(event)
        self._run_id = event.run_id
        self._last = event

    def _enter(self, event: ExecutionEvent) -> None:
        data = event.data
        if isinstance(data, ExecutionStarted):
            self._ledger = Ledger(data.nodes)
            self._started = event
        self._ledger.apply(data, event.timestamp)
        if isinstance(data, AnyChoice):
            self._decisions.append(data)
        match data:
            case StepStarted() | StepCompleted() | StepFailed():
                self._attempts[data.step_id] = data.attempt or self._attempts.get(data.step_id, 0)
            case ApprovalRequested():
                self._approvals[data.approval_id] = PendingApproval(**data.model_dump())
            case ApprovalCounted():
                self._count(data)
            case ApprovalClosed():
                self._approvals.pop(data.approval_id, None)
            case CancelRequested():
                self._is_cancelling = True
            case (
                ExecutionCompleted()
                | ExecutionFailed()
                | ExecutionCancelled()
                | ExecutionTerminated()
                | ExecutionTimedOut()
            ):
                self._ending = event
                self._approvals = {}
            case _:
                pass

    def _count(self, counted: ApprovalCounted) -> None:
        pending = self._approvals.get(counted.approval_id)
        if pending is not None:
            agreed = {"arguments", "revision", "approved_by"}
            self._approvals[counted.approval_id] = pending.model_copy(update=counted.model_dump(include=agreed))

    @property
    def state(self) -> RunState:
        """Where the run stands after the last event; its ledger is the caller's own."""
        ledger, ending = self._ledger.copy(), self._ending
        if ending is None:
            return RunState(status=ExecutionStatus.RUNNING, ledger=ledger)
        ledger.stop(ending.timestamp)
        status, output, error = _outcome(ending)
        return RunState(
            status=status, ledger=ledger, output_data=output, error_message=error, ended_at=ending.timestamp
        )

    def shown(self, execution_id: str) -> ExecutionState | None:
        """The same in full, as clients see it. None before the first event."""
        if self._last is None:
            return None
        state = self.state
        first = self._started.data if self._started else None
        start = first if isinstance(first, ExecutionStarted) else None
        started_at = self._started.timestamp if self._started else self._last.timestamp
        return ExecutionState(
            aggregate_id=execution_id,
            version=self._last.version,
            timestamp=self._last.timestamp,
            status=state.status,
            flow_id=start.flow_id if start else None,
            flow_type=start.flow_type if start else None,
            flow_name=start.flow_name if start else None,
            flow_version=start.flow_version if start else None,
            session_id=start.session_id if start else None,
            input_data=start.input_data if start else {},
            output_data=state.output_data,
            error_message=state.error_message,
            started_at=started_at,
            completed_at=state.ended_at,
            cancel_requested=self._is_cancelling,
            node_executions=state.ledger.nodes,
            attempts=dict(self._attempts),
            memory=state.ledger.memory,
            pending_approvals=list(self._approvals.values()),
            decisions=list(self._decisions),
            metrics=state.ledger.metrics(started_at=started_at, until=state.ended_at),
        )


def _outcome(ending: ExecutionEvent) -> tuple[ExecutionStatus, dict[str, JsonValue] | None, str | None]:
    match ending.data:
        case ExecutionCompleted(output_data=output):
            return ExecutionStatus.COMPLETED, output, None
        case ExecutionFailed(error=error):
            return ExecutionStatus.FAILED, None, error
        case ExecutionTerminated(reason=reason):
            because = f": {reason}" if reason else "."
            return ExecutionStatus.FAILED, None, f"Terminated from outside{because}"
        case ExecutionTimedOut():
            return ExecutionStatus.FAILED, None, "The run took longer than it was allowed to."
        case _:
            return ExecutionStatus.CANCELLED, None, None
