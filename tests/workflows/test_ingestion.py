"""Documents taken in on the real server: what is kept, what is embedded, what happens when something breaks."""

import pytest
from sqlalchemy import func, select

from perdure.domain.errors import NotFoundError
from perdure.domain.knowledge import Document, DocumentStatus
from perdure.storage.knowledge_tables import ChunkRow, DocumentPieceRow, PendingChunkRow
from tests.support.files import docx, pdf
from tests.support.knowledge import Library
from tests.support.running import Lab
from tests.support.scripted_embeddings import EmbeddingBehaviour

LONG = "\n\n".join(f"Paragraph {number}. " + f"word{number} " * 40 for number in range(300))
"""More chunks than go into one batch."""


@pytest.fixture
def library(lab: Lab) -> Library:
    return Library(lab)


async def rows(library: Library, document: Document) -> tuple[int, int, int]:
    """How many pieces, pending chunks and chunks there are of a document."""
    async with library.lab.runtime.single.connect() as connection:
        pieces, pending, chunks = [
            await connection.scalar(select(func.count()).where(table.document_id == document.id)) or 0
            for table in (DocumentPieceRow, PendingChunkRow, ChunkRow)
        ]
        return pieces, pending, chunks


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("ships.pdf", pdf("Ships float on the water.")),
        ("ships.docx", docx("Ships", "Ships float on the water.")),
        ("ships.html", "<p>Ships float on the water.</p>"),
        ("ships.md", "# Ships\n\nShips float on the water."),
        ("ships.txt", "Ships float on the water."),
        ("ships.csv", "what,does\nShips,float on the water"),
        ("ships.json", '{"Ships": "Ships float on the water."}'),
    ],
)
async def test_a_document_of_every_kind_is_found(library: Library, name: str, data: bytes | str) -> None:
    base = await library.make()
    document = await library.add(base, name, data)
    assert (document.status, document.error_message) == (DocumentStatus.READY, None)
    assert (document.chunks_done, document.chunks_total) == (1, 1)
    (hit,) = await library.search(base, query="What floats on water?")
    assert (hit.document_id, hit.document_name, hit.chunk_index) == (document.id, name, 0)
    assert "float on the water" in hit.content
    assert hit.knowledgebase_version == (await library.base(base.id)).version == 3
    assert await rows(library, document) == (0, 0, 1)


async def test_a_long_document_goes_in_batches_and_every_chunk_is_embedded_once(library: Library) -> None:
    base = await library.scripted(chunk_size=100, chunk_overlap=0)
    document = await library.add(base, "long.txt", LONG)
    calls = await library.lab.model.embedding_calls()
    embedded = [text for call in calls for text in call.inputs]
    assert len(calls) > 1
    assert len(embedded) == len(set(embedded)) == document.chunks_total == document.chunks_done
    assert (await library.base(base.id)).chunk_count == document.chunks_total


async def test_what_is_known_in_the_knowledge_base_is_not_embedded_again(library: Library) -> None:
    base = await library.scripted(chunk_size=100, chunk_overlap=0)
    await library.add(base, "long.txt", LONG)
    before = len(await library.lab.model.embedding_calls())
    again = await library.add(base, "copy.txt", LONG + "\n\nThe end " + "differs " * 60)
    inputs = [call.inputs for call in (await library.lab.model.embedding_calls())[before:]]
    assert len(inputs) == 1
    assert all("differs" in text for text in inputs[0])
    assert again.status is DocumentStatus.READY
    other = await library.scripted(chunk_size=100, chunk_overlap=0)
    await library.add(other, "long.txt", LONG)
    assert len(await library.lab.model.embedding_calls()) > before + 1


async def test_the_same_text_twice_in_a_document_is_embedded_once(library: Library) -> None:
    base = await library.scripted(chunk_size=50, chunk_overlap=0)
    document = await library.add(base, "same.txt", "\n\n".join(["same " * 40] * 5))
    assert document.chunks_done == document.chunks_total == 5
    assert [len(call.inputs) for call in await library.lab.model.embedding_calls()] == [1]


async def test_a_batch_that_fails_is_tried_again_alone(library: Library) -> None:
    await library.lab.model.script_embeddings(EmbeddingBehaviour(after=1, status=503))
    base = await library.scripted(chunk_size=100, chunk_overlap=0)
    document = await library.add(base, "long.txt", LONG)
    assert document.status is DocumentStatus.READY
    calls = await library.lab.model.embedding_calls()
    assert [call.answered for call in calls][:3] == [True, False, True]
    embedded = [text for call in calls if call.answered for text in call.inputs]
    assert len(embedded) == len(set(embedded)) == document.chunks_total


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.txt", "", "empty"),
        ("broken.pdf", "%PDF-1.7 nothing", "no readable PDF"),
        ("broken.docx", "PK nothing", "no readable DOCX"),
        ("pictures.pdf", pdf(""), "only pictures"),
    ],
)
async def test_a_document_that_cannot_be_read_says_why_and_others_go_on(
    library: Library, name: str, data: bytes | str, reason: str
) -> None:
    base = await library.make(chunk_size=50, chunk_overlap=0)
    bad, good = await library.upload(base, name, data), await library.upload(base, "good.txt", "Ships float.")
    bad, good = await library.taken_in(bad), await library.taken_in(good)
    assert bad.status is DocumentStatus.FAILED
    assert reason in (bad.error_message or "")
    assert good.status is DocumentStatus.READY
    assert await rows(library, bad) == (0, 0, 0)


async def test_a_refused_key_fails_the_document_with_what_to_do(library: Library) -> None:
    refusal = EmbeddingBehaviour(status=401, body={"error": {"message": "no"}})
    await library.lab.model.script_embeddings(refusal)
    document = await library.add(await library.scripted(), "a.txt", "Ships float.")
    assert document.status is DocumentStatus.FAILED
    assert "OPENAI_API_KEY" in (document.error_message or "")


async def test_vectors_of_another_length_fail_the_document_with_the_right_one(library: Library) -> None:
    base = await library.make(embedding_model="openai:scripted", embedding_dimension=65)
    document = await library.add(base, "a.txt", "Ships float.")
    assert document.status is DocumentStatus.FAILED
    assert "embedding_dimension 64" in (document.error_message or "")


async def test_chunks_are_found_only_when_their_document_is_ready(library: Library) -> None:
    await library.lab.model.script_embeddings(EmbeddingBehaviour(after=1, hang=True))
    base = await library.scripted(chunk_size=100, chunk_overlap=0)
    document = await library.upload(base, "long.txt", LONG)
    await library.lab.model.wait_for_embedding_calls(2)
    assert (await library.document(document)).status is DocumentStatus.PROCESSING
    assert (await rows(library, document))[2] > 0
    assert await library.search(base, query="word1", retrieval_strategy="hybrid") == []
    await library.delete(document)
    assert await rows(library, document) == (0, 0, 0)
    with pytest.raises(NotFoundError):
        await library.document(document)


async def test_a_deleted_document_takes_its_chunks_along(library: Library) -> None:
    base = await library.make()
    document = await library.add(base, "a.txt", "Ships float.")
    kept = await library.add(base, "b.txt", "Stones sink.")
    await library.delete(document)
    assert [hit.document_id for hit in await library.search(base, query="Ships float.")] == [kept.id]
    now = await library.base(base.id)
    assert (now.document_count, now.chunk_count) == (1, 1)
