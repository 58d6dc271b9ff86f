"""Executions to fork or retry in bulk."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, and_, cast, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from perdure.domain.executions import ExecutionStatus
from perdure.storage.tables import ExecutionRow


@dataclass(frozen=True)
class BulkFilter:
    """Which of a user's executions; what is None does not filter. `since` is included, `until` is not."""

    user_id: int
    statuses: tuple[ExecutionStatus, ...]
    flow_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


async def find_in_bulk(
    connection: AsyncConnection, wanted: BulkFilter, *, key_prefix: str, limit: int
) -> list[tuple[UUID, UUID | None]]:
    """The executions that match, with the one that `key_prefix` and their id as idempotency key have started before.

    Those that have started none come first, the newest first.
    """
    started = aliased(ExecutionRow)
    query = (
        select(ExecutionRow.id, started.id)
        .outerjoin(
            started,
            and_(
                started.user_id == ExecutionRow.user_id,
                started.idempotency_key == literal(key_prefix).concat(cast(ExecutionRow.id, Text)),
            ),
        )
        .where(
            ExecutionRow.user_id == wanted.user_id,
            # What a run had called as a tool is that run's own affair.
            ExecutionRow.parent_execution_id.is_(None),
            ExecutionRow.status.in_([status.value for status in wanted.statuses]),
        )
        .order_by(started.id.is_not(None), ExecutionRow.started_at.desc(), ExecutionRow.id)
        .limit(limit)
    )
    if wanted.flow_id is not None:
        query = query.where(ExecutionRow.flow_id == wanted.flow_id)
    if wanted.since is not None:
        query = query.where(ExecutionRow.started_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(ExecutionRow.started_at < wanted.until)
    return [(execution_id, started_id) for execution_id, started_id in await connection.execute(query)]
