"""What the fold of a history's events says, against what the workflow object itself held at the same point."""

from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    Replayer,
    UnsandboxedWorkflowRunner,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from perdure.domain.executions import NodeStatus
from perdure.domain.ledger import Ledger
from perdure.record.fold import fold
from perdure.record.mapping import to_events
from perdure.temporal.history import decode
from tests.replay.record import HISTORIES
from tests.replay.test_golden_histories import ENDINGS, load
from workflows import WORKFLOWS
from workflows.agentflow import AgentflowWorkflow

# These two do nothing but wait.
WAITING = {"agentflow_cancelled", "agentflow_rejected_by_deadline"}
FILES = [HISTORIES / f"{name}.json" for name in sorted(ENDINGS) if name.startswith("agentflow") and name not in WAITING]
HELD: list[object] = []


class Keeping(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> object:  # noqa: A002 - the SDK's name
        HELD.append(workflow.instance())
        return await super().execute_workflow(input)


class Keeper(Interceptor):
    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002
        del input
        return Keeping


async def held_at(history: WorkflowHistory, cut: int) -> Ledger:
    """The ledger of the workflow object as it stood after the first `cut` events."""
    HELD.clear()
    replayer = Replayer(
        workflows=WORKFLOWS,
        data_converter=pydantic_data_converter,
        interceptors=[Keeper()],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    part = WorkflowHistory(history.workflow_id, list(history.events)[:cut])
    await replayer.replay_workflow(part, raise_on_replay_failure=False)
    (held,) = HELD
    assert isinstance(held, AgentflowWorkflow)
    return held.ledger


def done(ledger: Ledger) -> dict[str, object]:
    """Which steps have begun, and what those gave that are done.

    Not when: the workflow's times are those of its tasks. Nor what is open: taking a replayed workflow down stops that.
    """
    return {
        node.id: node.output_data if node.status is NodeStatus.COMPLETED else None
        for node in ledger.nodes
        if node.started_at is not None
    }


COMMANDED = (EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)


def is_after_commands(last: HistoryEvent, following: HistoryEvent) -> bool:
    """Whether history holds here all that the workflow has decided, and nothing that it has not seen."""
    return last.event_type in COMMANDED and following.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_the_folded_state_is_the_workflow_s_own(file: Path) -> None:
    history = load(file)
    events = list(history.events)
    recorded = await decode(pydantic_data_converter, events)
    compared = 0
    for cut in range(2, len(events)):
        if is_after_commands(events[cut - 1], events[cut]):
            told = fold(to_events(recorded[:cut], "run")).ledger
            assert done(told) == done(await held_at(history, cut)), cut
            compared += 1
    assert compared
