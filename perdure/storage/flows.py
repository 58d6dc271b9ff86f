"""Flows in PostgreSQL: one table for both kinds. Every change writes its event in the same transaction."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import JsonValue
from sqlalchemy import ColumnElement, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.errors import ForbiddenError, NotFoundError
from perdure.domain.events import Event
from perdure.domain.flow_edits import settable_fields
from perdure.domain.flows import (
    Agentflow,
    AgentflowView,
    Chatflow,
    ChatflowView,
    FlowCreate,
    FlowFields,
    FlowType,
    flow_adapter,
    flow_view_adapter,
)
from perdure.domain.users import Origin
from perdure.storage.events import append
from perdure.storage.tables import FlowActivityRow, FlowRow

VIEW_COLUMNS = (
    FlowRow.id,
    FlowRow.user_id,
    FlowRow.flow_type,
    FlowRow.name,
    FlowRow.description,
    FlowRow.definition,
    FlowRow.graph_definition,
    FlowRow.is_public,
    FlowRow.is_active,
    FlowRow.version,
    FlowRow.tags,
    FlowRow.category,
    FlowRow.created_at,
    FlowRow.updated_at,
    FlowActivityRow.execution_count,
    FlowActivityRow.last_execution_status,
    FlowActivityRow.last_execution_at,
)
_SHARED_FIELDS = frozenset(FlowFields.model_fields) | {"flow_type"}

FlowEdit = Callable[[Agentflow | Chatflow], FlowCreate]
"""Says what a flow's fields shall be, from what it is now. Raises PerdureError to refuse."""

VersionCheck = Callable[[int], None]
"""Raises PreconditionFailedError when the present version is not one that the caller wants to change."""


def view_of(row: Mapping[str, Any]) -> AgentflowView | ChatflowView:
    """Build a flow from its columns, `VIEW_COLUMNS`."""
    fields = dict(row)
    definition = fields.pop("definition")
    return flow_view_adapter.validate_python({**fields, **definition})


async def get_view(
    connection: AsyncConnection | AsyncSession, flow_id: UUID, *, user_id: int, flow_type: FlowType | None = None
) -> AgentflowView | ChatflowView:
    """Read a flow that the user may see: an own one, or a public one.

    Raises:
        NotFoundError: there is none, or not of this kind, or not for this user.
    """
    found = await connection.execute(
        select(*VIEW_COLUMNS)
        .join(FlowActivityRow, FlowActivityRow.flow_id == FlowRow.id)
        .where(*_visible(user_id, flow_id, flow_type))
    )
    row = found.mappings().one_or_none()
    if row is None:
        raise _not_found()
    return view_of({**row})


async def get_flow(
    connection: AsyncConnection | AsyncSession, flow_id: UUID, *, user_id: int, flow_type: FlowType | None = None
) -> Agentflow | Chatflow:
    """Read a flow that the user may see and run, as a run sees it.

    Raises:
        NotFoundError: there is none, or not of this kind, or not for this user.
    """
    view = await get_view(connection, flow_id, user_id=user_id, flow_type=flow_type)
    return _without_activity(view)


async def create(session: AsyncSession, origin: Origin, fields: FlowCreate) -> AgentflowView | ChatflowView:
    """Keep a new flow of the caller's at version 1."""
    now = datetime.now(UTC)
    kept = _kept(fields, flow_id=uuid4(), user_id=origin.user_id, version=1, created_at=now, updated_at=now)
    await session.execute(
        insert(FlowRow).values(
            id=kept.id, user_id=kept.user_id, version=1, created_at=now, updated_at=now, **_columns(fields)
        )
    )
    await append(session, _event("FlowCreated", kept, origin, changed=sorted(settable_fields(fields))))
    return flow_view_adapter.validate_python(kept.model_dump())


