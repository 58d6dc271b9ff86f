"""What the fold of a history's events says, against what the workflow itself held at the same point."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.contrib.pydantic import pydantic_data_converter

from perdure.domain.executions import Metrics, NodeExecution, NodeStatus
from perdure.domain.states import ExecutionState, RunProgress
from perdure.record.fold import RunFold
from perdure.record.mapping import Mapper
from perdure.temporal.history import decode
from tests.replay.record import HISTORIES
from tests.replay.test_golden_histories import ENDINGS, load
from tests.support.witness import hear

FILES = [HISTORIES / f"{name}.json" for name in sorted(ENDINGS)]

TIMES = {"started_at", "completed_at", "duration_ms"}
"""Left out: the workflow's clock is the beginning of its tasks, history has the moment of each event."""

WORDING = {"question", "after"}
"""Of a step's input, left out: how the build that ran it worded and shortened it. Today's may do so otherwise."""

UPDATES = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
}

Told = dict[str, object]


def told_of_parts(progress: RunProgress) -> Told:
    """Each step by its id, each approval that is pending by its own, and what the memory held."""
    steps: Told = {f"step {node.id}": _step(node) for node in progress.node_executions}
    approvals: Told = {f"approval {each.approval_id}": each for each in progress.pending_approvals}
    return {**steps, **approvals, "memory": progress.memory}


def _step(node: NodeExecution) -> dict[str, object]:
    told = {name: value for name, value in (node.input_data or {}).items() if name not in WORDING}
    return {**node.model_dump(exclude=TIMES), "input_data": told}


def whole(progress: RunProgress) -> dict[str, object]:
    """All that both sides know: parts and their order, choices, calls, tokens and cost so far."""
    return {
        "steps": [_step(node) for node in progress.node_executions],
        "approvals": progress.pending_approvals,
        "choices": progress.decisions,
        "memory": progress.memory,
        "metrics": progress.metrics.model_dump(exclude={"total_duration_ms"}),
    }


def counts(metrics: Metrics) -> tuple[int, int, int, int]:
    return metrics.llm_calls, metrics.llm_tokens, metrics.tool_calls, metrics.reused_steps


def settled_cuts(history: Sequence[HistoryEvent]) -> Iterator[tuple[int, int]]:
    """Of each workflow task: the id of its start, and that of the last event that it wrote itself.

    There history holds all that the workflow has decided, and nothing that it has not been told.
    """
    for index, event in enumerate(history):
        if event.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            continue
        last = index
        while last + 1 < len(history) and _is_written_by(history[last + 1], event.event_id):
            last += 1
        yield event.workflow_task_completed_event_attributes.started_event_id, history[last].event_id


def _is_written_by(event: HistoryEvent, task: int) -> bool:
    attributes = getattr(event, event.WhichOneof("attributes") or "")
    return event.event_type in UPDATES or getattr(attributes, "workflow_task_completed_event_id", None) == task


async def states_at_every_cut(history: Sequence[HistoryEvent]) -> dict[int, ExecutionState]:
    """The folded state after each history event, by its id."""
    mapper, folded, states = Mapper("run"), RunFold(), dict[int, ExecutionState]()
    for recorded in await decode(pydantic_data_converter, history):
        for event in mapper.add([recorded]):
            folded.apply(event)
        shown = folded.shown("run")
        assert shown is not None
        states[recorded.event.event_id] = shown
    return states


def check_between(told: ExecutionState, held: Sequence[RunProgress], cut: int) -> None:
    """Between two settled cuts history is ahead of the workflow, or behind: each part is as one of both held it.

    An approval that neither side knows of is asked for and decided in the same task, where a reset gave the decision
    again: the workflow never waits for it.
    """
    possible = [told_of_parts(each) for each in held]
    parts = told_of_parts(told)
    for name in {name for each in possible for name in each} | {name for name in parts if name.startswith("step")}:
        assert parts.get(name) in [each.get(name) for each in possible], (cut, name)
    assert counts(held[0].metrics) <= counts(told.metrics) <= counts(held[-1].metrics), cut


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_the_folded_state_is_what_the_workflow_held(file: Path) -> None:
    """Every cut from the second event on, in all of a run's history.

    Where the last command of a workflow task stands, state and workflow say the same, whole: status, input, output,
    error and attempts of each step, running ones too, pending approvals, choices, memory, calls, tokens, cost. At every
    other cut one of them knows more (a result has come that the workflow is not told yet; of a task's commands not all
    are written yet): each step and each approval is as the workflow held it in the task before, or comes to hold it in
    the task after. Before its first task the workflow holds nothing, and the steps that are known wait; the first event
    alone is no history that a workflow begins with. Of its own termination it is never told.
    """
    history = list(load(file).events)
    said = await hear(load(file))
    states = await states_at_every_cut(history)
    settled = dict(settled_cuts(history))
    assert {each.task for each in said} <= set(settled)
    assert {node.status for node in states[1].node_executions} <= {NodeStatus.PENDING}
    before: RunProgress = states[1]
    done = 1
    for task, cut in settled.items():
        # Of some tasks there is nothing to tell the workflow: that the cancellation of a child has arrived there.
        answers = [each.progress for each in said if each.task == task] or [before]
        for between in range(done + 1, cut):
            check_between(states[between], [before, *answers], between)
        assert whole(states[cut]) == whole(answers[-1]), cut
        before, done = answers[-1], cut
    ended_from_outside = history[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED
    assert len(history) - done == ended_from_outside
