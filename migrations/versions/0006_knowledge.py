"""Knowledge bases: documents, their chunks, and what finds chunks by meaning and by word.

Vectors are kept as `halfvec`, two bytes a number: half the memory of table and index, no loss of recall that one could
measure at the rounding that embeddings have, and an index up to 4,000 dimensions, where `vector` ends at 2,000 and
OpenAI's large model has 3,072. Knowledge bases have models of different dimensions, and an index has one, so there is
a partial index for each common dimension, over one table: nothing is built or dropped while the product runs.

An approximate index over everyone's chunks finds few of a small knowledge base's. So small ones are compared in full by
`ix_chunks_known`, and only larger ones by the graph (perdure/storage/chunk_search.py).
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

_DIMENSIONS = (256, 384, 512, 768, 1024, 1536, 3072)


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    _create_knowledgebases()
    _create_documents()
    _create_chunks()


def _create_knowledgebases() -> None:
    op.create_table(
        "knowledgebases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("embedding_model", sa.Text(), nullable=False),
        sa.Column("embedding_dimension", sa.BigInteger(), nullable=False),
        sa.Column("chunk_size", sa.BigInteger(), nullable=False),
        sa.Column("chunk_overlap", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("document_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("chunk_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_knowledgebases_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledgebases")),
    )
    op.create_index(
        "ix_knowledgebases_user",
        "knowledgebases",
        ["user_id", "created_at", "id"],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def _create_documents() -> None:
    op.create_table(
        "documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("knowledgebase_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("chunks_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("chunks_total", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["knowledgebase_id"], ["knowledgebases.id"], name=op.f("fk_documents_knowledgebase_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
    )
    op.create_index("ix_documents_knowledgebase", "documents", ["knowledgebase_id", "created_at", "id"])
    op.create_index(
        "ix_documents_unready", "documents", ["knowledgebase_id", "id"], postgresql_where=sa.text("status <> 'ready'")
    )
    op.create_table(
        "document_pieces",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_document_pieces_document_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document_id", "sequence", name=op.f("pk_document_pieces")),
    )
    # Files are packed already, most of them; trying again would cost time and gain nothing.
    op.execute("ALTER TABLE document_pieces ALTER COLUMN data SET STORAGE EXTERNAL")


def _create_chunks() -> None:
    op.create_table(
        "pending_chunks",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("chunk_index", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("search_vector", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_pending_chunks_document_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document_id", "chunk_index", name=op.f("pk_pending_chunks")),
    )
    op.create_table(
        "chunks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("knowledgebase_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("chunk_index", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("dimension", sa.BigInteger(), nullable=False),
        sa.Column("embedding", HALFVEC(), nullable=False),
        sa.Column("search_vector", postgresql.TSVECTOR(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["knowledgebase_id"], ["knowledgebases.id"], name=op.f("fk_chunks_knowledgebase_id")),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_chunks_document_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunks")),
        sa.UniqueConstraint("document_id", "chunk_index", name=op.f("uq_chunks_document_id_chunk_index")),
    )
    op.create_index("ix_chunks_known", "chunks", ["knowledgebase_id", "content_hash"])
    op.create_index("ix_chunks_search_vector", "chunks", ["search_vector"], postgresql_using="gin")
    for dimension in _DIMENSIONS:
        op.execute(
            f"CREATE INDEX ix_chunks_embedding_{dimension} ON chunks"
            f" USING hnsw ((embedding::halfvec({dimension})) halfvec_cosine_ops) WHERE dimension = {dimension}"
        )


def downgrade() -> None:
    for table in ("chunks", "pending_chunks", "document_pieces", "documents", "knowledgebases"):
        op.drop_table(table)
