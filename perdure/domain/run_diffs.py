"""Two runs side by side, as they are shown."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from perdure.domain.executions import ExecutionStatus, Metrics


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StepSide(_Part):
    """One step in one of the two runs. Numbers are null where they are not known."""

    status: str
    output: str | None
    model: str | None
    tokens: int | None
    cost_usd: float | None
    duration_ms: int | None
    attempts: int
    is_reused: bool
    is_edited: bool
    error: str | None


class StepDiff(_Part):
    """One step in both. A side is null where that run has no such step."""

    step_id: str
    node_label: str
    node_type: str
    a: StepSide | None
    b: StepSide | None
    same: bool = Field(description="Whether both ended in the same way with the same output.")
    output_diff: str | None = Field(description="Unified diff from a to b, cut where it is long. Null: no difference.")
    tokens: int | None = Field(description="b less a.")
    cost_usd: float | None = Field(description="b less a.")
    duration_ms: int | None = Field(description="b less a.")


class RunSide(_Part):
    """One of the two runs as a whole. Reused steps are not counted in its tokens, cost and calls."""

    execution_id: UUID
    status: ExecutionStatus
    output: str | None
    metrics: Metrics


class RunDiff(_Part):
    """Where two runs part."""

    a: RunSide
    b: RunSide
    first_difference: str | None = Field(description="The first step that is not the same. Null: there is none.")
    steps: list[StepDiff]
    same: bool
    output_diff: str | None = Field(description="Of the runs' answers.")
    tokens: int = Field(description="b less a, as paid by each run.")
    cost_usd: float | None = Field(description="b less a; null where one is not known.")
    duration_ms: int | None = Field(description="b less a; null while one runs.")
