"""Runs the migrations on the connection that `perdure.storage.migrate` hands in."""

from alembic import context
from sqlalchemy import Connection

from perdure.live.table import live_frames
from perdure.storage.tables import Base

connection: Connection = context.config.attributes["connection"]
if live_frames.metadata is not Base.metadata:
    raise RuntimeError("Every table belongs to the one metadata that autogenerate compares with.")
context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
