"""Answers of chats keep the tool calls that they were made from."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("chat_messages", sa.Column("steps", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("chat_messages", "steps")
