"""Re-indexing: a knowledge base gets vectors of another embedding model while searches go on with the old ones."""

from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class ReindexStatus(StrEnum):
    """Where a re-index is."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class EmbeddingChoice(BaseModel):
    """A model of embeddings and the length of its vectors."""

    model_config = ConfigDict(frozen=True)

    model: str
    dimension: int


class Reindex(EmbeddingChoice):
    """The latest re-index of a knowledge base and how far it has come."""

    id: UUID
    status: ReindexStatus
    chunks_done: int = 0
    chunks_total: int = Field(default=0, description="Grows with documents that become ready meanwhile.")
    error: str | None = Field(default=None, description="Why it failed; the old model is in use as before.")

    @property
    def choice(self) -> EmbeddingChoice:
        """What it changes to."""
        return EmbeddingChoice(model=self.model, dimension=self.dimension)


class ReindexInput(BaseModel):
    """What a re-index works on, and behind which content hash it goes on."""

    model_config = ConfigDict(frozen=True)

    knowledgebase_id: UUID
    reindex_id: UUID
    after: str = ""


class ReindexProgress(BaseModel):
    """How far a re-index has come; `after` is None when there is nothing left behind the last place."""

    model_config = ConfigDict(frozen=True)

    chunks_done: int
    chunks_total: int
    after: str | None


class ReindexFailure(BaseModel):
    """A re-index that cannot go on, and why."""

    model_config = ConfigDict(frozen=True)

    reindex: ReindexInput
    reason: str


class ReindexResult(BaseModel):
    """How it ended; without a status it was cancelled, superseded, or its knowledge base deleted."""

    model_config = ConfigDict(frozen=True)

    status: ReindexStatus | None
    error_message: str | None = None
