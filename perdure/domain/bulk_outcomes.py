"""What became of many executions that were to be forked or retried at once."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Started(BaseModel):
    """A new execution and the one that it goes on from."""

    model_config = ConfigDict(frozen=True)

    execution_id: UUID
    forked_from: UUID


class Skipped(BaseModel):
    """An execution that nothing was started for."""

    model_config = ConfigDict(frozen=True)

    execution_id: UUID
    reason: str
    started_before: UUID | None = Field(default=None, description="What an earlier call like this one started for it.")


class BulkOutcome(BaseModel):
    """What became of each execution that was looked at."""

    model_config = ConfigDict(frozen=True)

    started: list[Started]
    skipped: list[Skipped]
