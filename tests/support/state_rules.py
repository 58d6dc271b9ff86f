"""What holds of a run's states, whatever happened in it."""

from collections.abc import Sequence
from itertools import pairwise

from perdure.domain.events import ExecutionEvent, RunReset
from perdure.domain.executions import ExecutionStatus, NodeStatus
from perdure.domain.states import ExecutionState
from perdure.record.fold import RunFold

FINISHED = {NodeStatus.COMPLETED, NodeStatus.FAILED, NodeStatus.SKIPPED}
UNFINISHED = {NodeStatus.PENDING, NodeStatus.RUNNING}


def states_of(events: Sequence[ExecutionEvent]) -> list[ExecutionState]:
    """The state after each of a run's events, folded one by one."""
    folded, states = RunFold(), list[ExecutionState]()
    for event in events:
        folded.apply(event)
        shown = folded.shown("a")
        assert shown is not None
        states.append(shown)
    return states


def check_states(events: Sequence[ExecutionEvent]) -> None:
    """Every prefix of the events is a valid state, and what was done stays done unless the run is sent back.

    `events` are all that an execution had, from its first one on, over resets and continuations.
    """
    states = states_of(events)
    assert [state.version for state in states] == list(range(1, len(events) + 1))
    for state in states:
        _check(state)
    for (earlier, later), event in zip(pairwise(states), events[1:], strict=True):
        if not isinstance(event.data, RunReset):
            _check_progress(earlier, later)


def check_folding_on(events: Sequence[ExecutionEvent]) -> None:
    """Folding a first part and then the rest is folding all at once, wherever the first part ends and is looked at."""
    for cut, shown_on_the_way in enumerate(states_of(events), 1):
        at_once = RunFold()
        for event in events[:cut]:
            at_once.apply(event)
        assert at_once.shown("a") == shown_on_the_way


def _check(state: ExecutionState) -> None:
    assert ExecutionState.model_validate_json(state.model_dump_json()) == state
    nodes, metrics = state.node_executions, state.metrics
    statuses = [node.status for node in nodes]
    assert metrics.total_nodes == len(nodes) == len({node.id for node in nodes})
    assert metrics.completed_nodes == statuses.count(NodeStatus.COMPLETED)
    assert metrics.failed_nodes == statuses.count(NodeStatus.FAILED)
    assert metrics.skipped_nodes == statuses.count(NodeStatus.SKIPPED)
    for node in nodes:
        assert (node.completed_at is not None) == (node.status in {NodeStatus.COMPLETED, NodeStatus.FAILED})
        assert node.started_at is not None or node.status in {NodeStatus.PENDING, NodeStatus.SKIPPED}
        assert (node.output_data is not None) <= (node.status is NodeStatus.COMPLETED)
    if state.status.is_final:
        assert not UNFINISHED & set(statuses)
        assert not state.pending_approvals
    else:
        assert state.status is ExecutionStatus.RUNNING
    assert (state.completed_at is not None) == state.status.is_final
    assert (state.output_data is not None) == (state.status is ExecutionStatus.COMPLETED)
    assert (state.error_message is not None) == (state.status is ExecutionStatus.FAILED)


def _check_progress(earlier: ExecutionState, later: ExecutionState) -> None:
    assert not earlier.status.is_final
    before, after = earlier.metrics, later.metrics
    for count in ("total_nodes", "completed_nodes", "llm_calls", "llm_tokens", "tool_calls", "reused_steps"):
        assert getattr(before, count) <= getattr(after, count), count
    # Once a cost is not known it never is again; until then it only grows.
    if before.estimated_cost is None:
        assert after.estimated_cost is None
    elif after.estimated_cost is not None:
        assert before.estimated_cost <= after.estimated_cost
    now = {node.id: node for node in later.node_executions}
    for node in earlier.node_executions:
        assert node.id in now
        if node.status in FINISHED:
            assert now[node.id] == node
    assert later.decisions[: len(earlier.decisions)] == earlier.decisions
