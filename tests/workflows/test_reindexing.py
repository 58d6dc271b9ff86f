"""A knowledge base changes its embedding model on the real server, while it is searched, filled and broken."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from temporalio.testing import ActivityEnvironment

from activities.housekeeping import HousekeepingActivities
from perdure.domain.errors import ConflictError
from perdure.domain.knowledge import DocumentStatus, KnowledgeBase
from perdure.domain.reindexing import ReindexStatus
from perdure.storage import knowledge
from perdure.storage.knowledge_tables import ChunkRow, DocumentRow, ReindexVectorRow
from perdure.storage.reindexing import cancel_reindex
from perdure.temporal.reindexing import reindex_workflow_id
from tests.support.knowledge import Library
from tests.support.running import Lab
from tests.support.scripted_embeddings import EmbeddingBehaviour

LONG = "\n\n".join(f"Paragraph {number}. " + f"word{number} " * 40 for number in range(300))
"""More chunks than go into one batch."""

TO_SCRIPTED = {"embedding_model": "openai:scripted", "embedding_dimension": 64}


@pytest.fixture
def library(lab: Lab) -> Library:
    return Library(lab)


async def waiting_vectors(library: Library, base: KnowledgeBase) -> int:
    assert base.reindex is not None
    async with library.lab.runtime.single.connect() as connection:
        counted = select(func.count()).where(ReindexVectorRow.reindex_id == base.reindex.id)
        return await connection.scalar(counted) or 0


async def dimensions(library: Library, base: KnowledgeBase) -> set[int]:
    async with library.lab.runtime.single.connect() as connection:
        return set(await connection.scalars(select(ChunkRow.dimension).where(ChunkRow.knowledgebase_id == base.id)))


async def reconcile(library: Library) -> None:
    """One pass that leaves nothing alone for its youth."""
    runtime = library.lab.runtime
    housekeeping = HousekeepingActivities(runtime.records, runtime.sessions, grace=timedelta(0))
    await ActivityEnvironment().run(housekeeping.reconcile)


async def test_every_text_is_embedded_once_and_the_new_vectors_take_over(library: Library) -> None:
    base = await library.make(chunk_size=100, chunk_overlap=0)
    await library.add(base, "long.txt", LONG)
    await library.add(base, "copy.txt", LONG)
    started = await library.change(base, **TO_SCRIPTED)
    assert (started.embedding_model, started.version) == ("local:wordllama", base.version + 5)
    done = await library.reindexed(started)
    assert (done.embedding_model, done.embedding_dimension) == ("openai:scripted", 64)
    assert done.version == started.version + 1
    assert done.reindex is not None
    assert (done.reindex.status, done.reindex.error) == (ReindexStatus.COMPLETED, None)
    assert done.reindex.chunks_done == done.reindex.chunks_total == done.chunk_count
    embedded = [text for call in await library.lab.model.embedding_calls() for text in call.inputs]
    assert len(embedded) == len(set(embedded)) == done.chunk_count // 2
    assert await dimensions(library, base) == {64}
    assert await waiting_vectors(library, done) == 0
    (hit,) = await library.search(base, query=embedded[0], top_k=1)
    assert hit.score > 0.99


async def test_documents_come_go_and_are_found_while_it_runs(library: Library) -> None:
    base = await library.make(chunk_size=100, chunk_overlap=0)
    gone = await library.add(base, "gone.txt", "Stones sink.")
    await library.add(base, "long.txt", LONG)
    await library.lab.model.script_embeddings(EmbeddingBehaviour(after=1, status=503, body={}, times=1))
    started = await library.change(base, **TO_SCRIPTED)
    await library.lab.model.wait_for_embedding_calls(2)
    assert (await library.search(base, query="Stones sink.", top_k=1))[0].document_id == gone.id
    await library.delete(gone)
    fresh = await library.add(base, "fresh.txt", "Feathers float in the wind.")
    assert fresh.status is DocumentStatus.READY
    assert (await library.search(base, query="Feathers float in the wind.", top_k=1))[0].document_id == fresh.id
    done = await library.reindexed(started)
    assert done.embedding_model == "openai:scripted"
    assert (await library.search(base, query="Feathers float in the wind.", top_k=1))[0].document_id == fresh.id
    assert await dimensions(library, base) == {64}


@pytest.mark.parametrize(
    ("behaviour", "fields", "advice"),
    [
        (EmbeddingBehaviour(status=401, body={"error": {"message": "no"}}), TO_SCRIPTED, "OPENAI_API_KEY"),
        (EmbeddingBehaviour(), {**TO_SCRIPTED, "embedding_dimension": 65}, "64 dimensions"),
    ],
    ids=["key", "dimension"],
)
async def test_one_that_fails_says_why_and_the_old_model_stays(
    library: Library, behaviour: EmbeddingBehaviour, fields: dict[str, str | int], advice: str
) -> None:
    base = await library.make()
    await library.add(base, "a.txt", "Ships float.")
    await library.lab.model.script_embeddings(behaviour)
    failed = await library.reindexed(await library.change(base, **fields))
    assert failed.reindex is not None
    assert failed.reindex.status is ReindexStatus.FAILED
    assert advice in (failed.reindex.error or "")
    assert failed.embedding_model == "local:wordllama"
    assert len(await library.search(base, query="ships")) == 1
    assert (await library.reindexed(await library.change(base, **TO_SCRIPTED))).embedding_model == "openai:scripted"


async def test_it_is_superseded_cancelled_and_left_alone_by_what_was_read(library: Library) -> None:
    base = await library.make()
    await library.add(base, "a.txt", "Ships float.")
    await library.lab.model.script_embeddings(EmbeddingBehaviour(hang=True, times=2))
    first = await library.change(base, **TO_SCRIPTED)
    await library.lab.model.wait_for_embedding_calls(1)
    assert (await library.change(base, **TO_SCRIPTED)).reindex == first.reindex
    back = await library.change(base, embedding_model="local:wordllama", embedding_dimension=256, name="Renamed")
    assert back.reindex == first.reindex
    second = await library.change(base, embedding_model="openai:text-embedding-3-small", embedding_dimension=32)
    # Both hang in their calls: one that had not begun would see that it is cancelled, and end by itself.
    await library.lab.model.wait_for_embedding_calls(2)
    assert first.reindex is not None
    assert second.reindex is not None
    assert second.reindex.id != first.reindex.id
    async with library.lab.runtime.sessions.begin() as session:
        held = await knowledge.lock_knowledge_base(session, base.id, user_id=library.lab.user_id)
        cancelled = await cancel_reindex(session, library.origin, held)
    assert cancelled.reindex is not None
    assert cancelled.reindex.status is ReindexStatus.CANCELLED
    async with library.lab.runtime.sessions.begin() as session:
        with pytest.raises(ConflictError):
            await cancel_reindex(session, library.origin, cancelled)
    for reindex in (first.reindex, second.reindex):
        await library.lab.runtime.client.get_workflow_handle(reindex_workflow_id(reindex.id)).terminate()
    assert (await library.base(base.id)).embedding_model == "local:wordllama"
    assert await library.search(base, query="ships") != []


async def test_what_was_terminated_is_failed_by_housekeeping(library: Library) -> None:
    base = await library.make()
    await library.add(base, "a.txt", "Ships float.")
    await library.lab.model.script_embeddings(EmbeddingBehaviour(hang=True, times=2))
    started = await library.change(base, **TO_SCRIPTED)
    other = await library.scripted()
    document = await library.upload(other, "b.txt", "Stones sink.")
    await library.lab.model.wait_for_embedding_calls(2)
    await reconcile(library)
    assert (await library.document(document)).status is DocumentStatus.PROCESSING
    assert started.reindex is not None
    for workflow_id in (reindex_workflow_id(started.reindex.id), f"ingestion-{document.id}"):
        await library.lab.runtime.client.get_workflow_handle(workflow_id).terminate()
    await reconcile(library)
    failed = await library.document(document)
    assert failed.status is DocumentStatus.FAILED
    assert "upload the document again" in (failed.error_message or "")
    now = await library.base(base.id)
    assert now.reindex is not None
    assert now.reindex.status is ReindexStatus.FAILED


async def test_a_deleted_knowledge_base_is_gone_at_once_and_emptied_later(library: Library) -> None:
    base = await library.make(chunk_size=100, chunk_overlap=0)
    await library.add(base, "long.txt", LONG)
    async with library.lab.runtime.sessions.begin() as session:
        held = await knowledge.lock_knowledge_base(session, base.id, user_id=library.lab.user_id)
        await knowledge.delete_knowledge_base(session, library.origin, held)
    await reconcile(library)
    async with library.lab.runtime.single.connect() as connection:
        for table in (ChunkRow, DocumentRow):
            assert await connection.scalar(select(func.count()).where(table.knowledgebase_id == base.id)) == 0
