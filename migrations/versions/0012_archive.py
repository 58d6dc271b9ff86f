"""The archive: the histories of ended runs, for when Temporal has forgotten them.

A row per run in Temporal's sense, compressed by us: PostgreSQL need not try again. `archived_run_id` says which run of
an execution was the last to be archived; the small index holds those that have ended since, and runs that ended before
there was an archive are among them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("executions", sa.Column("archived_run_id", sa.Text(), nullable=True))
    op.create_index(
        "ix_executions_unarchived",
        "executions",
        ["completed_at", "id"],
        postgresql_where=sa.text("completed_at IS NOT NULL AND archived_run_id IS DISTINCT FROM run_id"),
    )
    op.create_table(
        "archived_histories",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "run_id", name=op.f("pk_archived_histories")),
    )
    op.execute("ALTER TABLE archived_histories ALTER COLUMN data SET STORAGE EXTERNAL")
    op.create_index("ix_archived_histories_ended", "archived_histories", ["ended_at"])


def downgrade() -> None:
    op.drop_table("archived_histories")
    op.drop_index("ix_executions_unarchived", table_name="executions")
    op.drop_column("executions", "archived_run_id")
