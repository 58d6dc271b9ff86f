"""The vocabulary of events. One envelope for all; the data of each type of event is a model of its own.

An execution's events are read from Temporal's history (`perdure.record`); those of flows, knowledge bases, sessions
and users are written in the transaction of the change that they record. `version` counts 1, 2, 3 … within an
aggregate, without holes.
"""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from perdure.domain.executions import ForkedFrom
from perdure.domain.flows import Agentflow, Chatflow
from perdure.domain.notes import (
    AgentLeftOut,
    ApprovalClosed,
    ApprovalCounted,
    ApprovalRequested,
    DecisionMade,
    HandedOver,
    ModelFellBack,
    VotesCounted,
)
from perdure.domain.reranking import ModelUse
from perdure.domain.runs import ASSISTANT, CallToolInput, CallToolResult, GenerateInput, GenerateResult, RunInput

AggregateType = Literal["Flow", "Execution", "KnowledgeBase", "Session", "User"]


class Event(BaseModel):
    """One event as clients see it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    aggregate_id: str
    aggregate_type: AggregateType
    event_type: str
    event_data: dict[str, JsonValue]
    user_id: int | None
    metadata: dict[str, JsonValue]
    timestamp: datetime
    version: int = Field(ge=1)


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedNode(_Data):
    """A node that is known to come before it has started."""

    node_id: str
    node_type: str
    node_label: str


def planned_nodes(flow: Agentflow | Chatflow) -> list[PlannedNode]:
    """The nodes that a run of this flow is known to have."""
    if isinstance(flow, Chatflow):
        return [PlannedNode(node_id=ASSISTANT, node_type="assistant", node_label=flow.name)]
    return [PlannedNode(node_id=agent.id, node_type="agent", node_label=agent.name) for agent in flow.agents]


class ExecutionStarted(_Data):
    """A run was accepted; from here on it is durable."""

    type: Literal["ExecutionStarted"] = "ExecutionStarted"
    flow_id: str
    flow_type: str
    flow_name: str
    flow_version: int
    input_data: dict[str, JsonValue]
    session_id: str | None
    nodes: list[PlannedNode] = Field(description="The nodes that are known to come.")
    forked_from: ForkedFrom | None = Field(default=None, description="The run that this one goes on from.")


TOOL = "tool"
FLOW = "flow"
"""The node types of tool calls: a tool's, and another flow's run called as one."""


def _fields(schema: dict[str, JsonValue] | None) -> list[JsonValue]:
    """The names of the fields of a form: they tell one form from another."""
    properties = (schema or {}).get("properties")
    return list[JsonValue](sorted(properties)) if isinstance(properties, dict) else []


class StepScheduled(_Data):
    """A step was handed to the workers."""

    type: Literal["StepScheduled"] = "StepScheduled"
    step_id: str
    node_id: str
    node_type: str
    node_label: str
    input: dict[str, JsonValue] = Field(description="The task, the model asked, whose answers came before.")

    @classmethod
    def of(cls, step: GenerateInput) -> "StepScheduled":
        """The event of a model call."""
        return cls(
            step_id=step.step_id,
            node_id=step.node_id,
            node_type=step.node_type,
            node_label=step.node_label,
            input={
                "task": step.task if isinstance(step.task, str) else step.task.model_dump(mode="json"),
                "model": str(step.model),
                "after": [part.label for part in step.context],
                **({"question": step.question} if step.question else {}),
                **({"form": _fields(step.output_schema)} if step.node_type == "supervisor" else {}),
                **({"session": step.conversation.model_dump(mode="json")} if step.conversation else {}),
            },
        )

    @classmethod
    def of_tool(cls, step: CallToolInput) -> "StepScheduled":
        """The event of a tool call."""
        return cls(
            step_id=step.step_id,
            node_id=step.node_id,
            node_type=TOOL,
            node_label=step.node_label,
            input={"tool": step.call.name, "arguments": step.call.arguments},
        )

    @classmethod
    def of_flow(cls, run: RunInput, step_id: str, node_id: str) -> "StepScheduled":
        """The event of another flow's run that is called as a tool."""
        return cls(
            step_id=step_id,
            node_id=node_id,
            node_type=FLOW,
            node_label=run.flow.name,
            input={"execution_id": str(run.execution_id), "flow_id": str(run.flow.id), "input_data": run.input_data},
        )


