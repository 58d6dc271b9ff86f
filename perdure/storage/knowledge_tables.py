"""The tables of knowledge bases; migration 0006 says what their indexes are for."""

from datetime import datetime
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import ForeignKey, Identity, Index, PrimaryKeyConstraint, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from perdure.storage.tables import Base

INDEXED_DIMENSIONS = (256, 384, 512, 768, 1024, 1536, 3072)
"""Vectors of these lengths have an index; others are compared one by one."""

_NOT_DELETED = text("deleted_at IS NULL")


class KnowledgeBaseRow(Base):
    """A knowledge base. A deleted one keeps its row, for its events, and nothing else."""

    __tablename__ = "knowledgebases"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    description: Mapped[str | None]
    embedding_model: Mapped[str]
    embedding_dimension: Mapped[int]
    chunk_size: Mapped[int]
    chunk_overlap: Mapped[int]
    version: Mapped[int]
    # Kept with every change of a document: a search decides by it how to look.
    document_count: Mapped[int] = mapped_column(server_default=text("0"))
    chunk_count: Mapped[int] = mapped_column(server_default=text("0"))
    # The latest re-index: `domain.reindexing.Reindex`.
    reindex: Mapped[dict[str, object] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_knowledgebases_user", "user_id", "created_at", "id", postgresql_where=_NOT_DELETED),)


class DocumentRow(Base):
    """A document and how far it has come."""

    __tablename__ = "documents"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    knowledgebase_id: Mapped[UUID] = mapped_column(ForeignKey("knowledgebases.id"))
    name: Mapped[str]
    media_type: Mapped[str]
    size_bytes: Mapped[int]
    content_hash: Mapped[str]
    status: Mapped[str]
    error_message: Mapped[str | None]
    chunks_done: Mapped[int] = mapped_column(server_default=text("0"))
    chunks_total: Mapped[int | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_documents_knowledgebase", "knowledgebase_id", "created_at", "id"),
        # What a search leaves out: the few that are not ready.
        Index("ix_documents_unready", "knowledgebase_id", "id", postgresql_where=text("status <> 'ready'")),
    )


class DocumentPieceRow(Base):
    """The bytes of an upload, in pieces, until they have been read."""

    __tablename__ = "document_pieces"

    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    sequence: Mapped[int]
    data: Mapped[bytes]

    __table_args__ = (PrimaryKeyConstraint("document_id", "sequence"),)


class PendingChunkRow(Base):
    """A chunk that has no embedding yet. Apart from `chunks`, whose rows are costly to change once indexed."""

    __tablename__ = "pending_chunks"

    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    chunk_index: Mapped[int]
    content: Mapped[str]
    content_hash: Mapped[str]
    search_vector: Mapped[str] = mapped_column(TSVECTOR)

    __table_args__ = (PrimaryKeyConstraint("document_id", "chunk_index"),)


class ReindexVectorRow(Base):
    """A vector of the model that a knowledge base is changing to, until all are there."""

    __tablename__ = "reindex_vectors"

    reindex_id: Mapped[UUID]
    content_hash: Mapped[str]
    embedding: Mapped[list[float]] = mapped_column(HALFVEC())

    __table_args__ = (PrimaryKeyConstraint("reindex_id", "content_hash"),)


class ChunkRow(Base):
    """A chunk with its embedding. It is found once its document is ready."""

    __tablename__ = "chunks"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    knowledgebase_id: Mapped[UUID] = mapped_column(ForeignKey("knowledgebases.id"))
    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    chunk_index: Mapped[int]
    content: Mapped[str]
    content_hash: Mapped[str]
    dimension: Mapped[int]
    embedding: Mapped[list[float]] = mapped_column(HALFVEC())
    search_vector: Mapped[str] = mapped_column(TSVECTOR, deferred=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("document_id", "chunk_index"),
        Index("ix_chunks_known", "knowledgebase_id", "content_hash"),
        Index("ix_chunks_search_vector", "search_vector", postgresql_using="gin"),
        *(
            Index(
                f"ix_chunks_embedding_{dimension}",
                text(f"(embedding::halfvec({dimension})) halfvec_cosine_ops"),
                postgresql_using="hnsw",
                postgresql_where=text(f"dimension = {dimension}"),
            )
            for dimension in INDEXED_DIMENSIONS
        ),
    )
