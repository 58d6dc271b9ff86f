"""Knowledge bases for tests: made, filled and searched without HTTP."""

import io
from uuid import UUID

from pydantic import JsonValue

from perdure.domain.knowledge import (
    Document,
    Found,
    Hit,
    IngestionInput,
    IngestionResult,
    KnowledgeBase,
    KnowledgeBaseCreate,
    RetrievalSettings,
)
from perdure.domain.reindexing import ReindexResult
from perdure.domain.users import Origin
from perdure.knowledge import change, search, take_in
from perdure.storage import documents, knowledge
from perdure.temporal.ingesting import ingestion_id
from perdure.temporal.reindexing import reindex_workflow_id
from tests.support.running import Lab, replayer


class Bytes:
    """A file that has come in."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    async def read(self, size: int) -> bytes:
        return self._file.read(size)

    async def seek(self, offset: int) -> None:
        self._file.seek(offset)


class Library:
    """The knowledge bases of a lab's user."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.origin = Origin(lab.user_id, {})

    async def make(self, **fields: JsonValue) -> KnowledgeBase:
        body = KnowledgeBaseCreate.model_validate({"name": "Library", **fields})
        async with self.lab.runtime.sessions.begin() as session:
            return await knowledge.create_knowledge_base(session, self.origin, body)

    async def scripted(self, **fields: JsonValue) -> KnowledgeBase:
        """One whose embeddings are the scripted model's."""
        return await self.make(embedding_model="openai:scripted", embedding_dimension=64, **fields)

    async def base(self, knowledgebase_id: UUID) -> KnowledgeBase:
        async with self.lab.runtime.single.connect() as connection:
            return await knowledge.read_knowledge_base(connection, knowledgebase_id, user_id=self.lab.user_id)

    async def upload(self, base: KnowledgeBase, name: str, data: bytes | str) -> Document:
        file = Bytes(data.encode() if isinstance(data, str) else data)
        return await take_in(self.lab.runtime, self.origin, base.id, name=name, media_type=None, file=file)

    async def add(self, base: KnowledgeBase, name: str, data: bytes | str) -> Document:
        """Upload a document, wait for the end of its ingestion, and replay that."""
        return await self.taken_in(await self.upload(base, name, data))

    async def taken_in(self, document: Document) -> Document:
        await self.ended(document)
        return await self.document(document)

    async def ended(self, document: Document) -> IngestionResult:
        """Wait for the end of an ingestion and replay it."""
        ingestion = IngestionInput(knowledgebase_id=document.knowledgebase_id, document_id=document.id)
        handle = self.lab.runtime.client.get_workflow_handle(ingestion_id(ingestion), result_type=IngestionResult)
        result = await handle.result()
        history = await handle.fetch_history()
        await replayer(self.lab.runtime.client.data_converter).replay_workflow(history)
        return result

    async def document(self, document: Document) -> Document:
        async with self.lab.runtime.single.connect() as connection:
            return await documents.read_document(connection, document.knowledgebase_id, document.id)

    async def delete(self, document: Document) -> None:
        async with self.lab.runtime.sessions.begin() as session:
            base = await knowledge.lock_knowledge_base(session, document.knowledgebase_id, user_id=self.lab.user_id)
            await documents.delete_document(session, self.origin, base, document.id)

    async def change(self, base: KnowledgeBase, **fields: JsonValue) -> KnowledgeBase:
        return await change(self.lab.runtime, self.origin, base.id, fields)

    async def reindexed(self, base: KnowledgeBase) -> KnowledgeBase:
        """Wait for the end of the re-index that was started, replay it, and read the knowledge base."""
        if base.reindex is None:
            raise ValueError("no re-index was started")
        workflow_id = reindex_workflow_id(base.reindex.id)
        handle = self.lab.runtime.client.get_workflow_handle(workflow_id, result_type=ReindexResult)
        await handle.result()
        await replayer(self.lab.runtime.client.data_converter).replay_workflow(await handle.fetch_history())
        return await self.base(base.id)

    async def search(self, *bases: KnowledgeBase, query: str, **settings: JsonValue) -> list[Hit]:
        return list((await self.find(*bases, query=query, **settings)).hits)

    async def find(self, *bases: KnowledgeBase, query: str, **settings: JsonValue) -> Found:
        return await search(
            self.lab.runtime,
            user_id=self.lab.user_id,
            knowledgebase_ids=[str(base.id) for base in bases],
            query=query,
            settings=RetrievalSettings.model_validate(settings),
        )
