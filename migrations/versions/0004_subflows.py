"""Runs that other runs call as tools name their parent.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("executions", sa.Column("parent_execution_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("executions", "parent_execution_id")
