"""Sessions whose turns come one after another, with a memory of their own.

Revision ID: 0007
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "chat_sessions", sa.Column("turn_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("chat_sessions", sa.Column("memory_config", postgresql.JSONB(), nullable=True))
    op.add_column(
        "chat_messages", sa.Column("interrupted", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_index(
        "ix_chat_sessions_user", "chat_sessions", ["user_id", sa.text("updated_at DESC"), sa.text("key DESC")]
    )
    op.create_table(
        "chat_turns",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("session_key", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("fate", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_key"], ["chat_sessions.key"], name=op.f("fk_chat_turns_session_key"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("execution_id", name=op.f("pk_chat_turns")),
    )
    op.create_index(
        "ix_chat_turns_open", "chat_turns", ["session_key", "number"], postgresql_where=sa.text("NOT ended")
    )
    op.create_index("ix_chat_turns_session", "chat_turns", ["session_key"])
    op.create_table(
        "chat_summaries",
        sa.Column("session_key", sa.BigInteger(), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("folds", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cost_usd", sa.Double[float](), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_key"], ["chat_sessions.key"], name=op.f("fk_chat_summaries_session_key"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_key", name=op.f("pk_chat_summaries")),
    )
    op.create_table(
        "chat_turn_vectors",
        sa.Column("session_key", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_key", "sequence"],
            ["chat_messages.session_key", "chat_messages.sequence"],
            name=op.f("fk_chat_turn_vectors_session_key_sequence"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_key", "sequence", name=op.f("pk_chat_turn_vectors")),
    )


def downgrade() -> None:
    op.drop_table("chat_turn_vectors")
    op.drop_table("chat_summaries")
    op.drop_table("chat_turns")
    op.drop_index("ix_chat_sessions_user", table_name="chat_sessions")
    op.drop_column("chat_messages", "interrupted")
    op.drop_column("chat_sessions", "memory_config")
    op.drop_column("chat_sessions", "turn_count")
