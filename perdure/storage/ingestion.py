"""What an ingestion writes. Every step may be repeated, also by an attempt that was given up and still runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from pgvector import HalfVector
from sqlalchemy import Table, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.errors import NotFoundError
from perdure.domain.knowledge import Document, DocumentStatus, IngestionInput, IngestionProgress, KnowledgeBase
from perdure.domain.reindexing import EmbeddingChoice
from perdure.retrieval.reading import ReadChunk
from perdure.storage.documents import DOCUMENT_COLUMNS
from perdure.storage.knowledge import document_data, lock_knowledge_base, record_change, share_knowledge_base
from perdure.storage.knowledge_tables import ChunkRow, DocumentPieceRow, DocumentRow, PendingChunkRow

_DOCUMENTS = cast("Table", DocumentRow.__table__)
_PENDING = cast("Table", PendingChunkRow.__table__)
_ROWS_AT_ONCE = 500
_UNDER_WAY = (DocumentStatus.PENDING.value, DocumentStatus.PROCESSING.value)

_INSERT_PENDING = text("""
    INSERT INTO pending_chunks (document_id, chunk_index, content, content_hash, search_vector)
    VALUES (:document, :index, :content, :content_hash, CAST(CAST(:search_vector AS text) AS tsvector))
""")
_NEXT = text("""
    SELECT chunk_index, content, content_hash, (
        SELECT CAST(embedding AS text) FROM chunks
        WHERE knowledgebase_id = :base AND content_hash = pending_chunks.content_hash LIMIT 1
    ) AS known
    FROM pending_chunks WHERE document_id = :document ORDER BY chunk_index LIMIT :size
""")
_STORE = text("""
    WITH embedded AS (
        SELECT * FROM unnest(CAST(:hashes AS text[]), CAST(:embeddings AS text[])) AS e (content_hash, embedding)
    ), taken AS (
        DELETE FROM pending_chunks USING embedded
        WHERE document_id = :document AND chunk_index <= :upto
            AND pending_chunks.content_hash = embedded.content_hash
        RETURNING chunk_index, content, pending_chunks.content_hash, search_vector, embedded.embedding
    )
    INSERT INTO chunks
        (knowledgebase_id, document_id, chunk_index, content, content_hash, dimension, embedding, search_vector)
    SELECT CAST(:base AS uuid), CAST(:document AS uuid), chunk_index, content, content_hash, :dimension,
        CAST(embedding AS halfvec), search_vector
    FROM taken
""")


@dataclass(frozen=True)
class Batch:
    """The next chunks of a document; `known` are those whose embedding the knowledge base has already."""

    unknown: Mapping[str, str]
    """The texts that need an embedding, by their hash, each once."""
    known: Mapping[str, str]
    """Embeddings as PostgreSQL writes them, by their text's hash."""
    upto: int
    """The index of the last chunk."""


async def read_under_way(
    connection: AsyncConnection | AsyncSession, ingestion: IngestionInput, *, hold: bool = False
) -> Document:
    """Read a document that is on its way; `hold` its row so that nobody else writes to it.

    Raises NotFoundError: it was deleted, has failed or is ready, or its upload is not committed yet.
    """
    query = select(*DOCUMENT_COLUMNS).where(
        _DOCUMENTS.c.id == ingestion.document_id, _DOCUMENTS.c.status.in_(_UNDER_WAY)
    )
    row = (await connection.execute(query.with_for_update() if hold else query)).mappings().one_or_none()
    if row is None:
        raise NotFoundError("The document is no longer on its way into its knowledge base.")
    return Document.model_validate({**row})


async def read_bytes(connection: AsyncConnection, document_id: UUID) -> bytes:
    """The file as it was uploaded."""
    pieces = await connection.scalars(
        select(DocumentPieceRow.data)
        .where(DocumentPieceRow.document_id == document_id)
        .order_by(DocumentPieceRow.sequence)
    )
    return b"".join(pieces)


async def keep_chunks(session: AsyncSession, ingestion: IngestionInput, chunks: Sequence[ReadChunk]) -> None:
    """Keep what was read from the file, in place of the file. Raises NotFoundError."""
    document = await read_under_way(session, ingestion, hold=True)
    if document.chunks_total is not None:
        return
    for rows in _in_batches(document.id, chunks):
        await session.execute(_INSERT_PENDING, rows)
    await session.execute(delete(DocumentPieceRow).where(DocumentPieceRow.document_id == document.id))
    await _write(session, document.id, status=DocumentStatus.PROCESSING.value, chunks_total=len(chunks))


