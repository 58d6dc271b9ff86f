"""The event store of everything but executions: each event is written in the transaction of the change it records."""

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from perdure.domain.events import Event
from perdure.storage.tables import EventRow


async def append(session: AsyncSession, event: Event) -> None:
    """Add an event at its version. Versions are dense: the caller holds its aggregate's row, or has just made it."""
    await session.execute(
        insert(EventRow).values(
            aggregate_type=event.aggregate_type,
            aggregate_id=event.aggregate_id,
            version=event.version,
            event_type=event.event_type,
            event_data=event.event_data,
            user_id=event.user_id,
            event_metadata=event.metadata,
            timestamp=event.timestamp,
        )
    )


async def next_version(session: AsyncSession, aggregate_type: str, aggregate_id: str) -> int:
    """Say which version comes next in an aggregate that keeps no version of its own; hold a lock on it before."""
    latest = await session.scalar(
        select(func.max(EventRow.version)).where(
            EventRow.aggregate_type == aggregate_type, EventRow.aggregate_id == aggregate_id
        )
    )
    return (latest or 0) + 1
