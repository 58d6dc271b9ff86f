"""A run as it stands in the engine at one moment: what an explanation is made from."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from perdure.domain.approvals import Approval
from perdure.domain.executions import Execution
from perdure.domain.explanations import Explanation, SeenWorker


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class PendingStep(_Part):
    """A call that has been scheduled and has not ended."""

    step_id: str
    is_started: bool = Field(description="Whether a worker has it now.")
    attempt: int
    scheduled_at: datetime | None
    started_at: datetime | None
    heartbeat_at: datetime | None
    next_attempt_at: datetime | None
    last_error: str | None
    worker: str | None


class PendingTask(_Part):
    """The run itself is to be gone on with: a decision that a worker has to make."""

    attempt: int
    scheduled_at: datetime
    started_at: datetime | None = Field(description="When a worker took it; null while it lies in the queue.")
    trouble: str | None = Field(
        default=None, description="What the code failed of at the attempt before; null where its worker was lost."
    )


class Queue(_Part):
    """Where work for the run's build lies."""

    name: str
    build_id: str | None
    backlog: int
    workers: tuple[SeenWorker, ...]


class Picture(_Part):
    """All that is known of a run that has not ended."""

    at: datetime
    execution: Execution
    task: PendingTask | None
    steps: tuple[PendingStep, ...]
    queue: Queue
    approvals: tuple[Approval, ...] = ()
    turns_ahead: tuple[UUID, ...] = ()
    children: tuple[tuple[str, Explanation], ...] = Field(
        default=(), description="Runs of flows that are called as tools, by the step that called them."
    )
