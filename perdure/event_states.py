"""Aggregates at any instant: their events up to it, folded; and a run's events with those of the runs it called."""

from collections.abc import Sequence
from datetime import datetime

from perdure.bootstrap import Runtime
from perdure.domain.errors import NotFoundError
from perdure.domain.events import Event, ExecutionEvent
from perdure.domain.states import ExecutionState, SessionState
from perdure.event_store import NO_AGGREGATE, AggregateFilter, read_events
from perdure.record.changes import ChangedState, fold_changes
from perdure.record.fold import RunFold
from perdure.record.prefixes import child_of, prefix_at
from perdure.storage.session_turns import read_said

DEEPEST = 10
"""How many runs may stand above one in a tree; flows that call flows are kept to fewer."""


async def read_state(
    runtime: Runtime,
    aggregate_id: str,
    aggregate_type: AggregateFilter | None,
    *,
    user_id: int,
    to_version: int | None = None,
    at: datetime | None = None,
) -> ExecutionState | ChangedState:
    """The aggregate as it stood after a version, at an instant, or as it stands.

    Raises NotFoundError when there is no such aggregate of this user's, or there was none yet.
    """
    events = await read_events(runtime, aggregate_id, aggregate_type, user_id=user_id)
    if to_version is not None:
        events = [event for event in events if event.version <= to_version]
    if at is not None:
        events = events[: prefix_at([event.timestamp for event in events], at)]
    if not events:
        msg = "This aggregate did not exist yet at that time: ask for a later one."
        raise NotFoundError(msg)
    if events[0].aggregate_type == "Execution":
        return _execution(aggregate_id, events)
    state = fold_changes(events)
    if not isinstance(state, SessionState) or state.is_deleted:
        return state
    until = at if to_version is None else state.timestamp
    async with runtime.sessions() as session:
        said = await read_said(session, aggregate_id, user_id=user_id, after=state.begun_at, until=until)
    return state.model_copy(update={"messages": said})


def _execution(execution_id: str, events: Sequence[Event]) -> ExecutionState:
    folded = RunFold()
    for event in events:
        folded.apply(ExecutionEvent.of(event))
    state = folded.shown(execution_id)
    if state is None:
        raise NotFoundError(NO_AGGREGATE)
    return state


async def with_children(runtime: Runtime, events: Sequence[Event], *, user_id: int, depth: int = 1) -> list[Event]:
    """The events, and after each step that called another flow those of its run, under its own id.

    A run is told whole where it begins; runs at the same time are told one after the other, never mixed by time.
    """
    told: list[Event] = []
    for event in events:
        told.append(event)
        child = child_of(event.event_data) if event.event_type == "StepScheduled" and depth <= DEEPEST else None
        if child is None:
            continue
        try:
            below = await read_events(runtime, child, "Execution", user_id=user_id)
        except NotFoundError:
            # It has not been started yet, or Temporal keeps it no longer.
            continue
        told += await with_children(runtime, below, user_id=user_id, depth=depth + 1)
    return told
