"""The event store of everything but executions: each event is written in the transaction of the change it records."""

from typing import cast
from uuid import UUID

from sqlalchemy import Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from perdure.domain.events import Event
from perdure.storage.knowledge_tables import KnowledgeBaseRow
from perdure.storage.tables import EventRow, FlowRow

_INSERT = insert(cast("Table", EventRow.__table__))


async def append(session: AsyncSession, event: Event) -> None:
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
    return [
        Event.model_validate(
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
        for row in rows
    ]