class StepReused(_Data):
    """The step was not done: a run that this one is a fork of had done it, or it was edited."""

    type: Literal["StepReused"] = "StepReused"
    step_id: str
    node_id: str
    node_type: str
    node_label: str
    input: dict[str, JsonValue] = Field(description="As of `StepScheduled`: what it would have been given here.")
    from_execution_id: str
    edited: bool = Field(description="Whether the output is the caller's own.")
    output: dict[str, JsonValue] | None = Field(description="As of `StepCompleted`. None: it had failed there.")
    error: str | None = Field(description="What it had failed of there.")


class StepStarted(_Data):
    """A worker took the step. Temporal writes this when the attempt that closes the step is over."""

    type: Literal["StepStarted"] = "StepStarted"
    step_id: str
    attempt: int
    last_error: str | None
    worker: str


class StepCompleted(_Data):
    """The step gave its result."""

    type: Literal["StepCompleted"] = "StepCompleted"
    step_id: str
    attempt: int
    text: str
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    finish_reason: str | None = None
    tool_calls: list[JsonValue] | None = Field(default=None, description="What a model asked for: id, name, arguments.")
    is_error: bool | None = Field(default=None, description="Of a tool: whether it says that it failed.")
    characters: int | None = Field(default=None, description="Of a tool: of its whole output; `text` may be cut.")
    data: JsonValue = Field(default=None, description="Of a tool: facts about the call, such as the sources it found.")
    model_use: ModelUse | None = Field(default=None, description="Of a tool: what a model did for it (reranking).")
    execution_id: str | None = Field(default=None, description="Of a flow called as a tool: its run.")
    memory: dict[str, JsonValue] | None = Field(
        default=None, description="Of a chat: what of the conversation the model was shown (`MemoryUse`)."
    )
    finished_at: datetime = Field(description="By the worker's clock; Temporal learns of it a little later.")

    @classmethod
    def of(cls, result: GenerateResult) -> "StepCompleted":
        """The event of a model's answer."""
        return cls(
            step_id=result.ref.step_id,
            attempt=result.attempt,
            text=result.text,
            model=str(result.model),
            input_tokens=result.usage.input_tokens if result.usage else None,
            output_tokens=result.usage.output_tokens if result.usage else None,
            cost_usd=result.cost_usd,
            finish_reason=result.finish_reason,
            tool_calls=[call.model_dump(mode="json") for call in result.tool_calls] or None,
            memory=result.memory.model_dump(mode="json") if result.memory else None,
            finished_at=result.completed_at,
        )

    @classmethod
    def of_tool(cls, result: CallToolResult) -> "StepCompleted":
        """The event of a tool's output."""
        return cls(
            step_id=result.ref.step_id,
            attempt=result.attempt,
            text=result.text,
            is_error=result.is_error,
            characters=result.characters,
            data=result.data,
            model_use=result.model_use,
            finished_at=result.completed_at,
        )


class StepFailed(_Data):
    """The step gave up."""

    type: Literal["StepFailed"] = "StepFailed"
    step_id: str
    attempt: int | None
    error: str
    kind: str | None
    reason: str = Field(description="Why it was not tried again, in Temporal's words: MAXIMUM_ATTEMPTS_REACHED, …")

    @property
    def model_calls(self) -> int:
        """Calls that the provider may have charged for: one an attempt, none where it could not even be called."""
        return 0 if self.kind == "configuration" else self.attempt or 0


EXHAUSTED = "MAXIMUM_ATTEMPTS_REACHED"
"""The reason of a step whose model failed once more often than it may."""

_TIMEOUTS = {
    "START_TO_CLOSE": "The worker did not finish it in time.",
    "HEARTBEAT": "The worker disappeared in the middle of it.",
    "SCHEDULE_TO_CLOSE": "It was not done within the 24 hours that all its attempts together may take.",
    "SCHEDULE_TO_START": "No worker took it in time.",
}


def timeout_sentence(kind: str) -> str:
    """What a step says that ran out of time; `kind` is Temporal's name of the timeout."""
    return _TIMEOUTS.get(kind, "It took too long.")


class StepCancelled(_Data):
    """The step was cancelled with its run."""

    type: Literal["StepCancelled"] = "StepCancelled"
    step_id: str


