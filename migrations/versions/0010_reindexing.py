"""Re-indexing: vectors of another embedding model wait beside the chunks, by content hash, until all are there.

By hash and not by chunk: a text is embedded once however often it stands in the knowledge base, and documents that are
changed or deleted meanwhile need nothing done to the vectors.
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("knowledgebases", sa.Column("reindex", postgresql.JSONB(), nullable=True))
    op.create_table(
        "reindex_vectors",
        sa.Column("reindex_id", sa.Uuid(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("embedding", HALFVEC(), nullable=False),
        sa.PrimaryKeyConstraint("reindex_id", "content_hash", name=op.f("pk_reindex_vectors")),
    )


def downgrade() -> None:
    op.drop_table("reindex_vectors")
    op.drop_column("knowledgebases", "reindex")
