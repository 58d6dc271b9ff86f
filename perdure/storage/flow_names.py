"""Flows by their names, for callers who know no ids."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from perdure.storage.tables import FlowRow


async def find_named(connection: AsyncConnection, *, user_id: int, name: str) -> list[UUID]:
    """The user's own flows of exactly this name, two at most: enough to know whether it is the only one."""
    found = await connection.scalars(
        select(FlowRow.id)
        # The folded name is what the index holds.
        .where(FlowRow.user_id == user_id, FlowRow.name_key == func.search_fold(name), FlowRow.name == name)
        .where(FlowRow.deleted_at.is_(None))
        .limit(2)
    )
    return list(found)
