"""What holds of every event and of every run's events, whatever they say."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from perdure.domain.events import (
    Event,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionEventData,
    ExecutionFailed,
    ExecutionStarted,
    PlannedNode,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepScheduled,
    StepStarted,
)
from perdure.domain.executions import FINAL_STATUSES, ExecutionStatus, NodeStatus
from perdure.domain.vocabulary import CHANGE_EVENTS, EXECUTION_EVENTS, event_schema, typed
from perdure.record.fold import RunFold, fold
from tests.support.generated import instances

AT = datetime(2026, 11, 26, tzinfo=UTC)
SCHEMA = Draft202012Validator(event_schema())
MEMBERS: list[type[BaseModel]] = [*EXECUTION_EVENTS.values(), *CHANGE_EVENTS.values()]
ONCE = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])


def _envelope(data: BaseModel) -> Event:
    return Event(
        aggregate_id="a",
        aggregate_type=getattr(data, "aggregate_type", "Execution"),
        event_type=str(getattr(data, "type")),  # noqa: B009 - every member has one; their common type does not say so
        event_data=data.model_dump(mode="json", exclude={"type"}),
        user_id=7,
        metadata={"run_id": "r", "history_event_id": 5},
        timestamp=AT,
        version=1,
    )


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.__name__)
def test_every_event_survives_its_way_to_a_client_and_back(member: type[BaseModel]) -> None:
    @ONCE
    @given(instances(member))
    def holds(data: BaseModel) -> None:
        sent = _envelope(data).model_dump_json()
        received = Event.model_validate_json(sent)
        assert SCHEMA.is_valid(received.model_dump(mode="json"))  # pyright: ignore[reportUnknownMemberType] - its own types are partial
        assert typed(received) == data
        assert received.model_dump_json() == sent

    holds()


STEPS = ("one", "two", "one/1-tool")


@st.composite
def histories(draw: st.DrawFn) -> list[ExecutionEvent]:
    """The events of a run: it starts, steps come and go in any order that is possible, and it may end."""
    started = ExecutionStarted(
        flow_id="f",
        flow_type="agentflow",
        flow_name="F",
        flow_version=1,
        input_data={},
        session_id=None,
        nodes=[PlannedNode(node_id=name, node_type="agent", node_label=name) for name in STEPS[:2]],
    )
    said: list[ExecutionEventData] = [started]
    is_open: set[str] = set()
    for step_id in draw(st.lists(st.sampled_from(STEPS), max_size=12)):
        if step_id not in is_open:
            kind = "tool" if "/" in step_id else "agent"
            said.append(StepScheduled(step_id=step_id, node_id=step_id, node_type=kind, node_label=step_id, input={}))
            is_open.add(step_id)
            continue
        attempt = draw(st.integers(1, 4))
        said.append(StepStarted(step_id=step_id, attempt=attempt, last_error=None, worker="w"))
        said.append(draw(_ends(step_id, attempt)))
        is_open.discard(step_id)
    ending = draw(
        st.sampled_from([None, ExecutionCompleted(output_data={}), ExecutionFailed(error="x"), ExecutionCancelled()])
    )
    if ending is not None:
        said.append(ending)
    return [
        ExecutionEvent(
            version=number, timestamp=AT + timedelta(seconds=number), run_id="r", history_event_id=number, data=data
        )
        for number, data in enumerate(said, 1)
    ]


def _ends(step_id: str, attempt: int) -> st.SearchStrategy[ExecutionEventData]:
    is_tool = "/" in step_id
    completed = st.builds(
        StepCompleted,
        step_id=st.just(step_id),
        attempt=st.just(attempt),
        text=st.just("x"),
        model=st.just(None if is_tool else "openai:gpt"),
        input_tokens=st.none() if is_tool else st.integers(0, 9),
        output_tokens=st.none() if is_tool else st.integers(0, 9),
        cost_usd=st.none() if is_tool else st.none() | st.floats(0, 1),
        finished_at=st.just(AT),
    )
    failed = StepFailed(step_id=step_id, attempt=attempt, error="no", kind="server", reason="MAXIMUM_ATTEMPTS_REACHED")
    return completed | st.just(failed) | st.just(StepCancelled(step_id=step_id))


def _check_state(events: Sequence[ExecutionEvent]) -> None:
    state = fold(events)
    metrics = state.ledger.metrics(started_at=AT, until=state.ended_at)
    statuses = [node.status for node in state.ledger.nodes]
    assert metrics.total_nodes == len(statuses) == len({node.id for node in state.ledger.nodes})
    assert metrics.completed_nodes == statuses.count(NodeStatus.COMPLETED)
    for node in state.ledger.nodes:
        ended = node.status in {NodeStatus.COMPLETED, NodeStatus.FAILED}
        assert (node.completed_at is not None) == ended
        assert node.started_at is not None or node.status in {NodeStatus.PENDING, NodeStatus.SKIPPED}
    if state.status in FINAL_STATUSES:
        assert not {NodeStatus.RUNNING, NodeStatus.PENDING} & set(statuses)
        assert (state.ended_at is not None, state.error_message is not None) == (
            True,
            state.status is ExecutionStatus.FAILED,
        )
    else:
        assert (state.status, state.ended_at) == (ExecutionStatus.RUNNING, None)


@given(histories())
@settings(deadline=None, max_examples=150)
def test_every_prefix_of_a_run_is_a_valid_state(events: list[ExecutionEvent]) -> None:
    for cut in range(1, len(events) + 1):
        _check_state(events[:cut])


@given(histories())
@settings(deadline=None, max_examples=100)
def test_counts_and_costs_never_fall(events: list[ExecutionEvent]) -> None:
    seen: list[tuple[int, int, int]] = []
    cost: float | None = 0.0
    for cut in range(1, len(events) + 1):
        metrics = fold(events[:cut]).ledger.metrics(started_at=AT, until=None)
        seen.append((metrics.llm_calls, metrics.llm_tokens, metrics.tool_calls))
        # Once a cost is not known it never is again; until then it only grows.
        if cost is None:
            assert metrics.estimated_cost is None
        elif metrics.estimated_cost is not None:
            assert metrics.estimated_cost >= cost
        cost = metrics.estimated_cost
    assert all(earlier[place] <= later[place] for earlier, later in pairwise(seen) for place in range(3))


@given(histories(), st.data())
@settings(deadline=None, max_examples=100)
def test_folding_on_is_folding_from_the_beginning(events: list[ExecutionEvent], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(events)))
    folded = RunFold()
    for event in events[:cut]:
        folded.apply(event)
    halfway = folded.shown("a")
    for event in events[cut:]:
        folded.apply(event)
    whole = RunFold()
    for event in events:
        whole.apply(event)
    assert folded.shown("a") == whole.shown("a")
    assert halfway is not None
    assert halfway.version == cut