async def change(
    session: AsyncSession,
    origin: Origin,
    flow_id: UUID,
    *,
    flow_type: FlowType | None,
    check: VersionCheck,
    edit: FlowEdit,
) -> AgentflowView | ChatflowView:
    """Change one of the caller's own flows; what changes nothing makes no version.

    Raises:
        NotFoundError: there is none, or not of this kind, or not for this user.
        ForbiddenError: it is another user's public flow.
        PerdureError: whatever `check` and `edit` refuse with.
    """
    view = await _locked(session, origin.user_id, flow_id, flow_type)
    check(view.version)
    present = _without_activity(view)
    fields = edit(present)
    before, after = settable_fields(present), settable_fields(fields)
    changed = sorted(name for name, value in after.items() if value != before[name])
    if not changed:
        return view
    now = max(datetime.now(UTC), view.updated_at)
    kept = _kept(
        fields,
        flow_id=view.id,
        user_id=view.user_id,
        version=view.version + 1,
        created_at=view.created_at,
        updated_at=now,
    )
    await session.execute(
        update(FlowRow)
        .where(FlowRow.id == flow_id)
        .values(version=kept.version, updated_at=now, **_columns(fields))
        .execution_options(synchronize_session=False)
    )
    await append(session, _event("FlowUpdated", kept, origin, changed=changed))
    return flow_view_adapter.validate_python(
        {
            **kept.model_dump(),
            "execution_count": view.execution_count,
            "last_execution_status": view.last_execution_status,
            "last_execution_at": view.last_execution_at,
        }
    )


async def delete(
    session: AsyncSession, origin: Origin, flow_id: UUID, *, flow_type: FlowType | None, check: VersionCheck
) -> None:
    """Delete one of the caller's own flows; its row stays for its executions and events.

    Raises:
        NotFoundError: there is none, or not of this kind, or not for this user.
        ForbiddenError: it is another user's public flow.
        PerdureError: whatever `check` refuses with.
    """
    view = await _locked(session, origin.user_id, flow_id, flow_type)
    check(view.version)
    now = max(datetime.now(UTC), view.updated_at)
    kept = _without_activity(view).model_copy(update={"version": view.version + 1, "updated_at": now})
    await session.execute(
        update(FlowRow)
        .where(FlowRow.id == flow_id)
        .values(version=kept.version, updated_at=now, deleted_at=now)
        .execution_options(synchronize_session=False)
    )
    await append(session, _event("FlowDeleted", kept, origin, changed=[]))


def _visible(user_id: int, flow_id: UUID, flow_type: FlowType | None) -> list[ColumnElement[bool]]:
    conditions = [
        FlowRow.id == flow_id,
        FlowRow.deleted_at.is_(None),
        or_(FlowRow.user_id == user_id, FlowRow.is_public),
    ]
    if flow_type is not None:
        conditions.append(FlowRow.flow_type == flow_type.value)
    return conditions


async def _locked(
    session: AsyncSession, user_id: int, flow_id: UUID, flow_type: FlowType | None
) -> AgentflowView | ChatflowView:
    """Read a flow and hold its row, so that changes at the same time follow one another."""
    found = await session.execute(
        select(*VIEW_COLUMNS)
        .join(FlowActivityRow, FlowActivityRow.flow_id == FlowRow.id)
        .where(*_visible(user_id, flow_id, flow_type))
        .with_for_update(of=FlowRow)
    )
    row = found.mappings().one_or_none()
    if row is None:
        raise _not_found()
    view = view_of({**row})
    if view.user_id != user_id:
        raise ForbiddenError("This flow is another user's: you can run it, and copy it into a flow of your own.")
    return view


def _not_found() -> NotFoundError:
    return NotFoundError("There is no such flow, or it is not yours: check its id.")


def _without_activity(view: AgentflowView | ChatflowView) -> Agentflow | Chatflow:
    return flow_adapter.validate_python(
        view.model_dump(exclude={"execution_count", "last_execution_status", "last_execution_at"})
    )


def _kept(
    fields: FlowCreate, *, flow_id: UUID, user_id: int, version: int, created_at: datetime, updated_at: datetime
) -> Agentflow | Chatflow:
    return flow_adapter.validate_python(
        {
            **fields.model_dump(),
            "id": flow_id,
            "user_id": user_id,
            "version": version,
            "created_at": created_at,
            "updated_at": updated_at,
        }
    )


def _columns(fields: FlowCreate) -> dict[str, Any]:
    """Split a flow's fields into its columns; `definition` holds what only its kind has."""
    values: dict[str, Any] = settable_fields(fields)
    columns = {name: values.pop(name) for name in _SHARED_FIELDS}
    return {**columns, "definition": values}


def _event(event_type: str, flow: Agentflow | Chatflow, origin: Origin, *, changed: list[str]) -> Event:
    return Event(
        aggregate_id=str(flow.id),
        aggregate_type="Flow",
        event_type=event_type,
        event_data={"flow": flow.model_dump(mode="json"), "changed": list[JsonValue](changed)},
        user_id=origin.user_id,
        metadata=origin.metadata,
        timestamp=flow.updated_at,
        version=flow.version,
    )
