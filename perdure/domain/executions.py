"""What an execution is: a run of one version of a flow, and what its nodes did."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class ExecutionStatus(StrEnum):
    """Where a run stands. The last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens in such a run."""
        return self in FINAL_STATUSES


FINAL_STATUSES = frozenset({ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED})


class NodeStatus(StrEnum):
    """Where one step of a run stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NodeExecution(_Part):
    """One step of a run."""

    id: str = Field(description="The step's id, unique within its execution; the activity id in Temporal.")
    node_id: str = Field(description="The agent's id, or the name of a built-in step such as `assistant`.")
    node_type: str
    node_label: str
    status: NodeStatus
    input_data: dict[str, JsonValue] | None = None
    output_data: dict[str, JsonValue] | None = None
    error_message: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration_ms: int | None = None
    retry_count: int = 0


class Metrics(_Part):
    """Counts, times in milliseconds and USD over all steps of one run."""

    total_nodes: int = 0
    completed_nodes: int = 0
    failed_nodes: int = 0
    skipped_nodes: int = 0
    total_duration_ms: int | None = None
    llm_calls: int = 0
    llm_tokens: int = 0
    tool_calls: int = 0
    estimated_cost: float | None = Field(default=None, description="USD; null when a price is not known.")
    reused_steps: int = Field(
        default=0, description="Steps that another run had done; their calls, tokens and cost are counted there alone."
    )


class ForkedFrom(_Part):
    """The run that another one goes on from, and where."""

    execution_id: UUID
    version: int = Field(ge=0, description="Of its events: what was complete at that one is reused.")
    step: str | None = Field(default=None, description="The first step that is done anew, where it is known.")


class Execution(_Part):
    """A run as the API shows it."""

    id: UUID
    flow_id: UUID
    flow_type: str
    flow_name: str
    flow_version: int
    status: ExecutionStatus
    input_data: dict[str, JsonValue]
    output_data: dict[str, JsonValue] | None = None
    error_message: str | None = None
    started_at: datetime
    completed_at: datetime | None = None
    duration_ms: int | None = None
    user_id: int
    session_id: str | None = None
    parent_execution_id: UUID | None = Field(default=None, description="The run that called this one as a tool.")
    forked_from: ForkedFrom | None = Field(default=None, description="The run whose results this one began with.")
    node_executions: list[NodeExecution] = Field(default_factory=list[NodeExecution])
    metrics: Metrics = Metrics()
