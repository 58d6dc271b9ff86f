"""Histories of earlier builds: today's code must take the same way through every one of them."""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from perdure.domain.events import ExecutionEvent
from perdure.domain.executions import ExecutionStatus
from perdure.record.fold import counting, fold
from perdure.record.mapping import to_events
from perdure.temporal.history import decode, events_of
from perdure.temporal.runs import run_of
from tests.replay.record import HISTORIES, SCENARIOS
from tests.support.running import replayer
from tests.support.state_rules import check_folding_on, check_states

FILES = sorted(HISTORIES.glob("*.json"))


ENDINGS = {
    "agentflow_completed": ExecutionStatus.COMPLETED,
    "agentflow_long_task": ExecutionStatus.COMPLETED,
    "agentflow_failed": ExecutionStatus.FAILED,
    "agentflow_cancelled": ExecutionStatus.CANCELLED,
    "agentflow_forked": ExecutionStatus.COMPLETED,
    "agentflow_reset": ExecutionStatus.COMPLETED,
    "agentflow_reset.1": ExecutionStatus.COMPLETED,
    "agentflow_reset.2": ExecutionStatus.FAILED,
    "agentflow_reset_approved": ExecutionStatus.COMPLETED,
    "agentflow_reset_approved.1": ExecutionStatus.COMPLETED,
    "agentflow_reset_approved.2": ExecutionStatus.FAILED,
    "agentflow_calling_flows": ExecutionStatus.COMPLETED,
    "agentflow_called": ExecutionStatus.FAILED,
    "agentflow_cancelled_calling": ExecutionStatus.CANCELLED,
    "agentflow_child_terminated": ExecutionStatus.COMPLETED,
    "agentflow_fallback": ExecutionStatus.COMPLETED,
    "agentflow_approved_by_deadline": ExecutionStatus.COMPLETED,
    "agentflow_cancelled_at_once": ExecutionStatus.CANCELLED,
    "chatflow_forked": ExecutionStatus.COMPLETED,
    "agentflow_without_agents": ExecutionStatus.COMPLETED,
    "agentflow_approved": ExecutionStatus.COMPLETED,
    "agentflow_rejected_by_deadline": ExecutionStatus.FAILED,
    "agentflow_adaptive": ExecutionStatus.COMPLETED,
    "agentflow_consensus": ExecutionStatus.COMPLETED,
    "agentflow_reflection": ExecutionStatus.COMPLETED,
    "agentflow_routing": ExecutionStatus.COMPLETED,
    "agentflow_swarm": ExecutionStatus.COMPLETED,
    "agentflow_parallel": ExecutionStatus.COMPLETED,
    "agentflow_parallel_left_out": ExecutionStatus.COMPLETED,
    "agentflow_hierarchical": ExecutionStatus.COMPLETED,
    "agentflow_hierarchical_rule_based": ExecutionStatus.COMPLETED,
    "chatflow_completed": ExecutionStatus.COMPLETED,
    "chatflow_told": ExecutionStatus.COMPLETED,
    "chatflow_failed": ExecutionStatus.FAILED,
    "chatflow_cancelled": ExecutionStatus.CANCELLED,
    "chatflow_in_order": ExecutionStatus.COMPLETED,
    "chatflow_waited": ExecutionStatus.COMPLETED,
    "chatflow_cut_off": ExecutionStatus.CANCELLED,
    "chatflow_cut_off_waiting": ExecutionStatus.CANCELLED,
    "chatflow_cutting": ExecutionStatus.COMPLETED,
    "chatflow_embedded": ExecutionStatus.COMPLETED,
    "chatflow_with_tools": ExecutionStatus.COMPLETED,
    "chatflow_called": ExecutionStatus.COMPLETED,
    "chatflow_summarized": ExecutionStatus.COMPLETED,
    "chatflow_retrieving": ExecutionStatus.COMPLETED,
}


def load(file: Path) -> WorkflowHistory:
    text = file.read_text()
    first = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(first["workflowId"], text)


def test_every_scenario_has_a_history() -> None:
    assert {file.stem.partition(".")[0] for file in FILES} == set(SCENARIOS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_today_s_code_replays_it(file: Path) -> None:
    await replayer(pydantic_data_converter).replay_workflow(load(file))


@pytest.mark.parametrize("file", [HISTORIES / f"{name}.json" for name in ENDINGS], ids=lambda file: file.stem)
async def test_its_events_tell_how_it_ended_and_any_prefix_is_a_state(file: Path) -> None:
    recorded = await decode(pydantic_data_converter, load(file).events)
    events = to_events(recorded, "run")
    check_states(events)
    check_folding_on(events)
    assert fold(events).status is ENDINGS[file.stem]


@pytest.mark.parametrize("name", [name for name in SCENARIOS if f"{name}.1" in ENDINGS])
async def test_versions_go_on_over_resets_and_stay_what_they_were(name: str) -> None:
    stems = [stem for stem in ENDINGS if stem.startswith(f"{name}.")]
    runs = [run_of(load(HISTORIES / f"{stem}.json").events) for stem in (*stems, name)]
    assert len(runs) == 3
    known: list[ExecutionEvent] = []
    for upto in range(1, len(runs) + 1):
        events = await events_of(pydantic_data_converter, runs[:upto])
        check_states(events)
        assert events[: len(known)] == known
        assert len(events) > len(known)
        known = events
        # What counts of all of them is what the latest run's own history tells.
        alone = to_events(await decode(pydantic_data_converter, runs[upto - 1].history), "run")
        assert [event.data for event in counting(events)] == [event.data for event in counting(alone)]
        told, held = fold(events), fold(alone)
        assert (told.status, told.output_data, told.ended_at) == (held.status, held.output_data, held.ended_at)
        assert told.ledger.nodes == held.ledger.nodes
