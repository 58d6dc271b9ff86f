"""Runs the migrations on the connection that `perdure.storage.migrate` hands in."""

from alembic import context
from sqlalchemy import Connection

import perdure.live.table
import perdure.storage.tables  # noqa: F401 - registers the tables that autogenerate compares with
from perdure.storage.metadata import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
