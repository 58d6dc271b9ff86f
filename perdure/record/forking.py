"""A run's events → what a fork of it need not do again.

The rule is the cut: what was complete at that version is reused, whatever its inputs would be by now; what was in
flight, or came later, is done. A failure that the run had gone on from counts as complete.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pydantic import JsonValue

from perdure.domain.events import (
    FLOW,
    TOOL,
    ApprovalClosed,
    ApprovalRequested,
    ExecutionEvent,
    ExecutionFailed,
    StepCompleted,
    StepFailed,
    StepReused,
    StepScheduled,
)
from perdure.domain.forks import PrefixStep, StepKind
from perdure.domain.tools import refusal_id


def up_to(events: Sequence[ExecutionEvent], version: int) -> list[ExecutionEvent]:
    """The events up to and including a version. Those of a run that was reset have holes: places are no versions."""
    return [event for event in events if event.version <= version]


def since(events: Sequence[ExecutionEvent], version: int) -> list[ExecutionEvent]:
    """The events after a version."""
    return [event for event in events if event.version > version]


@dataclass(frozen=True)
class Cut:
    """Where the fork parts: what is complete at `version` is reused; a failure, where a step up to `heard` followed."""

    version: int
    heard: int
    step: str | None = None
    """The first step that is done anew, where the cut is named by it."""


@dataclass(frozen=True)
class PastStep:
    """One step of the run, as far as its events tell. Versions, 0 for never."""

    step_id: str
    node_id: str
    node_label: str
    kind: StepKind
    scheduled: int
    form: tuple[str, ...] = ()
    completed: int = 0
    finished_at: datetime | None = None
    failed: int = 0
    error: str | None = None
    text: str = ""
    tool_calls: tuple[JsonValue, ...] = ()
    is_error: bool = False
    task: str | None = None
    """As people had edited it before the step began."""


@dataclass
class _Reading:
    steps: dict[str, PastStep] = field(default_factory=dict[str, PastStep])
    requested: dict[str, ApprovalRequested] = field(default_factory=dict[str, ApprovalRequested])
    tasks: dict[str, str] = field(default_factory=dict[str, str])
    """Edited tasks by node, until its next step begins."""


def past_steps(events: Sequence[ExecutionEvent]) -> dict[str, PastStep]:
    """The steps of a run by id, in the order they began; of one that was done again, the last time."""
    reading = _Reading()
    for event in events:
        _read(reading, event)
    return reading.steps


def _read(reading: _Reading, event: ExecutionEvent) -> None:
    match event.data:
        case StepScheduled() | StepReused():
            _begin(reading, event.data, event.version)
        case StepCompleted() as done if done.step_id in reading.steps:
            reading.steps[done.step_id] = replace(
                reading.steps[done.step_id],
                completed=event.version,
                finished_at=done.finished_at,
                text=done.text,
                tool_calls=tuple(done.tool_calls or ()),
                is_error=bool(done.is_error),
            )
        case StepFailed() as failed if failed.step_id in reading.steps:
            reading.steps[failed.step_id] = replace(
                reading.steps[failed.step_id], failed=event.version, error=failed.error
            )
        case ApprovalRequested() as asked:
            reading.requested[asked.approval_id] = asked
        case ApprovalClosed() as closed:
            _note_task(reading, closed)
        case _:
            pass


def _note_task(reading: _Reading, closed: ApprovalClosed) -> None:
    asked = reading.requested.get(closed.approval_id)
    task = closed.arguments.get("task")
    is_edited = asked is not None and task != asked.arguments.get("task") and closed.decision != "reject"
    if asked is not None and asked.kind == "agent" and is_edited and isinstance(task, str):
        reading.tasks[asked.node_id] = task


def _begin(reading: _Reading, asked: StepScheduled | StepReused, version: int) -> None:
    form = asked.input.get("form")
    kinds: Mapping[str, StepKind] = {TOOL: "tool", FLOW: "words"}
    kind: StepKind = "words" if asked.step_id.endswith(refusal_id("")) else kinds.get(asked.node_type, "model")
    step = PastStep(
        step_id=asked.step_id,
        node_id=asked.node_id,
        node_label=asked.node_label,
        kind=kind,
        scheduled=version,
        form=tuple(str(each) for each in form) if isinstance(form, list) else (),
        task=reading.tasks.pop(asked.node_id, None) if kind == "model" else None,
    )
    if isinstance(asked, StepReused):
        output = asked.output or {}
        calls = output.get("tool_calls")
        step = replace(
            step,
            completed=version if asked.output is not None else 0,
            failed=version if asked.error is not None else 0,
            error=asked.error,
            text=str(output.get("text", "")),
            tool_calls=tuple(calls) if isinstance(calls, list) else (),
            is_error=bool(output.get("is_error")),
        )
    reading.steps.pop(asked.step_id, None)
    reading.steps[asked.step_id] = step


def prefix_of(
    events: Sequence[ExecutionEvent],
    cut: Cut,
    *,
    edits: Mapping[str, str],
    refused: Container[str] = (),
    changed: Container[str] = (),
    without: Container[str] = (),
) -> list[PrefixStep]:
    """What a fork with this cut reuses, in the order in which it was complete. `edits` by id of step, cut or not.

    Args:
        events: the run's, from its first to at least the cut.
        cut: where the two part.
        edits: outputs to put in the place of the run's own, as texts.
        refused: tool calls that were refused, by the id that this is kept under.
        changed: agents that are not what they were: a failure of their model is not taken over.
        without: steps that are done anew although they are before the cut.
    """
    steps = past_steps(up_to(events, cut.heard))
    everything = past_steps(events)
    begun = [step.scheduled for step in steps.values()]
    ended = _ended_talks(steps, edits)
    kept: list[tuple[int, PrefixStep]] = []
    for step in steps.values():
        if step.step_id in without or step.step_id in edits or _is_of(step, ended):
            continue
        entry = PrefixStep(step_id=step.step_id, kind=step.kind, form=step.form, approved_task=step.task)
        heard = step.failed and any(other > step.failed for other in begun)
        if 0 < step.completed <= cut.version:
            kept.append((step.completed, entry.model_copy(update={"error": step.error})))
        elif heard and step.failed <= cut.version and not (step.kind == "model" and step.node_id in changed):
            kept.append((step.failed, entry.model_copy(update={"error": step.error})))
    ids = {entry.step_id for _, entry in kept}
    for step in steps.values():
        kept += [(step.completed, each) for each in _refusals(step, steps, ids, refused)]
    kept.sort(key=lambda each: each[0])
    edited = [
        PrefixStep(step_id=step_id, kind=step.kind, form=step.form, output=edits[step_id], edited=True)
        for step_id, step in everything.items()
        if step_id in edits
    ]
    return [*(entry for _, entry in kept), *edited]


def _ended_talks(steps: Mapping[str, PastStep], edits: Mapping[str, str]) -> dict[str, int]:
    """Agents whose talk an edit ends where they had asked for tools, and since when."""
    asking = [step for step in steps.values() if step.step_id in edits and step.kind == "model" and step.tool_calls]
    return {step.node_id: step.scheduled for step in reversed(asking)}


def _is_of(step: PastStep, ended: Mapping[str, int]) -> bool:
    return step.node_id in ended and step.scheduled > ended[step.node_id]


def _refusals(
    step: PastStep, steps: Mapping[str, PastStep], kept: Container[str], refused: Container[str]
) -> list[PrefixStep]:
    """Tool calls of a model call that were refused, where the model has been told so."""
    if step.kind != "model" or step.step_id not in kept or not step.tool_calls:
        return []
    told = any(
        other.kind == "model" and other.node_id == step.node_id and other.scheduled > step.completed
        for other in steps.values()
    )
    if not told:
        return []
    return [
        PrefixStep(step_id=refusal_id(call), kind="words")
        for call in called_by(step)
        if refusal_id(call) in refused and refusal_id(call) not in kept
    ]


def called_by(step: PastStep) -> list[str]:
    """The ids that the tool calls of a model call have."""
    return [
        f"{step.step_id}/{number}-{call.get('name')}"[:255]
        for number, call in enumerate(step.tool_calls, 1)
        if isinstance(call, dict)
    ]


def to_retry(events: Sequence[ExecutionEvent]) -> tuple[Cut, frozenset[str]]:
    """Where a run that came to no good end goes on, and which of its steps are done anew all the same.

    What failed with the run is done anew: failures that nothing followed, with those of the same agent since its last
    answer. Where no step had failed, the last answer was one that the run could not use, and is asked for again.
    """
    steps = past_steps(events)
    begun = max((step.scheduled for step in steps.values()), default=0)
    models = [step for step in steps.values() if step.kind == "model"]
    last = max((step for step in models if step.failed > begun), key=lambda step: step.failed, default=None)
    again: set[str] = set()
    if last is not None:
        answered = max((step.completed for step in models if step.node_id == last.node_id), default=0)
        again = {step.step_id for step in models if step.node_id == last.node_id and step.failed > answered}
    elif events and isinstance(events[-1].data, ExecutionFailed):
        again = _unusable(events, steps)
    named = last.step_id if last else min(again, default=None)
    end = events[-1].version if events else 0
    return Cut(version=end, heard=end, step=named), frozenset(again)


def _unusable(events: Sequence[ExecutionEvent], steps: Mapping[str, PastStep]) -> set[str]:
    latest = max(steps.values(), key=lambda step: step.completed, default=None)
    if latest is None or not latest.completed:
        return set()
    rejected = any(
        isinstance(event.data, ApprovalClosed) and event.data.decision == "reject"
        for event in since(events, latest.completed)
    )
    is_bad = latest.is_error if latest.kind == "tool" else latest.kind == "model" and not latest.tool_calls
    return {latest.step_id} if is_bad and not rejected else set()
