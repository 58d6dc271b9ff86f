"""The live channel."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "live_frames",
        sa.Column("writer", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("writer", "seq", name=op.f("pk_live_frames")),
        prefixes=["UNLOGGED"],
    )
    op.create_index(
        "ix_live_frames_ended", "live_frames", ["created_at"], unique=False, postgresql_where=sa.text("kind = 'end'")
    )
    op.create_index(op.f("ix_live_frames_execution_id"), "live_frames", ["execution_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_live_frames_execution_id"), table_name="live_frames")
    op.drop_index("ix_live_frames_ended", table_name="live_frames", postgresql_where=sa.text("kind = 'end'"))
    op.drop_table("live_frames")
