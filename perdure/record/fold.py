"""Domain events → the state of a run after them. Any prefix of a run's events is a valid state."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from perdure.domain.events import (
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionTerminated,
    ExecutionTimedOut,
)
from perdure.domain.executions import ExecutionStatus
from perdure.domain.ledger import Ledger


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
    ledger = Ledger()
    ending: ExecutionEvent | None = None
    for event in events:
        if isinstance(event.data, ExecutionStarted):
            ledger = Ledger(event.data.nodes)
        ledger.apply(event.data, event.timestamp)
        if isinstance(event.data, _ENDINGS):
            ending = event
    if ending is None:
        return RunState(status=ExecutionStatus.RUNNING, ledger=ledger)
    ledger.stop(ending.timestamp)
    status, output, error = _outcome(ending)
    return RunState(status=status, ledger=ledger, output_data=output, error_message=error, ended_at=ending.timestamp)


_ENDINGS = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled, ExecutionTerminated, ExecutionTimedOut)


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
