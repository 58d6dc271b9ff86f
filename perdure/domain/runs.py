"""What passes between a run's workflow and its activities: references and small facts, never a conversation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from perdure.domain.executions import ExecutionStatus, ForkedFrom, Metrics, NodeExecution
from perdure.domain.flows import Agentflow, Chatflow, ConcurrentTurns, Flow, MemoryConfig
from perdure.domain.forks import Fork
from perdure.domain.generation import ModelRef, PromptMessage, ToolCall, ToolSpec, Usage
from perdure.domain.memories import MemoryUse
from perdure.domain.notes import AnyNote
from perdure.domain.reranking import ModelUse
from perdure.domain.tools import RunFlowTool, Tool

TEAMWORK = "What your team has done so far"
PASSAGES = "What your knowledge bases say"
"""Headings of what a model is shown besides its task."""

ASSISTANT = "assistant"
"""The id of a chat turn's first model call."""


def assistant_step(number: int) -> str:
    """The id of a chat turn's `number`-th model call, counted from 1; there are several where it calls tools."""
    return ASSISTANT if number == 1 else f"{ASSISTANT}:{number}"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ConversationRef(_Part):
    """The part of a session that a turn may know: the messages up to and including `upto`, 0 for a new session."""

    user_id: int
    session_id: str
    upto: int = Field(ge=0)
    ordered: bool = Field(
        default=False, description="Whether the turn takes its place among the others first; `upto` counts from then."
    )


class TurnInput(_Part):
    """A turn that asks whether it may begin."""

    execution_id: UUID
    flow_id: UUID
    conversation: ConversationRef
    mode: ConcurrentTurns


class TurnPlace(_Part):
    """Where a turn stands in its session."""

    upto: int | None = Field(description="It may begin, knowing the messages up to this one. None: others are ahead.")
    ahead: tuple[UUID, ...] = Field(default=(), description="The turns that have to end before.")
    is_kept: bool = Field(default=False, description="Whether its message stays if it is cancelled (`interrupt`).")
    is_gone: bool = Field(default=False, description="Whether its session was deleted or cleared.")
    memory: MemoryConfig | None = Field(default=None, description="The session's own, where it has one.")


class FoldInput(_Part):
    """A part of a session to be folded into its summary, after a turn."""

    execution_id: UUID = Field(description="The turn after which it is due.")
    user_id: int
    session_id: str
    model: ModelRef
    memory: MemoryConfig


class FoldPlan(_Part):
    """What is folded: the messages after `after` and up to `upto`."""

    session_key: int
    after: int
    upto: int
    last_execution_id: UUID = Field(description="Whose message `upto` is: after a clear it is another's.")
    ref: "StepRef" = Field(description="Where the text to fold is kept.")


class ParentRef(_Part):
    """The run, and the step of it, that started this one as a tool."""

    execution_id: UUID
    step_id: str
    node_id: str
    depth: int = Field(ge=1, description="How many runs stand above this one.")


class RunInput(_Part):
    """The one input of a run's workflow: the flow as it was at the start, whatever is edited later."""

    execution_id: UUID
    flow: Flow
    user_id: int
    input_data: dict[str, JsonValue]
    conversation: ConversationRef | None = None
    idempotency_key: str | None = None
    request_hash: str | None = Field(default=None, description="What the key came with, SHA-256 in hex.")
    default_model: ModelRef | None = Field(default=None, description="Used where the flow names no model.")
    parent: ParentRef | None = None
    fork: Fork | None = Field(default=None, description="What another run had done of this one.")
    started_at: datetime

    @property
    def header(self) -> "RunHeader":
        """What the list of executions knows of this run from its start on."""
        flow: Agentflow | Chatflow = self.flow
        return RunHeader(
            execution_id=self.execution_id,
            flow_id=flow.id,
            flow_type=flow.flow_type.value,
            flow_name=flow.name,
            flow_version=flow.version,
            user_id=self.user_id,
            session_id=self.conversation.session_id if self.conversation else None,
            input_data=self.input_data,
            started_at=self.started_at,
            idempotency_key=self.idempotency_key,
            request_hash=self.request_hash,
            parent_execution_id=self.parent.execution_id if self.parent else None,
            forked_from=self.fork.forked_from if self.fork else None,
        )


class RunHeader(_Part):
    """What the list of executions knows of a run from its start on."""

    execution_id: UUID
    flow_id: UUID
    flow_type: str
    flow_name: str
    flow_version: int
    user_id: int
    session_id: str | None
    input_data: dict[str, JsonValue]
    started_at: datetime
    idempotency_key: str | None = None
    request_hash: str | None = None
    parent_execution_id: UUID | None = None
    forked_from: ForkedFrom | None = None


class RunResult(_Part):
    """What the workflow of a run returns when it completes."""

    output_data: dict[str, JsonValue]


class Turn(_Part):
    """The two messages of a chat turn, to be written together, once."""

    message: str
    answer: str
    fold: FoldInput | None = Field(default=None, description="Of memories that fold older turns: what it takes.")


