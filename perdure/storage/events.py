"""The event store of everything but executions: each event is written in the transaction of the change it records."""

from typing import cast
from uuid import UUID

from sqlalchemy import Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.events import Event
from perdure.storage.knowledge_tables import KnowledgeBaseRow
from perdure.storage.tables import EventRow, FlowRow

_INSERT = insert(cast("Table", EventRow.__table__))


async def append(session: AsyncConnection | AsyncSession, event: Event) -> None:
    """Add an event at its version. Versions are dense: the caller holds its aggregate's row, or has just made it."""
    await session.execute(
        _INSERT,
        {
            "aggregate_type": event.aggregate_type,
            "aggregate_id": event.aggregate_id,
            "version": event.version,
            "event_type": event.event_type,
            "event_data": event.event_data,
            "user_id": event.user_id,
            "metadata": event.metadata,
            "timestamp": event.timestamp,
        },
    )


async def append_next(session: AsyncConnection | AsyncSession, event: Event) -> None:
    """Add an event at the version that comes next, whatever its own says; hold a lock on its aggregate before."""
    latest = await session.scalar(
        select(func.max(EventRow.version)).where(
            EventRow.aggregate_type == event.aggregate_type, EventRow.aggregate_id == event.aggregate_id
        )
    )
    await append(session, event.model_copy(update={"version": (latest or 0) + 1}))


def session_aggregate(user_id: int, session_id: str) -> str:
    """Under which id a session's events are kept: session ids are their users' own words."""
    return f"{user_id}/{session_id}"


async def read_session_events(session: AsyncSession, session_id: str, *, user_id: int) -> list[Event]:
    """All events of a session of this user's, deleted ones included. Empty where there was none."""
    rows = await session.scalars(
        select(EventRow)
        .where(EventRow.aggregate_type == "Session", EventRow.aggregate_id == session_aggregate(user_id, session_id))
        .order_by(EventRow.version)
    )
    return [to_event(row).model_copy(update={"aggregate_id": session_id}) for row in rows]


async def next_version(session: AsyncSession, aggregate_type: str, aggregate_id: str) -> int:
    """Say which version comes next in an aggregate that keeps no version of its own; hold a lock on it before."""
    latest = await session.scalar(
        select(func.max(EventRow.version)).where(
            EventRow.aggregate_type == aggregate_type, EventRow.aggregate_id == aggregate_id
        )
    )
    return (latest or 0) + 1


async def read_knowledge_base_events(session: AsyncSession, knowledgebase_id: UUID, *, user_id: int) -> list[Event]:
    """All events of a knowledge base of this user's, deleted ones included. Empty where there is none."""
    return await _read(session, "KnowledgeBase", knowledgebase_id, KnowledgeBaseRow, user_id)


async def read_flow_events(session: AsyncSession, flow_id: UUID, *, user_id: int) -> list[Event]:
    """All events of a flow of this user's, deleted ones included. Empty where there is no such flow."""
    return await _read(session, "Flow", flow_id, FlowRow, user_id)


async def read_user_events(session: AsyncSession, user_id: int) -> list[Event]:
    """All events of a user. Empty where there is none."""
    rows = await session.scalars(
        select(EventRow)
        .where(EventRow.aggregate_type == "User", EventRow.aggregate_id == str(user_id))
        .order_by(EventRow.version)
    )
    return [to_event(row) for row in rows]


async def _read(
    session: AsyncSession,
    aggregate_type: str,
    aggregate_id: UUID,
    owned: type[FlowRow] | type[KnowledgeBaseRow],
    user_id: int,
) -> list[Event]:
    rows = await session.scalars(
        select(EventRow)
        .join(owned, owned.id == aggregate_id)
        .where(
            EventRow.aggregate_type == aggregate_type,
            EventRow.aggregate_id == str(aggregate_id),
            owned.user_id == user_id,
        )
        .order_by(EventRow.version)
    )
    return [to_event(row) for row in rows]


def to_event(row: EventRow) -> Event:
    """Build an event from its row."""
    return Event.model_validate(
        {
            "aggregate_id": row.aggregate_id,
            "aggregate_type": row.aggregate_type,
            "event_type": row.event_type,
            "event_data": row.event_data,
            "user_id": row.user_id,
            "metadata": row.event_metadata,
            "timestamp": row.timestamp,
            "version": row.version,
        }
    )
