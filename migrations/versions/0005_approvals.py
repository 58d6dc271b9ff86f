"""Approvals that runs ask people for.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSON

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("arguments", JSON(none_as_null=True), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("approvers", ARRAY(sa.Text()), nullable=False),
        sa.Column("quorum", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", ARRAY(sa.Text()), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("default_decision", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decided_by", ARRAY(sa.Text()), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("execution_id", "approval_id", name=op.f("pk_approvals")),
    )
    op.create_index("ix_approvals_owner", "approvals", ["user_id", "status", sa.text("created_at DESC")])
    op.create_index("ix_approvals_approvers", "approvals", ["approvers"], postgresql_using="gin")
    op.create_index(
        "ix_approvals_inbox",
        "approvals",
        ["approvers"],
        postgresql_using="gin",
        postgresql_where=sa.text("status = 'pending'"),
    )


def downgrade() -> None:
    op.drop_table("approvals")
