"""The table of the live channel. Unlogged: it is not written ahead, not replicated, and empty after a server crash."""

from sqlalchemy import BigInteger, Column, DateTime, Index, PrimaryKeyConstraint, Table, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB

from perdure.storage.metadata import metadata

live_frames = Table(
    "live_frames",
    metadata,
    Column("writer", BigInteger, nullable=False, autoincrement=False),
    Column("seq", BigInteger, nullable=False, autoincrement=False),
    Column("execution_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("writer", "seq"),
    Index(None, "execution_id"),
    # What housekeeping looks for: runs that are over, oldest first.
    Index("ix_live_frames_ended", "created_at", postgresql_where=text("kind = 'end'")),
    prefixes=["UNLOGGED"],
)
"""One row per frame. A worker process is one positive `writer` whose `seq` counts from 1 in the order of its commits;
the end of an execution has the negative `writer` of `perdure.live.ends.end_writer` and `seq` 1."""
