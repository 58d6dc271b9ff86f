"""What a fork reuses, by the run's events alone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from perdure.domain.events import (
    ApprovalClosed,
    ApprovalRequested,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionEventData,
    ExecutionFailed,
    ExecutionStarted,
    StepCompleted,
    StepFailed,
    StepReused,
    StepScheduled,
)
from perdure.domain.forks import PrefixStep
from perdure.record.diff import compare
from perdure.record.forking import Cut, past_steps, prefix_of, to_retry
from tests.support.teams import ID

NOW = datetime(2026, 11, 25, tzinfo=UTC)
STARTED = ExecutionStarted(
    flow_id="f", flow_type="agentflow", flow_name="Team", flow_version=1, input_data={}, session_id=None, nodes=[]
)


def run(*data: ExecutionEventData) -> list[ExecutionEvent]:
    return [
        ExecutionEvent(
            version=version,
            timestamp=NOW + timedelta(seconds=version),
            run_id="r",
            history_event_id=version,
            data=each,
        )
        for version, each in enumerate((STARTED, *data), 1)
    ]


def begins(step_id: str, *, node: str | None = None, kind: str = "agent", **told: JsonValue) -> StepScheduled:
    return StepScheduled(step_id=step_id, node_id=node or step_id, node_type=kind, node_label="A", input=told)


def ends(step_id: str, text: str = "done", *, calls: Sequence[str] = (), is_error: bool | None = None) -> StepCompleted:
    asked: list[JsonValue] = [{"id": name, "name": name, "arguments": {}} for name in calls]
    return StepCompleted(
        step_id=step_id,
        attempt=1,
        text=text,
        model="m" if is_error is None else None,
        input_tokens=3,
        output_tokens=4,
        tool_calls=asked or None,
        is_error=is_error,
        finished_at=NOW,
    )


def fails(step_id: str) -> StepFailed:
    return StepFailed(step_id=step_id, attempt=1, error="no", kind=None, reason="x")


def reused(
    events: list[ExecutionEvent], cut: Cut, edits: dict[str, str] | None = None, **more: frozenset[str]
) -> list[str]:
    return [each.step_id for each in prefix_of(events, cut, edits=edits or {}, **more)]


def test_what_is_in_flight_at_the_cut_is_no_part_of_the_prefix() -> None:
    events = run(begins("a"), begins("b"), ends("b"), ends("a"), begins("c"))
    assert reused(events, Cut(1, 1)) == []
    assert reused(events, Cut(4, 4)) == ["b"]
    assert reused(events, Cut(5, 6)) == ["b", "a"]


def test_a_failure_is_reused_where_the_run_went_on_and_its_agent_is_the_same() -> None:
    events = run(begins("a"), fails("a"), begins("b"))
    assert reused(events, Cut(3, 3)) == []
    assert prefix_of(events, Cut(3, 4), edits={}) == [PrefixStep(step_id="a", kind="model", error="no")]
    assert reused(events, Cut(3, 4), changed=frozenset({"a"})) == []


def test_an_edit_ends_the_talk_that_had_asked_for_tools() -> None:
    tool = begins("a/1-t", node="a", kind="tool")
    events = run(
        begins("b"),
        ends("b"),
        begins("a"),
        ends("a", calls=["t"]),
        tool,
        ends("a/1-t", is_error=False),
        begins("a:2", node="a"),
        ends("a:2"),
    )
    end = Cut(len(events), len(events))
    assert reused(events, end) == ["b", "a", "a/1-t", "a:2"]
    assert reused(events, end, {"a": "mine"}) == ["b", "a"]
    assert reused(events, end, {"a:2": "mine"}) == ["b", "a", "a/1-t", "a:2"]


def test_a_refusal_stands_once_the_model_was_told() -> None:
    events = run(begins("a"), ends("a", calls=["t"]), begins("a:2", node="a"))
    refused = frozenset({"a/1-t:refused"})
    assert reused(events, Cut(3, 3), refused=refused) == ["a"]
    assert reused(events, Cut(3, 4), refused=refused) == ["a", "a/1-t:refused"]


def test_an_edited_task_goes_with_the_step_that_it_was_for() -> None:
    asked = ApprovalRequested(
        approval_id="agent:1:a",
        kind="agent",
        node_id="a",
        title="A begins",
        arguments={"task": "Go."},
        revision="1",
        approvers=[],
        quorum=1,
        deadline=None,
        default_decision="reject",
    )
    decided = ApprovalClosed(
        approval_id="agent:1:a",
        decision="approve",
        arguments={"task": "Go slowly."},
        revision="2",
        approved_by=[],
        decided_by=[],
        comment=None,
        decided_at=None,
    )
    (entry,) = prefix_of(run(asked, decided, begins("a"), ends("a")), Cut(5, 5), edits={})
    assert entry.approved_task == "Go slowly."


def test_a_reused_step_is_one_like_any_other() -> None:
    taken = StepReused(
        step_id="a",
        node_id="a",
        node_type="supervisor",
        node_label="A",
        input={"form": ["choice"]},
        from_execution_id="x",
        edited=False,
        output={"text": "t", "tool_calls": [{"name": "t"}]},
        error=None,
    )
    step = past_steps(run(taken))["a"]
    assert (step.completed, step.text, step.form, len(step.tool_calls)) == (2, "t", ("choice",), 1)


def test_a_retry_does_anew_what_failed_with_the_run() -> None:
    events = run(
        begins("b"),
        ends("b"),
        begins("a"),
        fails("a"),
        begins("a:2", node="a"),
        fails("a:2"),
        ExecutionFailed(error="no"),
    )
    cut, without = to_retry(events)
    assert (cut.step, without) == ("a:2", {"a", "a:2"})
    assert reused(events, cut, without=without) == ["b"]


def test_a_retry_asks_again_for_an_answer_of_no_use() -> None:
    failed = ExecutionFailed(error="no")
    assert to_retry(run(begins("a"), ends("a"), failed))[1] == {"a"}
    assert to_retry(run(begins("a"), ends("a", calls=["t"]), failed))[1] == set()
    assert to_retry(run(begins("r", kind="tool"), ends("r", is_error=True), failed))[1] == {"r"}
    assert to_retry(run(failed))[1] == set()


def test_a_diff_names_the_first_step_that_is_not_the_same() -> None:
    a = run(
        begins("a"), ends("a"), begins("b"), ends("b", "left\nsame"), ExecutionCompleted(output_data={"response": "x"})
    )
    b = run(begins("a"), ends("a"), begins("b"), ends("b", "right\nsame"), begins("c"))
    found = compare(ID, a, ID, b)
    assert found.first_difference == "b"
    assert [(step.step_id, step.same) for step in found.steps] == [("a", True), ("b", False), ("c", False)]
    assert "-left\n+right\n same" in (found.steps[1].output_diff or "")
    assert found.steps[2].a is None
    assert (found.tokens, found.duration_ms, found.same) == (0, None, False)
    same = compare(ID, a, ID, a)
    assert (same.same, same.first_difference, same.output_diff, same.duration_ms) == (True, None, None, 0)


def test_a_diff_of_long_texts_is_short() -> None:
    texts = ["\n".join(f"{word} {n} " + "x" * 1000 for n in range(5000)) for word in ("left", "right")]
    a, b = (run(begins("a"), ends("a", text)) for text in texts)
    shown = compare(ID, a, ID, b).steps[0].output_diff or ""
    assert len(shown) < 50_000
    assert shown.endswith("…")