class RunEnding(_Part):
    """How a run ended: all that is written when it does."""

    header: RunHeader
    run_id: str = Field(description="Temporal's; an operator's reset gives the same execution a new one.")
    status: ExecutionStatus
    output_data: dict[str, JsonValue] | None = None
    error_message: str | None = None
    completed_at: datetime
    node_executions: list[NodeExecution]
    metrics: Metrics
    turn: Turn | None = None


class StepRef(_Part):
    """Where the words of a step are kept. The run id is part of it, because a reset runs a step again on purpose."""

    execution_id: UUID
    run_id: str
    step_id: str


class ContextPart(_Part):
    """The answer of an earlier step, by reference; words that are no step's stand here themselves where short."""

    label: str
    ref: StepRef | str


class GenerateInput(_Part):
    """One model call of one step."""

    step_id: str
    node_id: str
    node_type: Literal["agent", "supervisor", "assistant"]
    node_label: str
    execution_id: UUID
    model: ModelRef
    system_prompt: str
    task: str | StepRef
    context: tuple[ContextPart, ...] = ()
    context_heading: str = Field(default=TEAMWORK, description="What the context is, said above it.")
    question: str = Field(default="", description="What is asked about task and context, where that is not to do it.")
    earlier: tuple[StepRef | str, ...] = Field(
        default=(), description="The talk since the prompt, oldest first: answers and tool results, and what we said."
    )
    tools: tuple[Tool, ...] = ()
    own_tools: tuple[ToolSpec, ...] = Field(default=(), description="Tools that the workflow itself carries out.")
    output_schema: dict[str, JsonValue] | None = None
    told: tuple[PromptMessage, ...] = Field(
        default=(), description="The conversation so far where its caller keeps it, oldest first; no session holds it."
    )
    conversation: ConversationRef | None = None
    max_messages: int | None = Field(default=None, description="Messages of the conversation to show, newest kept.")
    memory: MemoryConfig | None = Field(default=None, description="How it is remembered; None: buffer, uncounted.")
    temperature: float | None = None
    max_tokens: int | None = None
    timeout_seconds: float = Field(gt=0, description="For the model's whole answer, at each attempt.")
    max_retries: int = Field(ge=0, description="Failures of the model after which the next one is the last.")
    priority: int = Field(default=1, description="1 goes first when the workers are busy.")


class GenerateResult(_Part):
    """The answer of one model call."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    model: ModelRef
    usage: Usage | None
    cost_usd: float | None
    finish_reason: str | None
    attempt: int
    started_at: datetime
    completed_at: datetime
    ref: StepRef
    memory: MemoryUse | None = Field(default=None, description="What of the conversation the model was shown.")


class CallToolInput(_Part):
    """One call of one tool."""

    step_id: str
    node_id: str
    node_label: str
    execution_id: UUID
    user_id: int
    tool: Tool
    call: ToolCall
    model: ModelRef | None = Field(default=None, description="The model of whoever calls, for tools that need one.")
    first_passage: int = Field(default=1, ge=1, description="The number of the first passage that a search shows.")
    max_retries: int = Field(ge=0)


class CallToolResult(_Part):
    """What a tool gave back, as the model is shown it."""

    text: str
    is_error: bool
    characters: int = Field(description="Of the whole output; more than `text` has where that was cut.")
    data: JsonValue = None
    model_use: ModelUse | None = Field(default=None, description="What a model did for the tool.")
    attempt: int
    started_at: datetime
    completed_at: datetime
    ref: StepRef


class StepFailure(_Part):
    """What a failed attempt says of itself in the details of its error."""

    attempt: int
    kind: str
    exhausted: bool = Field(description="Whether it was the last of the failures that the step may have.")

    @classmethod
    def of(cls, details: Sequence[object]) -> "StepFailure | None":
        """Read it from an error's details, where there is one."""
        return cls.model_validate(details[0]) if details and isinstance(details[0], dict) else None


class KeepTextInput(_Part):
    """A text too long to stand in the input of every step."""

    ref: StepRef
    text: str


class KeepWordsInput(_Part):
    """The answer to a tool call that the workflow itself gives."""

    ref: StepRef
    call_id: str
    tool_name: str
    text: str


class SubflowInput(_Part):
    """A flow that a model wants run as a tool."""

    parent: ParentRef
    user_id: int
    default_model: ModelRef | None
    tool: RunFlowTool
    call: ToolCall


class SubflowPlan(_Part):
    """The run to start, or why it cannot be."""

    run: RunInput | None
    refusal: str = ""


class NoteInput(_Part):
    """Something to be put down as an event of the run."""

    execution_id: UUID
    user_id: int
    note: AnyNote


class KeepSummaryInput(_Part):
    """A summary to be put in the place of the one before."""

    fold: FoldInput
    plan: FoldPlan
    result: GenerateResult


FoldPlan.model_rebuild()
