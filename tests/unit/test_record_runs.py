"""Histories over several runs, and histories that this build cannot read."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.enums.v1 import WorkflowTaskFailedCause

from perdure.domain.changes import ChangeEventData
from perdure.domain.events import Event, EventUnreadable, ExecutionEvent, RunReset
from perdure.domain.executions import ExecutionStatus, NodeStatus
from perdure.domain.vocabulary import CHANGE_EVENTS, typed
from perdure.record.changes import after, fold_changes
from perdure.record.fold import RunFold, counting, fold
from perdure.record.mapping import Mapper, to_events
from perdure.record.prefixes import child_of, prefix_at
from tests.support.teams import NOW
from tests.unit.test_record import History, result

RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW


def one_run() -> History:
    history = History()
    history.start()
    for step_id in ("a", "b"):
        scheduled = history.schedule(step_id)
        history.take(scheduled)
        history.complete(scheduled, result(step_id))
    history.add("workflow_execution_terminated", reason="reset")
    return history


def reset_after_a() -> tuple[list[ExecutionEvent], list[ExecutionEvent]]:
    """The events of a run, and of the one that an operator made of it by going back to where `a` was done."""
    base = one_run()
    mapper = Mapper("run1")
    first = mapper.add(base.recorded)
    again = History()
    again.recorded = base.recorded[:5]
    again.add("workflow_task_failed", cause=RESET, base_run_id="run1", new_run_id="run2")
    scheduled = again.schedule("b")
    again.take(scheduled)
    mapper.next_run("run2")
    mapper.copied(again.recorded[:5])
    return first, mapper.add(again.recorded[5:])


def test_a_reset_goes_on_with_the_versions_and_says_what_still_counts() -> None:
    first, then = reset_after_a()
    assert [event.version for event in first + then] == list(range(1, len(first) + len(then) + 1))
    reset = then[0]
    assert isinstance(reset.data, RunReset)
    assert reset.data.to_version == 4
    assert {event.run_id for event in first} == {"run1"}
    assert {event.run_id for event in then} == {"run2"}
    assert fold(first).status is ExecutionStatus.FAILED
    assert [node.status for node in fold([*first, reset]).ledger.nodes] == [NodeStatus.COMPLETED, NodeStatus.PENDING]
    state = fold([*first, *then])
    assert state.status is ExecutionStatus.RUNNING
    assert [node.status for node in state.ledger.nodes] == [NodeStatus.COMPLETED, NodeStatus.RUNNING]
    assert [event.version for event in counting([*first, *then])] == [
        1,
        2,
        3,
        4,
        *(event.version for event in then[1:]),
    ]


def test_a_continued_run_goes_on_with_its_versions_and_steps() -> None:
    begun = History()
    begun.start()
    begun.complete(begun.schedule("a"), result("a"))
    begun.add("workflow_execution_continued_as_new", new_execution_run_id="run2")
    following = History()
    following.start()
    following.complete(following.schedule("b"), result("b"))
    mapper = Mapper("run1")
    events = mapper.add(begun.recorded)
    mapper.next_run("run2")
    events += mapper.add(following.recorded)
    assert [event.data.type for event in events] == [
        "ExecutionStarted",
        "StepScheduled",
        "StepCompleted",
        "ExecutionContinued",
        "StepScheduled",
        "StepCompleted",
    ]
    assert [event.version for event in events] == [1, 2, 3, 4, 5, 6]
    assert {node.status for node in fold(events).ledger.nodes} == {NodeStatus.COMPLETED}


def test_what_a_newer_build_wrote_is_told_as_unreadable_and_its_end_too() -> None:
    history = History()
    history.start()
    scheduled = history.add("activity_task_scheduled", values=({"from": "the future"},), activity_id="x")
    history.add("activity_task_completed", values=({"more": "of it"},), scheduled_event_id=scheduled)
    assert [event.data for event in history.events][1:] == [
        EventUnreadable(history_event_type="ACTIVITY_TASK_SCHEDULED"),
        EventUnreadable(history_event_type="ACTIVITY_TASK_COMPLETED"),
    ]
    assert fold(history.events).status is ExecutionStatus.RUNNING


@given(cut=st.integers(0, 20))
def test_folding_goes_on_from_any_prefix(cut: int) -> None:
    first, then = reset_after_a()
    events = [*first, *then]
    folded = RunFold()
    for event in events[:cut]:
        folded.apply(event)
    for event in events[cut:]:
        shown = folded.shown("x")
        assert shown is None or shown.version == event.version - 1
        folded.apply(event)
    again = RunFold()
    for event in events:
        again.apply(event)
    assert folded.shown("x") == again.shown("x")


def test_events_are_read_back_from_their_envelopes() -> None:
    for event in to_events(one_run().recorded, "run"):
        assert ExecutionEvent.of(event.to_event("x", 7)) == event


BASE = {"id": "kb", "name": "Ships"}
CHANGES: dict[str, dict[str, object]] = {
    "FlowCreated": {"flow": {"name": "A"}, "changed": ["name"]},
    "FlowUpdated": {"flow": {"name": "B"}, "changed": ["name"]},
    "FlowDeleted": {"flow": {"name": "B"}, "changed": []},
    "KnowledgeBaseCreated": {"knowledgebase": BASE},
    "KnowledgeBaseUpdated": {"knowledgebase": BASE, "changed": ["name"]},
    "DocumentAdded": {"knowledgebase": BASE, "document": {"id": "d", "status": "pending"}},
    "DocumentReady": {"knowledgebase": BASE, "document": {"id": "d", "status": "ready"}},
    "DocumentFailed": {"knowledgebase": BASE, "document": {"id": "d", "status": "failed"}},
    "DocumentDeleted": {"knowledgebase": BASE, "document": {"id": "d", "status": "ready"}},
    "KnowledgeBaseDeleted": {"knowledgebase": BASE},
    "ReindexStarted": {"knowledgebase": BASE, "reindex": {"status": "x"}},
    "ReindexCompleted": {"knowledgebase": BASE, "reindex": {"status": "x"}},
    "ReindexFailed": {"knowledgebase": BASE, "reindex": {"status": "x"}},
    "ReindexCancelled": {"knowledgebase": BASE, "reindex": {"status": "x"}},
    "SessionCreated": {"session_id": "s", "chatflow_id": "f"},
    "SessionMemoryChanged": {"session_id": "s", "memory_config": {"type": "buffer"}},
    "SessionSummarized": {"session_id": "s", "upto": 4, "summary": "x", "model": "m", "execution_id": "e"},
    "SessionCleared": {"session_id": "s", "messages": 2},
    "SessionDeleted": {"session_id": "s", "messages": 0},
    "UserCreated": {"email": "a@example.org"},
    "PasswordSet": {},
    "ApiKeyCreated": {"api_key_id": "k", "name": "ci"},
    "ApiKeyDeleted": {"api_key_id": "k"},
    "UserDeactivated": {},
    "UserActivated": {},
}


def aggregate_of(event_type: str) -> str:
    """By the words of the event's name; a type that is not known is a flow's."""
    prefixes = {
        "KnowledgeBase": "KnowledgeBase",
        "Document": "KnowledgeBase",
        "Reindex": "KnowledgeBase",
        "Session": "Session",
        "User": "User",
        "Password": "User",
        "ApiKey": "User",
    }
    return next((aggregate for word, aggregate in prefixes.items() if event_type.startswith(word)), "Flow")


def change(event_type: str, version: int) -> Event:
    return Event.model_validate(
        {
            "aggregate_id": "x",
            "aggregate_type": aggregate_of(event_type),
            "event_type": event_type,
            "event_data": CHANGES.get(event_type, {}),
            "user_id": 1,
            "metadata": {},
            "timestamp": NOW,
            "version": version,
        }
    )


def test_the_changes_here_are_the_whole_vocabulary() -> None:
    assert set(CHANGES) >= set(CHANGE_EVENTS)
    assert len(CHANGE_EVENTS) == len(get_args(get_args(ChangeEventData)[0]))


@pytest.mark.parametrize("event_type", sorted(CHANGES))
def test_each_change_round_trips(event_type: str) -> None:
    event = change(event_type, 1)
    told = typed(event)
    assert told is not None
    given_back = told.model_dump(mode="json", exclude={"type"}, exclude_unset=True)
    assert given_back == event.event_data
    assert fold_changes([event]).version == 1


@pytest.mark.parametrize("aggregate", ["Flow", "KnowledgeBase", "Session", "User"])
def test_changes_fold_one_by_one_as_all_at_once_and_any_prefix_is_a_state(aggregate: str) -> None:
    names = [name for name in CHANGES if aggregate_of(name) == aggregate]
    events = [change(name, version) for version, name in enumerate(names, 1)]
    state = None
    for upto, event in enumerate(events, 1):
        state = after(state, event)
        assert state == fold_changes(events[:upto])
        assert state.version == upto


def test_a_change_of_no_known_type_leaves_the_state_as_it_was() -> None:
    flow = change("FlowCreated", 1)
    other = flow.model_copy(update={"event_type": "FlowPainted", "version": 2})
    state = fold_changes([flow, other])
    assert (state.version, getattr(state, "flow", None)) == (2, {"name": "A"})


def test_an_instant_takes_the_events_before_the_first_later_one() -> None:
    early, late = NOW, NOW.replace(year=NOW.year + 1)
    assert prefix_at([early, late, early], early) == 1
    assert prefix_at([early, early], late) == 2
    assert prefix_at([late], early) == 0


def test_a_step_that_calls_a_flow_names_its_run() -> None:
    assert child_of({"node_type": "flow", "input": {"execution_id": "e"}}) == "e"
    assert child_of({"node_type": "tool", "input": {"execution_id": "e"}}) is None
