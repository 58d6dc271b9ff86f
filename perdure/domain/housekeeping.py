"""What the reconciling workflow and its activities tell each other."""

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
