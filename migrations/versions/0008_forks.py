"""Forks and retries name the run that they go on from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("executions", sa.Column("forked_from", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("executions", "forked_from")
