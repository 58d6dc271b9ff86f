"""Aggregates as they stood after one of their events: what `/api/events/state` shows."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from perdure.domain.executions import ExecutionStatus, Metrics, NodeExecution
from perdure.domain.notes import AgentLeftOut, ApprovalRequested, DecisionMade, HandedOver, ModelFellBack, VotesCounted


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    aggregate_id: str
    version: int = Field(ge=1, description="Of the last event in it.")
    timestamp: datetime = Field(description="Of that event.")


class PendingApproval(ApprovalRequested):
    """An approval that was open: `arguments` and `revision` are those that people had to agree to."""

    approved_by: list[str] = Field(default_factory=list[str], description="Email addresses.")


AnyChoice = DecisionMade | HandedOver | VotesCounted | ModelFellBack | AgentLeftOut
Choice = Annotated[AnyChoice, Field(discriminator="type")]
"""Something that was decided in a run."""


class RunProgress(BaseModel):
    """How far a run has come: as its own workflow holds it, and as its events add up to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node_executions: list[NodeExecution] = Field(description="Every step: status, input, output, error, attempts.")
    memory: dict[str, JsonValue] | None = Field(description="Of a chat: what of the session the model was shown last.")
    pending_approvals: list[PendingApproval]
    decisions: list[Choice]
    metrics: Metrics = Field(description="Calls, tokens and cost so far.")


class ExecutionState(RunProgress, _State):
    """A run as it stood."""

    aggregate_type: Literal["Execution"] = "Execution"
    status: ExecutionStatus
    flow_id: str | None
    flow_type: str | None
    flow_name: str | None
    flow_version: int | None
    session_id: str | None
    input_data: dict[str, JsonValue]
    output_data: dict[str, JsonValue] | None
    error_message: str | None
    started_at: datetime
    completed_at: datetime | None
    cancel_requested: bool
    attempts: dict[str, int] = Field(description="By step: attempts so far, as far as history shows them.")


class FlowState(_State):
    """A flow as it stood."""

    aggregate_type: Literal["Flow"] = "Flow"
    is_deleted: bool
    flow: dict[str, JsonValue]


class KnowledgeBaseState(_State):
    """A knowledge base as it stood, with its documents."""

    aggregate_type: Literal["KnowledgeBase"] = "KnowledgeBase"
    is_deleted: bool
    knowledgebase: dict[str, JsonValue]
    documents: list[dict[str, JsonValue]] = Field(
        description="Those that had been added and not deleted, as their last event tells."
    )


class SessionMessage(BaseModel):
    """A message as it was said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["user", "assistant"]
    content: str
    execution_id: UUID
    timestamp: datetime


class SessionState(_State):
    """A conversation as it stood."""

    aggregate_type: Literal["Session"] = "Session"
    is_deleted: bool
    chatflow_id: str | None
    memory_config: dict[str, JsonValue] | None = Field(description="The session's own; null: its flow's.")
    summary: str | None
    begun_at: datetime = Field(description="When it was made, or last cleared: its messages are later.")
    messages: list[SessionMessage] = Field(description="Of the turns that had been completed, in that order.")


class UserState(_State):
    """A user as the record tells of one."""

    aggregate_type: Literal["User"] = "User"
    email: str | None
    is_active: bool
    has_password: bool
    api_keys: dict[str, str] = Field(description="Names of the keys there were, by id.")


AnyState = Annotated[
    ExecutionState | FlowState | KnowledgeBaseState | SessionState | UserState, Field(discriminator="aggregate_type")
]
