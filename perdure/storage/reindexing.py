"""What a re-index writes. Vectors wait beside the chunks, by content hash, until all are there; then they take over.

Whoever changes anything here holds the knowledge base's row and finds its re-index still running: one that was
cancelled, superseded or deleted with its knowledge base writes nothing more.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID, uuid4

from pgvector import HalfVector
from sqlalchemy import bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.errors import ConflictError, NotFoundError
from perdure.domain.knowledge import KnowledgeBase
from perdure.domain.reindexing import EmbeddingChoice, Reindex, ReindexInput, ReindexProgress, ReindexStatus
from perdure.domain.users import Origin
from perdure.storage.knowledge import lock_knowledge_base, read_base_of_ingestion, record_change
from perdure.storage.knowledge_tables import ChunkRow, KnowledgeBaseRow

_NEXT = text("""
    SELECT content_hash, min(content) AS content FROM chunks
    WHERE knowledgebase_id = :base AND content_hash > :after AND NOT EXISTS (
        SELECT FROM reindex_vectors AS v WHERE v.reindex_id = :reindex AND v.content_hash = chunks.content_hash
    )
    GROUP BY content_hash ORDER BY content_hash LIMIT :size
""")
_KEEP = text("""
    INSERT INTO reindex_vectors (reindex_id, content_hash, embedding)
    SELECT CAST(:reindex AS uuid), h, CAST(e AS halfvec)
    FROM unnest(CAST(:hashes AS text[]), CAST(:embeddings AS text[])) AS given (h, e)
    ON CONFLICT DO NOTHING RETURNING content_hash
""")
_COUNT = text("""
    SELECT count(*) FROM chunks WHERE knowledgebase_id = :base AND content_hash = ANY(CAST(:hashes AS text[]))
""")
_SWITCH = text("""
    UPDATE chunks SET embedding = v.embedding, dimension = :dimension FROM reindex_vectors AS v
    WHERE chunks.knowledgebase_id = :base AND v.reindex_id = :reindex AND v.content_hash = chunks.content_hash
        AND v.content_hash = ANY(CAST(:hashes AS text[]))
""")
_HASHES = text("""
    SELECT content_hash FROM reindex_vectors WHERE reindex_id = :reindex AND content_hash > :after
    ORDER BY content_hash LIMIT 1000
""")
"""One statement may take a minute (`storage.engine`), a switch longer: it goes by so many texts a statement."""
_DROP = text("DELETE FROM reindex_vectors WHERE reindex_id = :reindex")
_PROGRESS = text("UPDATE knowledgebases SET reindex = :value WHERE id = :base").bindparams(
    bindparam("value", type_=KnowledgeBaseRow.__table__.c.reindex.type)
)


async def begin_reindex(
    session: AsyncSession, origin: Origin, base: KnowledgeBase, choice: EmbeddingChoice
) -> KnowledgeBase:
    """Note a new re-index of a knowledge base that is held; one under way is superseded."""
    if is_running(base):
        base = await cancel_reindex(session, origin, base)
    reindex = Reindex(
        id=uuid4(), status=ReindexStatus.RUNNING, chunks_total=base.chunk_count, **choice.model_dump(mode="json")
    )
    return await _record(session, base, origin, "ReindexStarted", reindex)


async def cancel_reindex(session: AsyncSession, origin: Origin, base: KnowledgeBase) -> KnowledgeBase:
    """End the re-index of a knowledge base that is held; the old vectors stay. Raises ConflictError."""
    reindex = base.reindex
    if reindex is None or reindex.status is not ReindexStatus.RUNNING:
        raise ConflictError("No re-index of this knowledge base is running: there is nothing to cancel.")
    await drop_vectors(session, reindex.id)
    cancelled = reindex.model_copy(update={"status": ReindexStatus.CANCELLED})
    return await _record(session, base, origin, "ReindexCancelled", cancelled)


def is_running(base: KnowledgeBase) -> bool:
    """Whether vectors of another model are being made."""
    return base.reindex is not None and base.reindex.status is ReindexStatus.RUNNING


async def drop_vectors(session: AsyncSession, reindex_id: UUID) -> None:
    """Let go of the vectors that wait."""
    await session.execute(_DROP, {"reindex": reindex_id})


async def read_running(connection: AsyncConnection, given: ReindexInput) -> Reindex:
    """Read a re-index that is under way. Raises NotFoundError: it is over, or not committed yet."""
    return _running(await read_base_of_ingestion(connection, given.knowledgebase_id), given)


async def count_chunks(session: AsyncSession, given: ReindexInput) -> ReindexProgress:
    """Say how many chunks there are to do. Raises NotFoundError."""
    base = await lock_knowledge_base(session, given.knowledgebase_id, user_id=None)
    reindex = _running(base, given)
    total = await session.scalar(select(func.count()).where(ChunkRow.knowledgebase_id == base.id)) or 0
    return await _write_progress(session, base, reindex, reindex.chunks_done, total, given.after)


async def next_texts(connection: AsyncConnection, given: ReindexInput, size: int) -> Mapping[str, str]:
    """The next texts without a vector by their hash, in the hashes' order, at most `size`."""
    found = await connection.execute(
        _NEXT,
        {"base": given.knowledgebase_id, "reindex": given.reindex_id, "after": given.after, "size": size},
    )
    return {row["content_hash"]: row["content"] for row in found.mappings()}


