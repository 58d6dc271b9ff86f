"""Why a run is not moving: in one sentence, and in fields."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from perdure.domain.executions import ExecutionStatus


class _Reason(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sentence: str
    since: datetime | None = Field(description="Since when it is so; null where nobody wrote that down.")


class SeenWorker(BaseModel):
    """A worker that has asked the run's queue for work in the last minutes."""

    model_config = ConfigDict(frozen=True)

    identity: str
    build_id: str | None
    last_seen_at: datetime


class WaitsForEngine(_Reason):
    """Our own code cannot go on with the run; Temporal tries again."""

    kind: Literal["engine"] = "engine"
    attempt: int
    error: str | None


class WaitsForWorker(_Reason):
    """The next piece of work lies in the queue, and no worker has taken it."""

    kind: Literal["worker"] = "worker"
    step_id: str | None = Field(description="The step that waits; null: the run itself, to decide what comes next.")
    task_queue: str
    build_id: str | None = Field(description="Only workers of this build may take it; null: any may.")
    backlog: int = Field(description="Pieces of work that lie in the queue, about.")
    workers: list[SeenWorker] = Field(description="Of that build. Empty: there is no worker for this run at all.")


class WaitsForHuman(_Reason):
    """People are asked whether it may go on."""

    kind: Literal["human"] = "human"
    approval_id: str
    title: str
    approvers: list[str] = Field(description="Email addresses; empty: whoever started the run.")
    quorum: int
    approved_by: list[str]
    until: datetime | None = Field(description="Then it is decided without them; null: it waits for ever.")


class WaitsForRetry(_Reason):
    """A call has failed and is tried again."""

    kind: Literal["retry"] = "retry"
    step_id: str
    attempt: int = Field(description="The one that comes next, counted from 1; lost workers count too.")
    last_error: str | None
    next_attempt_at: datetime | None


class WaitsForChild(_Reason):
    """Another flow's run, called as a tool, has not ended."""

    kind: Literal["child"] = "child"
    step_id: str
    execution_id: UUID
    waiting_for: "list[Reason]" = Field(description="What that one waits for.")


class WaitsForTurn(_Reason):
    """Earlier messages of the same session are being answered."""

    kind: Literal["turn"] = "turn"
    session_id: str
    ahead: list[UUID] = Field(description="Their executions, the next first.")


class WaitsForCall(_Reason):
    """A worker is at it: a model, a tool or a search has been asked and has not answered."""

    kind: Literal["call"] = "call"
    step_id: str
    attempt: int
    worker: str | None
    last_heartbeat_at: datetime | None


Reason = Annotated[
    WaitsForEngine | WaitsForWorker | WaitsForHuman | WaitsForRetry | WaitsForChild | WaitsForTurn | WaitsForCall,
    Field(discriminator="kind"),
]


class Explanation(BaseModel):
    """What a run waits for. A run that has ended, or that is being worked on at this very moment, waits for nothing."""

    model_config = ConfigDict(frozen=True)

    execution_id: UUID
    status: ExecutionStatus
    sentence: str = Field(description="The most important of it, for people.")
    since: datetime | None
    waiting_for: list[Reason] = Field(description="All of it, the most important first; parallel steps wait at once.")
