"""Documents of knowledge bases in PostgreSQL, as their owner sees and changes them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Table, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.errors import NotFoundError
from perdure.domain.knowledge import Document, DocumentPage, DocumentStatus, KnowledgeBase
from perdure.domain.users import Origin
from perdure.storage.knowledge import document_data, record_change
from perdure.storage.knowledge_tables import DocumentPieceRow, DocumentRow

_DOCUMENTS = cast("Table", DocumentRow.__table__)
_PIECES = cast("Table", DocumentPieceRow.__table__)
DOCUMENT_COLUMNS = tuple(_DOCUMENTS.c[name] for name in Document.model_fields)


@dataclass(frozen=True)
class Upload:
    """What is known of a file when it has come in whole."""

    document_id: UUID
    name: str
    media_type: str
    size_bytes: int
    content_hash: str


async def insert_document(session: AsyncSession, knowledgebase_id: UUID, upload: Upload) -> Document:
    """Insert a new document; its bytes follow with `add_piece`, and `record_document` counts it."""
    now = datetime.now(UTC)
    document = Document(
        id=upload.document_id,
        knowledgebase_id=knowledgebase_id,
        name=upload.name,
        media_type=upload.media_type,
        size_bytes=upload.size_bytes,
        content_hash=upload.content_hash,
        status=DocumentStatus.PENDING,
        error_message=None,
        chunks_done=0,
        chunks_total=None,
        created_at=now,
        updated_at=now,
    )
    await session.execute(insert(_DOCUMENTS), document.model_dump())
    return document


async def record_document(session: AsyncSession, origin: Origin, base: KnowledgeBase, document: Document) -> None:
    """Count a new document of a knowledge base that is held."""
    counted = {"document_count": base.document_count + 1}
    await record_change(session, base, origin, "DocumentAdded", values=counted, data=document_data(document))


async def add_piece(session: AsyncSession, document_id: UUID, sequence: int, data: bytes) -> None:
    """Keep the next bytes of an upload."""
    await session.execute(insert(_PIECES), {"document_id": document_id, "sequence": sequence, "data": data})


async def read_document(
    connection: AsyncConnection | AsyncSession, knowledgebase_id: UUID, document_id: UUID
) -> Document:
    """Read a document of this knowledge base. Raises NotFoundError."""
    found = await connection.execute(
        select(*DOCUMENT_COLUMNS).where(
            _DOCUMENTS.c.id == document_id, _DOCUMENTS.c.knowledgebase_id == knowledgebase_id
        )
    )
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFoundError("There is no such document in this knowledge base: check its id.")
    return Document.model_validate({**row})


async def list_documents(
    connection: AsyncConnection, knowledgebase_id: UUID, *, status: DocumentStatus | None, page: int, page_size: int
) -> DocumentPage:
    """List the documents of this knowledge base, newest first."""
    wanted = [_DOCUMENTS.c.knowledgebase_id == knowledgebase_id]
    if status is not None:
        wanted.append(_DOCUMENTS.c.status == status.value)
    total = await connection.scalar(select(func.count()).select_from(_DOCUMENTS).where(*wanted))
    found = await connection.execute(
        select(*DOCUMENT_COLUMNS)
        .where(*wanted)
        .order_by(_DOCUMENTS.c.created_at.desc(), _DOCUMENTS.c.id.desc())
        .limit(page_size)
        .offset((page - 1) * page_size)
    )
    documents = [Document.model_validate({**row}) for row in found.mappings()]
    return DocumentPage(documents=documents, total=total or 0, page=page, page_size=page_size)


async def delete_document(session: AsyncSession, origin: Origin, base: KnowledgeBase, document_id: UUID) -> None:
    """Delete a document of a knowledge base that is held, with its chunks; an ingestion under way ends by itself.

    Raises NotFoundError.
    """
    deleted = await session.execute(
        delete(_DOCUMENTS)
        .where(_DOCUMENTS.c.id == document_id, _DOCUMENTS.c.knowledgebase_id == base.id)
        .returning(*DOCUMENT_COLUMNS)
    )
    row = deleted.mappings().one_or_none()
    if row is None:
        raise NotFoundError("There is no such document in this knowledge base: check its id.")
    document = Document.model_validate({**row})
    found = document.chunks_done if document.status is DocumentStatus.READY else 0
    counted = {"document_count": base.document_count - 1, "chunk_count": base.chunk_count - found}
    await record_change(session, base, origin, "DocumentDeleted", values=counted, data=document_data(document))