class ApprovalDecided(_Data):
    """Somebody said yes or no, or tried to."""

    type: Literal["ApprovalDecided"] = "ApprovalDecided"
    approval_id: str
    decision: Literal["approve", "reject", "edit"]
    user_id: int
    email: str
    comment: str | None
    edited_arguments: dict[str, JsonValue] | None
    revision: str | None = Field(description="Of the arguments it was about.")
    refused: str | None = Field(description="Why it did not count: too late, a second time, not entitled.")


class CancelRequested(_Data):
    """Somebody asked for the run to be cancelled."""

    type: Literal["CancelRequested"] = "CancelRequested"
    reason: str | None


class RunReset(_Data):
    """An operator sent the run back to an earlier point; what follows is a new try from there."""

    type: Literal["RunReset"] = "RunReset"
    base_run_id: str
    reason: str | None
    to_version: int | None = Field(
        default=None, description="The last event of the base run that still counts; those after it do not."
    )


class ExecutionContinued(_Data):
    """The history had grown long; the run goes on in a new one."""

    type: Literal["ExecutionContinued"] = "ExecutionContinued"
    new_run_id: str


class EventUnreadable(_Data):
    """Something happened here that this build cannot read: a newer one wrote it."""

    type: Literal["EventUnreadable"] = "EventUnreadable"
    history_event_type: str


class EngineTrouble(_Data):
    """Our own code could not go on; Temporal retries it until a worker that can takes over."""

    type: Literal["EngineTrouble"] = "EngineTrouble"
    cause: str
    message: str | None


class ExecutionCompleted(_Data):
    """The run gave its output."""

    type: Literal["ExecutionCompleted"] = "ExecutionCompleted"
    output_data: dict[str, JsonValue]


class ExecutionFailed(_Data):
    """The run ended without an output."""

    type: Literal["ExecutionFailed"] = "ExecutionFailed"
    error: str


class ExecutionCancelled(_Data):
    """The run was cancelled and has stopped."""

    type: Literal["ExecutionCancelled"] = "ExecutionCancelled"


class ExecutionTerminated(_Data):
    """An operator ended the run from outside, without a word to it."""

    type: Literal["ExecutionTerminated"] = "ExecutionTerminated"
    reason: str | None


class ExecutionTimedOut(_Data):
    """The run took longer than it was allowed to."""

    type: Literal["ExecutionTimedOut"] = "ExecutionTimedOut"


ExecutionEventData = Annotated[
    ExecutionStarted
    | StepScheduled
    | StepReused
    | StepStarted
    | StepCompleted
    | StepFailed
    | StepCancelled
    | DecisionMade
    | HandedOver
    | VotesCounted
    | ModelFellBack
    | AgentLeftOut
    | ApprovalRequested
    | ApprovalDecided
    | ApprovalCounted
    | ApprovalClosed
    | CancelRequested
    | RunReset
    | ExecutionContinued
    | EventUnreadable
    | EngineTrouble
    | ExecutionCompleted
    | ExecutionFailed
    | ExecutionCancelled
    | ExecutionTerminated
    | ExecutionTimedOut,
    Field(discriminator="type"),
]


class ExecutionEvent(BaseModel):
    """One event of a run, typed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    timestamp: datetime
    run_id: str
    history_event_id: int
    data: ExecutionEventData

    aggregate_type: ClassVar[AggregateType] = "Execution"

    @classmethod
    def of(cls, event: Event) -> "ExecutionEvent":
        """Read it back from its envelope. Raises ValidationError where that is none of an execution's."""
        return cls.model_validate(
            {
                "version": event.version,
                "timestamp": event.timestamp,
                "data": {**event.event_data, "type": event.event_type},
                **event.metadata,
            }
        )

    def to_event(self, execution_id: str, user_id: int | None) -> Event:
        """The envelope that clients see."""
        return Event(
            aggregate_id=execution_id,
            aggregate_type=self.aggregate_type,
            event_type=self.data.type,
            event_data=self.data.model_dump(mode="json", exclude={"type"}),
            user_id=self.data.user_id if isinstance(self.data, ApprovalDecided) else user_id,
            metadata={"run_id": self.run_id, "history_event_id": self.history_event_id},
            timestamp=self.timestamp,
            version=self.version,
        )
