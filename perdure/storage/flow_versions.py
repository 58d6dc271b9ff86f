"""Versions of flows: a flow's events, read as what they say of it."""

from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.errors import ForbiddenError, NotFoundError
from perdure.domain.flow_versions import FlowVersion, FlowVersionPage
from perdure.domain.flows import Agentflow, Chatflow, flow_adapter
from perdure.storage.flows import get_flow
from perdure.storage.tables import EventRow

_FLOW = EventRow.event_data["flow"]


async def list_versions(
    connection: AsyncConnection, flow_id: UUID, *, user_id: int, limit: int, offset: int
) -> FlowVersionPage:
    """A page of the versions of one of this user's own flows, newest first.

    Raises:
        NotFoundError: there is none, or not for this user.
        ForbiddenError: it is another user's public flow.
    """
    await _own(connection, flow_id, user_id)
    found = await connection.execute(
        select(
            EventRow.version,
            _FLOW["name"].as_string().label("name"),
            EventRow.event_data["changed"].label("changed"),
            EventRow.user_id,
            EventRow.timestamp.label("created_at"),
        )
        .where(*_of(flow_id))
        .order_by(EventRow.version.desc())
        .limit(limit)
        .offset(offset)
    )
    total = await connection.scalar(select(func.count()).select_from(EventRow).where(*_of(flow_id)))
    return FlowVersionPage(
        versions=[FlowVersion.model_validate({**row}) for row in found.mappings()], total=int(total or 0)
    )


async def read_version(
    connection: AsyncConnection | AsyncSession, flow_id: UUID, version: int, *, user_id: int
) -> Agentflow | Chatflow:
    """One of this user's own flows as it was at a version.

    Raises:
        NotFoundError: there is no such flow or version, or not for this user.
        ForbiddenError: it is another user's public flow.
    """
    await _own(connection, flow_id, user_id)
    kept = await connection.scalar(select(_FLOW).where(*_of(flow_id), EventRow.version == version))
    if kept is None:
        raise NotFoundError(f"This flow has no version {version}: list its versions.")
    return flow_adapter.validate_python(kept)


async def _own(connection: AsyncConnection | AsyncSession, flow_id: UUID, user_id: int) -> None:
    flow = await get_flow(connection, flow_id, user_id=user_id)
    if flow.user_id != user_id:
        raise ForbiddenError("This flow is another user's: its former versions are theirs alone.")


def _of(flow_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return EventRow.aggregate_type == "Flow", EventRow.aggregate_id == str(flow_id)
