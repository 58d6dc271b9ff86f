"""History → events → state, without a server."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import JsonValue, TypeAdapter
from temporalio.api.enums.v1 import EventType, RetryState, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent

from perdure.domain.events import (
    ApprovalDecided,
    CancelRequested,
    EngineTrouble,
    EventUnreadable,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionContinued,
    ExecutionEvent,
    ExecutionEventData,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionTerminated,
    ExecutionTimedOut,
    RunReset,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepReused,
    StepScheduled,
    StepStarted,
)
from perdure.domain.executions import ExecutionStatus, NodeStatus
from perdure.domain.generation import ModelRef, Usage
from perdure.domain.notes import (
    AgentLeftOut,
    ApprovalClosed,
    ApprovalCounted,
    ApprovalRequested,
    Ballot,
    DecisionMade,
    HandedOver,
    ModelFellBack,
    VotesCounted,
)
from perdure.domain.runs import GenerateInput, GenerateResult, RunInput, RunResult, StepFailure, StepRef
from perdure.domain.teams import Agent
from perdure.record.fold import fold
from perdure.record.mapping import to_events
from perdure.record.reading import Recorded
from tests.support.teams import ID, NOW, team

MODEL = ModelRef(provider="openai", name="gpt-4o-mini")
FLOW = team(Agent(id="a", name="Ann"), Agent(id="b", name="Bob"))
RUN = RunInput(execution_id=ID, flow=FLOW, user_id=7, input_data={"message": "Go."}, started_at=NOW)


def step(step_id: str) -> GenerateInput:
    return GenerateInput(
        step_id=step_id,
        node_id=step_id,
        node_type="agent",
        node_label=step_id.upper(),
        execution_id=ID,
        model=MODEL,
        system_prompt="",
        task="Go.",
        timeout_seconds=60,
        max_retries=3,
    )


def result(step_id: str, *, attempt: int = 1, cost: float | None = 0.001) -> GenerateResult:
    return GenerateResult(
        text=f"{step_id} done",
        model=MODEL,
        usage=Usage(input_tokens=10, output_tokens=5),
        cost_usd=cost,
        finish_reason="stop",
        attempt=attempt,
        started_at=NOW,
        completed_at=NOW + timedelta(seconds=1),
        ref=StepRef(execution_id=ID, run_id="run", step_id=step_id),
    )


JSON_VALUES: TypeAdapter[tuple[JsonValue, ...]] = TypeAdapter(tuple[JsonValue, ...])


class History:
    """Writes history events as the server does."""

    def __init__(self) -> None:
        self.recorded: list[Recorded] = []

    def add(
        self, kind: str, *, values: tuple[JsonValue, ...] = (), details: tuple[JsonValue, ...] = (), **fields: object
    ) -> int:
        event = HistoryEvent(event_id=len(self.recorded) + 1, event_type=EventType.Value(f"EVENT_TYPE_{kind.upper()}"))
        event.event_time.FromDatetime(NOW + timedelta(seconds=len(self.recorded)))
        attributes = getattr(event, f"{kind}_event_attributes")
        attributes.SetInParent()
        for name, value in fields.items():
            target, _, leaf = name.rpartition("__")
            holder = attributes
            for part in target.split("__") if target else []:
                holder = getattr(holder, part)
            setattr(holder, leaf, value)
        self.recorded.append(
            Recorded(
                event=event,
                values=JSON_VALUES.validate_json(JSON_VALUES.dump_json(values)),
                details=JSON_VALUES.validate_json(JSON_VALUES.dump_json(details)),
            )
        )
        return event.event_id

    def start(self) -> None:
        self.add("workflow_execution_started", values=(RUN.model_dump(mode="json"),))
        self.add("workflow_task_scheduled")

    def schedule(self, step_id: str) -> int:
        return self.add("activity_task_scheduled", values=(step(step_id).model_dump(mode="json"),), activity_id=step_id)

    def take(self, scheduled: int, attempt: int = 1) -> None:
        self.add("activity_task_started", scheduled_event_id=scheduled, attempt=attempt, identity="w1")

    def complete(self, scheduled: int, done: GenerateResult) -> None:
        self.add("activity_task_completed", values=(done.model_dump(mode="json"),), scheduled_event_id=scheduled)

    @property
    def events(self) -> list[ExecutionEvent]:
        return to_events(self.recorded, "run")


def test_a_run_that_completes() -> None:
    history = History()
    history.start()
    for step_id in ("a", "b"):
        scheduled = history.schedule(step_id)
        history.take(scheduled)
        history.complete(scheduled, result(step_id))
    history.add("marker_recorded")
    history.add(
        "workflow_execution_completed", values=(RunResult(output_data={"response": "b done"}).model_dump(mode="json"),)
    )
    events = history.events
    assert [event.version for event in events] == list(range(1, 9))
    assert [event.data.type for event in events] == [
        "ExecutionStarted",
        *["StepScheduled", "StepStarted", "StepCompleted"] * 2,
        "ExecutionCompleted",
    ]
    state = fold(events)
    assert state.status is ExecutionStatus.COMPLETED
    assert state.output_data == {"response": "b done"}
    metrics = state.ledger.metrics(started_at=NOW, until=state.ended_at)
    assert (metrics.llm_calls, metrics.llm_tokens, metrics.completed_nodes) == (2, 30, 2)
    assert metrics.estimated_cost == pytest.approx(0.002)


def test_every_prefix_is_a_valid_state() -> None:
    history = History()
    history.start()
    scheduled = history.schedule("a")
    history.take(scheduled)
    history.complete(scheduled, result("a"))
    history.add("workflow_execution_terminated", reason="enough")
    events = history.events
    statuses = [[node.status.value for node in fold(events[:cut]).ledger.nodes] for cut in range(len(events) + 1)]
    assert statuses == [
        [],
        ["pending", "pending"],
        ["running", "pending"],
        ["running", "pending"],
        ["completed", "pending"],
        ["completed", "skipped"],
    ]
    assert fold(events).error_message == "Terminated from outside: enough"


def test_a_failed_step_says_why_and_after_how_many_attempts() -> None:
    history = History()
    history.start()
    scheduled = history.schedule("a")
    history.take(scheduled, attempt=4)
    history.add(
        "activity_task_failed",
        scheduled_event_id=scheduled,
        failure__message="The provider is overloaded.",
        failure__application_failure_info__type="ModelCallFailed",
        retry_state=RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE,
        details=(StepFailure(attempt=4, kind="overloaded", exhausted=True).model_dump(),),
    )
    history.add("workflow_execution_failed", failure__message="Ann: The provider is overloaded.")
    state = fold(history.events)
    assert state.status is ExecutionStatus.FAILED
    assert state.error_message == "Ann: The provider is overloaded."
    ann, bob = state.ledger.nodes
    assert (ann.status, ann.retry_count, ann.error_message) == (NodeStatus.FAILED, 3, "The provider is overloaded.")
    assert bob.status is NodeStatus.SKIPPED
    failed = history.events[3].data
    assert isinstance(failed, StepFailed)
    assert (failed.kind, failed.reason, failed.attempt) == ("overloaded", "MAXIMUM_ATTEMPTS_REACHED", 4)


def test_a_timed_out_step_and_an_unknown_price() -> None:
    history = History()
    history.start()
    first = history.schedule("a")
    history.take(first)
    history.complete(first, result("a", cost=None))
    second = history.schedule("b")
    history.take(second, attempt=2)
    history.add(
        "activity_task_timed_out",
        scheduled_event_id=second,
        failure__timeout_failure_info__timeout_type=TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE,
    )
    state = fold(history.events)
    assert "did not finish it in time" in (state.ledger.nodes[1].error_message or "")
    assert state.ledger.metrics(started_at=NOW, until=None).estimated_cost is None


def test_cancelling_engine_trouble_and_resets_are_told() -> None:
    history = History()
    history.start()
    history.add(
        "workflow_task_failed", cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    )
    history.add(
        "workflow_task_failed",
        cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
        base_run_id="base",
    )
    scheduled = history.schedule("a")
    history.add("workflow_execution_cancel_requested", cause="user")
    history.add("activity_task_canceled", scheduled_event_id=scheduled)
    history.add("workflow_execution_canceled")
    assert [event.data.type for event in history.events][1:] == [
        "EngineTrouble",
        "RunReset",
        "StepScheduled",
        "CancelRequested",
        "StepCancelled",
        "ExecutionCancelled",
    ]
    assert fold(history.events).status is ExecutionStatus.CANCELLED


EXAMPLES: list[ExecutionEventData] = [
    ExecutionStarted(
        flow_id="f", flow_type="chatflow", flow_name="F", flow_version=1, input_data={}, session_id=None, nodes=[]
    ),
    StepScheduled.of(step("a")),
    StepStarted(step_id="a", attempt=1, last_error=None, worker="w"),
    StepCompleted.of(result("a")),
    StepFailed(step_id="a", attempt=None, error="e", kind=None, reason="TIMEOUT"),
    StepCancelled(step_id="a"),
    StepReused(
        step_id="a",
        node_id="a",
        node_type="agent",
        node_label="A",
        input={"task": "Go."},
        from_execution_id=str(ID),
        edited=True,
        output={"text": "t"},
        error=None,
    ),
    DecisionMade(by="Supervisor", about="next", choice="Writer", alternatives=["Critic"], reason="it can write"),
    HandedOver(from_agent="A", to_agent="B", reason="billing", hop=1),
    VotesCounted(ballots=[Ballot(by="A", choice="B", reason="clear")], counts={"B": 1}, winner="B"),
    ModelFellBack(node_id="a", node_label="A", from_model="openai:x", to_model="openai:y", reason="quota"),
    AgentLeftOut(node_id="a", node_label="A", reason="it failed"),
    ApprovalRequested(
        approval_id="a/1",
        kind="tool",
        node_id="a",
        title="A calls http_request",
        arguments={"url": "https://example.org"},
        revision="1",
        approvers=["ada@example.org"],
        quorum=1,
        deadline=None,
        default_decision="reject",
    ),
    ApprovalDecided(
        approval_id="a/1",
        decision="approve",
        user_id=1,
        email="ada@example.org",
        comment=None,
        edited_arguments=None,
        revision="1",
        refused=None,
    ),
    ApprovalCounted(
        approval_id="a/1", arguments={}, revision="1", approved_by=["ada@example.org"], quorum=2, comment=None
    ),
    ApprovalClosed(
        approval_id="a/1",
        decision="withdraw",
        arguments={},
        revision="1",
        approved_by=[],
        decided_by=[],
        comment=None,
        decided_at=None,
    ),
    CancelRequested(reason=None),
    RunReset(base_run_id="b", reason="again"),
    ExecutionContinued(new_run_id="r2"),
    EventUnreadable(history_event_type="ACTIVITY_TASK_SCHEDULED"),
    EngineTrouble(cause="NON_DETERMINISTIC_ERROR", message=None),
    ExecutionCompleted(output_data={"response": "x"}),
    ExecutionFailed(error="e"),
    ExecutionCancelled(),
    ExecutionTerminated(reason=None),
    ExecutionTimedOut(),
]


@pytest.mark.parametrize("data", EXAMPLES, ids=lambda data: data.type)
def test_each_kind_of_event_round_trips_and_has_an_envelope(data: ExecutionEventData) -> None:
    event = ExecutionEvent(version=1, timestamp=datetime.now(UTC), run_id="r", history_event_id=5, data=data)
    assert ExecutionEvent.model_validate_json(event.model_dump_json()) == event
    envelope = event.to_event(str(UUID(int=3)), 7)
    assert envelope.event_type == data.type
    assert "type" not in envelope.event_data


def test_the_examples_are_the_whole_vocabulary() -> None:
    schema = TypeAdapter(ExecutionEventData).json_schema()
    assert set(schema["discriminator"]["mapping"]) == {data.type for data in EXAMPLES}