def _in_batches(document_id: UUID, chunks: Sequence[ReadChunk]) -> Iterator[list[dict[str, object]]]:
    for start in range(0, len(chunks), _ROWS_AT_ONCE):
        yield [
            {"document": document_id, "index": index, **chunk.model_dump(exclude={"kind"})}
            for index, chunk in enumerate(chunks[start : start + _ROWS_AT_ONCE], start=start)
        ]


async def next_batch(connection: AsyncConnection, ingestion: IngestionInput, size: int) -> Batch | None:
    """The next chunks without an embedding, at most `size`. None when there are none."""
    found = await connection.execute(
        _NEXT, {"base": ingestion.knowledgebase_id, "document": ingestion.document_id, "size": size}
    )
    rows = found.mappings().all()
    if not rows:
        return None
    return Batch(
        unknown={row["content_hash"]: row["content"] for row in rows if row["known"] is None},
        known={row["content_hash"]: row["known"] for row in rows if row["known"] is not None},
        upto=rows[-1]["chunk_index"],
    )


async def store_batch(
    session: AsyncSession,
    ingestion: IngestionInput,
    batch: Batch,
    embeddings: Mapping[str, Sequence[float]],
    made_with: EmbeddingChoice,
) -> IngestionProgress:
    """Keep the chunks of a batch with their embeddings, given by their text's hash. Raises NotFoundError.

    Nothing is kept when the knowledge base has another embedding model by now: the batch is still to do.
    """
    base = await share_knowledge_base(session, ingestion.knowledgebase_id)
    document = await read_under_way(session, ingestion, hold=True)
    if base.embedding != made_with:
        return IngestionProgress(chunks_done=document.chunks_done, chunks_total=document.chunks_total or 0)
    written = {**batch.known, **{digest: HalfVector(list(vector)).to_text() for digest, vector in embeddings.items()}}
    await session.execute(
        _STORE,
        {
            "base": ingestion.knowledgebase_id,
            "document": ingestion.document_id,
            "upto": batch.upto,
            "dimension": made_with.dimension,
            "hashes": list(written),
            "embeddings": list(written.values()),
        },
    )
    left = await session.scalar(select(func.count()).where(_PENDING.c.document_id == document.id)) or 0
    total = document.chunks_total or 0
    await _write(session, document.id, chunks_done=total - left)
    return IngestionProgress(chunks_done=total - left, chunks_total=total)


async def make_ready(session: AsyncSession, ingestion: IngestionInput) -> None:
    """Let a document's chunks be found, in the next version of its knowledge base. Raises NotFoundError."""
    base = await lock_knowledge_base(session, ingestion.knowledgebase_id, user_id=None)
    if await _is_ready(session, ingestion):
        # An attempt before this one did it and could not say so.
        return
    document = await read_under_way(session, ingestion, hold=True)
    await _write(session, document.id, status=DocumentStatus.READY.value)
    counted = {"chunk_count": base.chunk_count + document.chunks_done}
    await _record(session, base, document, "DocumentReady", DocumentStatus.READY, values=counted)


async def make_failed(session: AsyncSession, ingestion: IngestionInput, reason: str) -> None:
    """Say why a document cannot be taken in, and let go of what there is of it. Raises NotFoundError."""
    base = await lock_knowledge_base(session, ingestion.knowledgebase_id, user_id=None)
    document = await read_under_way(session, ingestion, hold=True)
    for table in (DocumentPieceRow, PendingChunkRow, ChunkRow):
        await session.execute(delete(table).where(table.document_id == document.id))
    await _write(session, document.id, status=DocumentStatus.FAILED.value, error_message=reason, chunks_done=0)
    failed = document.model_copy(update={"error_message": reason})
    await _record(session, base, failed, "DocumentFailed", DocumentStatus.FAILED, values={})


async def _is_ready(session: AsyncSession, ingestion: IngestionInput) -> bool:
    status = await session.scalar(select(_DOCUMENTS.c.status).where(_DOCUMENTS.c.id == ingestion.document_id))
    return status == DocumentStatus.READY.value


async def _record(
    session: AsyncSession,
    base: KnowledgeBase,
    document: Document,
    event_type: str,
    status: DocumentStatus,
    *,
    values: Mapping[str, object],
) -> None:
    told = document.model_copy(update={"status": status})
    await record_change(session, base, None, event_type, values=values, data=document_data(told))


async def _write(session: AsyncSession, document_id: UUID, **values: object) -> None:
    await session.execute(
        update(_DOCUMENTS).where(_DOCUMENTS.c.id == document_id).values(**values, updated_at=datetime.now(UTC))
    )
