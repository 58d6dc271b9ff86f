"""What housekeeping does for knowledge bases: empty deleted ones bit by bit, and find what seems to be under way."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.knowledge import IngestionInput
from perdure.domain.reindexing import ReindexInput

_ROWS_AT_ONCE = 2000

_TO_EMPTY = text("""
    SELECT id FROM knowledgebases AS b WHERE deleted_at IS NOT NULL AND (
        reindex IS NOT NULL OR EXISTS (SELECT FROM documents AS d WHERE d.knowledgebase_id = b.id)
    ) ORDER BY id LIMIT 100
""")
_BITS = (
    text("DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE knowledgebase_id = :base LIMIT :size)"),
    text("""
        DELETE FROM pending_chunks WHERE (document_id, chunk_index) IN (
            SELECT p.document_id, p.chunk_index FROM pending_chunks AS p JOIN documents AS d ON d.id = p.document_id
            WHERE d.knowledgebase_id = :base LIMIT :size
        )
    """),
    text("DELETE FROM documents WHERE id IN (SELECT id FROM documents WHERE knowledgebase_id = :base LIMIT :size)"),
    text("""
        DELETE FROM reindex_vectors WHERE (reindex_id, content_hash) IN (
            SELECT v.reindex_id, v.content_hash FROM reindex_vectors AS v
            JOIN knowledgebases AS b ON v.reindex_id = CAST(b.reindex ->> 'id' AS uuid)
            WHERE b.id = :base LIMIT :size
        )
    """),
    text("UPDATE knowledgebases SET reindex = NULL WHERE id = :base AND reindex IS NOT NULL"),
)
_DOCUMENTS = text("""
    SELECT d.id AS document_id, d.knowledgebase_id FROM documents AS d
    JOIN knowledgebases AS b ON b.id = d.knowledgebase_id
    WHERE d.status IN ('pending', 'processing') AND d.updated_at < :before AND b.deleted_at IS NULL AND d.id > :after
    ORDER BY d.id LIMIT 200
""")
_REINDEXES = text("""
    SELECT id AS knowledgebase_id, CAST(reindex ->> 'id' AS uuid) AS reindex_id FROM knowledgebases
    WHERE reindex ->> 'status' = 'running' AND updated_at < :before AND deleted_at IS NULL
""")


async def to_empty(connection: AsyncConnection | AsyncSession) -> list[UUID]:
    """Some knowledge bases that are deleted and not empty."""
    return list((await connection.execute(_TO_EMPTY)).scalars())


async def empty_a_bit(session: AsyncSession, knowledgebase_id: UUID) -> bool:
    """Delete some rows of a deleted knowledge base. False when there are none left."""
    for statement in _BITS:
        parameters = {"base": knowledgebase_id, "size": _ROWS_AT_ONCE}
        wanted = {name: value for name, value in parameters.items() if f":{name}" in statement.text}
        if (await (await session.connection()).execute(statement, wanted)).rowcount > 0:
            return True
    return False


async def ingestions_under_way(
    connection: AsyncConnection | AsyncSession, *, before: datetime, after: UUID
) -> list[IngestionInput]:
    """A page of documents on their way into their knowledge bases that were not touched since, in the ids' order."""
    found = await connection.execute(_DOCUMENTS, {"before": before, "after": after})
    return [IngestionInput(**row) for row in found.mappings()]


async def reindexes_under_way(connection: AsyncConnection | AsyncSession, *, before: datetime) -> list[ReindexInput]:
    """Re-indexes of knowledge bases that were not changed since."""
    found = await connection.execute(_REINDEXES, {"before": before})
    return [ReindexInput(**row) for row in found.mappings()]
