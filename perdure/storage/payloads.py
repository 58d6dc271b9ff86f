"""The life of payloads kept outside Temporal's history: as long as the history that refers to them."""

from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from perdure.storage.tables import PayloadRow

BATCH = 500


async def delete_payloads(session: AsyncSession, workflow_ids: list[str]) -> int:
    """Delete every payload of these workflows; how many there were."""
    deleted = await session.execute(
        delete(PayloadRow).where(PayloadRow.workflow_id.in_(workflow_ids)).returning(PayloadRow.digest)
    )
    return len(deleted.all())


async def owners_before(session: AsyncSession, instant: datetime, *, after: str) -> list[str]:
    """Workflows with payloads older than `instant`, a page at a time in the order of their ids."""
    rows = await session.scalars(
        select(PayloadRow.workflow_id)
        .where(PayloadRow.created_at < instant.astimezone(UTC), PayloadRow.workflow_id > after)
        .distinct()
        .order_by(PayloadRow.workflow_id)
        .limit(BATCH)
    )
    return list(rows)
