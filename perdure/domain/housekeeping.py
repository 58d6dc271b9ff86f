"""What the workflows that keep house and their activities tell each other."""

from pydantic import BaseModel, ConfigDict


class ReconcileResult(BaseModel):
    """What one pass put right."""

    model_config = ConfigDict(frozen=True)

    settled: int = 0
    adopted: int = 0
    payloads_deleted: int = 0
    documents_failed: int = 0
    reindexes_failed: int = 0
    knowledge_bases_emptied: int = 0
    audit_entries_sealed: int = 0


class ArchiveResult(BaseModel):
    """What one pass did with the archive."""

    model_config = ConfigDict(frozen=True)

    archived: int = 0
    """Executions whose histories were put there."""
    deleted: int = 0
    """Histories that were older than it is to keep."""
