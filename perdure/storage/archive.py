"""The archive of ended runs' histories, a row for each run in Temporal's sense."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.storage.tables import ArchivedHistoryRow, ExecutionRow

PAGE = 100


@dataclass(frozen=True)
class Unarchived:
    """An execution that has ended since it was archived last, if ever."""

    execution_id: UUID
    run_id: str
    """The run, in Temporal's sense, that ended it."""
    ended_at: datetime


@dataclass(frozen=True)
class KeptHistory:
    """One run's history as it goes into the archive."""

    run_id: str
    events: int
    """How many it has."""
    data: bytes
    """Temporal's `History` message."""


async def find_unarchived(
    session: AsyncSession, *, ended_before: datetime, after: Unarchived | None
) -> list[Unarchived]:
    """A page of executions to archive, those that ended first before others."""
    query = (
        select(ExecutionRow.id, ExecutionRow.run_id, ExecutionRow.completed_at)
        .where(
            ExecutionRow.completed_at.is_not(None),
            ExecutionRow.archived_run_id.is_distinct_from(ExecutionRow.run_id),
            ExecutionRow.completed_at < ended_before,
        )
        .order_by(ExecutionRow.completed_at, ExecutionRow.id)
        .limit(PAGE)
    )
    if after is not None:
        # Beside the row comparison, since the planner reads an index from this one alone.
        query = query.where(
            ExecutionRow.completed_at >= after.ended_at,
            (ExecutionRow.completed_at > after.ended_at) | (ExecutionRow.id > after.execution_id),
        )
    rows = (await session.execute(query)).all()
    return [Unarchived(row.id, row.run_id or "", row.completed_at) for row in rows]


async def keep_histories(session: AsyncSession, ended: Unarchived, histories: Sequence[KeptHistory]) -> None:
    """Put an execution's histories into the archive and note that this was done. Safe to repeat.

    What is there is only ever replaced by what has more events: Temporal may have forgotten a part meanwhile.
    """
    if histories:
        adding = insert(ArchivedHistoryRow).values(
            [
                {
                    "execution_id": ended.execution_id,
                    "run_id": each.run_id,
                    "events": each.events,
                    "data": zlib.compress(each.data),
                    "ended_at": ended.ended_at,
                }
                for each in histories
            ]
        )
        is_longer = adding.excluded.events > ArchivedHistoryRow.events
        await session.execute(
            adding.on_conflict_do_update(
                index_elements=["execution_id", "run_id"],
                set_={
                    "events": case((is_longer, adding.excluded.events), else_=ArchivedHistoryRow.events),
                    "data": case((is_longer, adding.excluded.data), else_=ArchivedHistoryRow.data),
                    # All of an execution go together, when the last of them is old enough.
                    "ended_at": adding.excluded.ended_at,
                },
            )
        )
    await session.execute(
        # Of the run that was read: when another one has ended meanwhile, the next pass finds it.
        update(ExecutionRow).where(ExecutionRow.id == ended.execution_id).values(archived_run_id=ended.run_id)
    )


async def archived_runs(connection: AsyncConnection, execution_id: UUID) -> list[str]:
    """The ids of an execution's runs, in Temporal's sense, that are in the archive."""
    return list(
        await connection.scalars(
            select(ArchivedHistoryRow.run_id).where(ArchivedHistoryRow.execution_id == execution_id)
        )
    )


async def read_archived(connection: AsyncConnection, execution_id: UUID, run_ids: Sequence[str]) -> list[bytes]:
    """The histories of these runs, as Temporal's `History` messages."""
    found = await connection.scalars(
        select(ArchivedHistoryRow.data).where(
            ArchivedHistoryRow.execution_id == execution_id, ArchivedHistoryRow.run_id.in_(run_ids)
        )
    )
    return [zlib.decompress(data) for data in found]


async def delete_archived(session: AsyncSession, *, ended_before: datetime) -> int:
    """Delete the histories of runs that ended before this instant, at most a page of them; how many there were."""
    page = (
        select(ArchivedHistoryRow.execution_id, ArchivedHistoryRow.run_id)
        .where(ArchivedHistoryRow.ended_at < ended_before)
        .order_by(ArchivedHistoryRow.ended_at)
        .limit(PAGE)
        .cte("page")
    )
    deleted = await session.execute(
        delete(ArchivedHistoryRow)
        .where(
            ArchivedHistoryRow.execution_id == page.c.execution_id,
            ArchivedHistoryRow.run_id == page.c.run_id,
        )
        .returning(ArchivedHistoryRow.run_id)
    )
    return len(deleted.all())
