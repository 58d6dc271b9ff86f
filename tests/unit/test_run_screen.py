"""What a run looks like on a terminal and in a pipe."""

import io
from datetime import UTC, datetime

from pydantic import JsonValue
from rich.console import Console

from perdure.cli.run_screen import RunScreen
from perdure.client import AttemptFailed, StepStarted, Token, Update
from perdure.domain.events import Event


def event(kind: str, **data: JsonValue) -> Event:
    return Event(
        aggregate_id="e",
        aggregate_type="Execution",
        event_type=kind,
        event_data=data,
        user_id=1,
        metadata={},
        timestamp=datetime(2026, 11, 25, tzinfo=UTC),
        version=1,
    )


def scheduled(step: str, *, node_type: str = "agent") -> Event:
    return event("StepScheduled", step_id=step, node_label=step.upper(), node_type=node_type)


def completed(step: str, text: str) -> Event:
    return event("StepCompleted", step_id=step, text=text)


def token(step: str, text: str, *, attempt: int = 1) -> Token:
    return Token(node_id=step, attempt=attempt, index=0, text=text)


def printed(*happened: Event | Token | StepStarted | AttemptFailed, terminal: bool) -> list[str]:
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=terminal, color_system=None, highlight=False)
    shown = RunScreen(console)
    for each in happened:
        shown.show(Update("1", each))
    shown.close()
    return screen.getvalue().splitlines()


PARALLEL = (
    scheduled("a"),
    scheduled("b"),
    token("a", "one"),
    token("b", "eins"),
    token("a", " two"),
    completed("b", "eins"),
    completed("a", "one two"),
)


def test_steps_at_once_are_shown_one_after_another() -> None:
    assert printed(*PARALLEL, terminal=True) == ["A one two", "B eins"]
    assert printed(*PARALLEL, terminal=False) == ["B eins", "A one two"]


def test_a_step_that_writes_on_when_another_is_over_is_shown_from_its_first_word() -> None:
    happened = (*PARALLEL[:5], completed("a", "one two"), token("b", " zwei"), completed("b", "eins zwei"))
    assert printed(*happened, terminal=True) == ["A one two", "B eins zwei"]


def test_an_attempt_that_begins_again_says_so() -> None:
    happened = (
        scheduled("a"),
        StepStarted(node_id="a", attempt=1),
        token("a", "lost"),
        AttemptFailed(node_id="a", attempt=1, error="It broke."),
        StepStarted(node_id="a", attempt=2),
        token("a", "found", attempt=2),
        completed("a", "found"),
    )
    assert printed(*happened, terminal=True) == [
        "A lost",
        "A: attempt 1 failed. It broke.",
        "A begins again (attempt 2)",
        "A found",
    ]


def test_words_that_were_missed_come_with_the_step_s_end() -> None:
    assert printed(scheduled("a"), token("a", "one"), completed("a", "one two"), terminal=True) == [
        "A one",
        "A one two",
    ]


def test_a_model_can_neither_colour_nor_steer_the_terminal() -> None:
    said = "[red]x[/red] \x1b[2J\x9b2J\r\x07"
    for terminal in (True, False):
        assert printed(scheduled("a"), token("a", said), completed("a", said), terminal=terminal) == [
            "A [red]x[/red] [2J2J"
        ]


def test_tools_failures_and_approvals_are_told() -> None:
    happened = (
        scheduled("t", node_type="tool"),
        completed("t", "y" * 300),
        scheduled("a"),
        event("ApprovalRequested", title="A calls t", approval_id="a/1"),
        event("StepFailed", step_id="a", error="No."),
        event("SomethingNew"),
        event("StepReused", step_id="r", node_label="R"),
    )
    tool, approval, failure, reused = printed(*happened, terminal=False)
    assert tool == f"T {'y' * 200} …"
    assert (approval, failure) == ("Waits for an approval: A calls t (a/1)", "A failed. No.")
    assert reused == "R (of the run before)"