async def keep_vectors(
    session: AsyncSession, given: ReindexInput, embeddings: Mapping[str, Sequence[float]]
) -> ReindexProgress:
    """Keep vectors by their text's hash; those that are there already stay. Raises NotFoundError."""
    base = await lock_knowledge_base(session, given.knowledgebase_id, user_id=None)
    reindex = _running(base, given)
    if not embeddings:
        return ReindexProgress(chunks_done=reindex.chunks_done, chunks_total=reindex.chunks_total, after=None)
    written = {digest: HalfVector(list(vector)).to_text() for digest, vector in embeddings.items()}
    parameters = {"reindex": reindex.id, "hashes": list(written), "embeddings": list(written.values())}
    new = list((await session.execute(_KEEP, parameters)).scalars())
    counted = await session.scalar(_COUNT, {"base": base.id, "hashes": new}) or 0
    done = reindex.chunks_done + counted
    return await _write_progress(session, base, reindex, done, max(reindex.chunks_total, done), list(written)[-1])


async def switch(session: AsyncSession, given: ReindexInput) -> bool:
    """Let the new vectors take over, in the next version. False: there are chunks without one; nothing has changed.

    Raises NotFoundError.
    """
    base = await lock_knowledge_base(session, given.knowledgebase_id, user_id=None)
    reindex = base.reindex
    if reindex is not None and reindex.id == given.reindex_id and reindex.status is ReindexStatus.COMPLETED:
        # An attempt before this one did it and could not say so.
        return True
    reindex = _running(base, given)
    # Ingestions store under a shared lock of the row that is held here: no chunk comes in between.
    left = await session.execute(_NEXT, {"base": base.id, "reindex": reindex.id, "after": "", "size": 1})
    if left.first() is not None:
        return False
    await _take_over(session, base, reindex)
    await drop_vectors(session, reindex.id)
    total = await session.scalar(select(func.count()).where(ChunkRow.knowledgebase_id == base.id)) or 0
    update = {"status": ReindexStatus.COMPLETED, "chunks_done": total, "chunks_total": total}
    model = {"embedding_model": reindex.model, "embedding_dimension": reindex.dimension}
    await _record(session, base, None, "ReindexCompleted", reindex.model_copy(update=update), model)
    return True


async def _take_over(session: AsyncSession, base: KnowledgeBase, reindex: Reindex) -> None:
    after = ""
    while hashes := list((await session.execute(_HASHES, {"reindex": reindex.id, "after": after})).scalars()):
        parameters = {"base": base.id, "reindex": reindex.id, "dimension": reindex.dimension, "hashes": hashes}
        await session.execute(_SWITCH, parameters)
        after = hashes[-1]


async def fail_reindex(session: AsyncSession, given: ReindexInput, reason: str) -> None:
    """Say why it cannot go on, and let go of what there is of it; the old vectors stay. Raises NotFoundError."""
    base = await lock_knowledge_base(session, given.knowledgebase_id, user_id=None)
    reindex = _running(base, given)
    await drop_vectors(session, reindex.id)
    failed = reindex.model_copy(update={"status": ReindexStatus.FAILED, "error": reason})
    await _record(session, base, None, "ReindexFailed", failed)


def _running(base: KnowledgeBase, given: ReindexInput) -> Reindex:
    reindex = base.reindex
    if reindex is None or reindex.id != given.reindex_id or reindex.status is not ReindexStatus.RUNNING:
        raise NotFoundError("The re-index is no longer under way.")
    return reindex


async def _write_progress(
    session: AsyncSession, base: KnowledgeBase, reindex: Reindex, done: int, total: int, after: str
) -> ReindexProgress:
    now = reindex.model_copy(update={"chunks_done": done, "chunks_total": total})
    await session.execute(_PROGRESS, {"value": now.model_dump(mode="json"), "base": base.id})
    return ReindexProgress(chunks_done=done, chunks_total=total, after=after)


async def _record(
    session: AsyncSession,
    base: KnowledgeBase,
    origin: Origin | None,
    event_type: str,
    reindex: Reindex,
    values: Mapping[str, object] | None = None,
) -> KnowledgeBase:
    told = reindex.model_dump(mode="json")
    return await record_change(
        session, base, origin, event_type, values={**(values or {}), "reindex": told}, data={"reindex": told}
    )
