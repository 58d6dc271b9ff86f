"""The deeds of an ingestion: read and cut the file, embed a batch, write how it ended."""

import asyncio
import os
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.chunk_embedding import BATCH, embed_by_hash
from activities.heartbeat import heartbeating
from activities.patience import PatientDatabase
from perdure.domain.knowledge import Document, IngestionFailure, IngestionInput, IngestionProgress, KnowledgeBase
from perdure.domain.text import storable
from perdure.llm.embeddings import Embeddings
from perdure.retrieval.chunking import ChunkSettings
from perdure.retrieval.formats import FileKind, UnreadableError
from perdure.retrieval.reading import ReadChunk, read_file
from perdure.storage.ingestion import (
    keep_chunks,
    make_failed,
    make_ready,
    next_batch,
    read_bytes,
    read_under_way,
    store_batch,
)
from perdure.storage.knowledge import read_base_of_ingestion


class DocumentActivities:
    """Built once per worker with what they need."""

    def __init__(self, database: PatientDatabase, embeddings: Embeddings) -> None:
        self._database = database
        self._embeddings = embeddings
        # Each reads in a process of its own, which may take much memory.
        self._readers = asyncio.Semaphore(max(1, (os.cpu_count() or 1) // 2))

    @property
    def all(self) -> list[Callable[..., Awaitable[object]]]:
        """What a worker registers."""
        return [self.read_document, self.embed_batch, self.finish_document, self.fail_document]

    @activity.defn
    async def read_document(self, ingestion: IngestionInput) -> IngestionProgress:
        """Turn the file into chunks that wait for their embeddings.

        Raises NotFoundError while its upload is not committed, and when it was deleted; ApplicationError, not
        retryable, for a file that cannot be read.
        """
        async with heartbeating():
            document, base = await self._database.read(lambda connection: _under_way(connection, ingestion))
            if document.chunks_total is not None:
                # An attempt before this one had come so far.
                return IngestionProgress(chunks_done=document.chunks_done, chunks_total=document.chunks_total)
            data = await self._database.read(lambda connection: read_bytes(connection, document.id))
            chunks = await self._chunks(document, base, data)
            await self._database.write(lambda session: keep_chunks(session, ingestion, chunks))
        return IngestionProgress(chunks_done=0, chunks_total=len(chunks))

    @activity.defn
    async def embed_batch(self, ingestion: IngestionInput) -> IngestionProgress:
        """Embed the next chunks and store them; what the knowledge base has embedded before is copied.

        Raises NotFoundError when the document was deleted; ApplicationError, retryable or not as the provider's error
        says.
        """
        async with heartbeating():
            document, base = await self._database.read(lambda connection: _under_way(connection, ingestion))
            batch = await self._database.read(lambda connection: next_batch(connection, ingestion, BATCH))
            if batch is None:
                return IngestionProgress(chunks_done=document.chunks_done, chunks_total=document.chunks_total or 0)
            embedded = await embed_by_hash(self._embeddings, base.embedding, batch.unknown)
            return await self._database.write(
                lambda session: store_batch(session, ingestion, batch, embedded, base.embedding)
            )

    @activity.defn
    async def finish_document(self, ingestion: IngestionInput) -> None:
        """Let the document be found. Raises NotFoundError when it was deleted."""
        await self._database.write(lambda session: make_ready(session, ingestion))

    @activity.defn
    async def fail_document(self, failure: IngestionFailure) -> None:
        """Say why the document cannot be taken in. Raises NotFoundError when it is gone or has failed."""
        await self._database.write(lambda session: make_failed(session, failure.ingestion, storable(failure.reason)))

    async def _chunks(self, document: Document, base: KnowledgeBase, data: bytes) -> list[ReadChunk]:
        settings = ChunkSettings(size=base.chunk_size, overlap=base.chunk_overlap)
        try:
            async with self._readers:
                return await read_file(FileKind(document.media_type), data, settings)
        except UnreadableError as error:
            raise ApplicationError(
                str(error), type="Unreadable", non_retryable=True, category=ApplicationErrorCategory.BENIGN
            ) from None


async def _under_way(connection: AsyncConnection, ingestion: IngestionInput) -> tuple[Document, KnowledgeBase]:
    document = await read_under_way(connection, ingestion)
    return document, await read_base_of_ingestion(connection, ingestion.knowledgebase_id)
