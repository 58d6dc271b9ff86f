"""The life of payloads kept outside Temporal's history: as long as the history that refers to them, archived or not."""

from datetime import UTC, datetime

from sqlalchemy import Uuid, case, cast, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from perdure.storage.tables import ArchivedHistoryRow, PayloadRow

BATCH = 500
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


async def delete_payloads(session: AsyncSession, workflow_ids: list[str]) -> int:
    """Delete every payload of these workflows; how many there were."""
    deleted = await session.execute(
        delete(PayloadRow).where(PayloadRow.workflow_id.in_(workflow_ids)).returning(PayloadRow.digest)
    )
    return len(deleted.all())


async def owners_before(session: AsyncSession, instant: datetime, *, after: str) -> list[str]:
    """Workflows with payloads older than `instant` and no archived history, a page at a time in the order of ids."""
    # An execution's id; other workflows have names of other forms.
    execution_id = case((PayloadRow.workflow_id.regexp_match(_UUID), cast(PayloadRow.workflow_id, Uuid)))
    rows = await session.scalars(
        select(PayloadRow.workflow_id)
        .where(PayloadRow.created_at < instant.astimezone(UTC), PayloadRow.workflow_id > after)
        .where(~exists().where(ArchivedHistoryRow.execution_id == execution_id))
        .distinct()
        .order_by(PayloadRow.workflow_id)
        .limit(BATCH)
    )
    return list(rows)
