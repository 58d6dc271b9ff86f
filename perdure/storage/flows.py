"""Flows in PostgreSQL: one table for both kinds. Every change writes its event in the same transaction."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

from pydantic import JsonValue
from sqlalchemy import Executable, Table, bindparam, insert, or_, select, update
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
_ACTIVITY = ("execution_count", "last_execution_status", "last_execution_at")
_FLOWS = cast("Table", FlowRow.__table__)
# Built once: building a statement takes longer than running it.
_VISIBLE = (
    select(*VIEW_COLUMNS)
    .join(FlowActivityRow, FlowActivityRow.flow_id == FlowRow.id)
    .where(
        FlowRow.id == bindparam("flow_id"),
        FlowRow.deleted_at.is_(None),
        or_(FlowRow.user_id == bindparam("user_id"), FlowRow.is_public),
    )
)
_VISIBLE_OF_KIND = _VISIBLE.where(FlowRow.flow_type == bindparam("flow_type"))
# By whether the kind is asked for.
_READ: Mapping[bool, Executable] = {False: _VISIBLE, True: _VISIBLE_OF_KIND}
_LOCK: Mapping[bool, Executable] = {
    of_kind: statement.with_for_update(of=FlowRow)
    for of_kind, statement in ((False, _VISIBLE), (True, _VISIBLE_OF_KIND))
}
_INSERT = insert(_FLOWS)
_UPDATE = update(_FLOWS).where(_FLOWS.c.id == bindparam("flow_id"))
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
    found = await connection.execute(_READ[flow_type is not None], _parameters(flow_id, user_id, flow_type))
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
    identity = {"id": uuid4(), "user_id": origin.user_id, "version": 1, "created_at": now, "updated_at": now}
    view = flow_view_adapter.validate_python({**fields.model_dump(), **identity})
    values = settable_fields(fields)
    await session.execute(_INSERT, {**identity, **_columns(values)})
    await append(session, _event("FlowCreated", view, origin, changed=sorted(values)))
    return view


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
    following = {"version": view.version + 1, "updated_at": max(datetime.now(UTC), view.updated_at)}
    changed_view = flow_view_adapter.validate_python({**view.model_dump(), **fields.model_dump(), **following})
    await session.execute(_UPDATE, {"flow_id": flow_id, **following, **_columns(after)})
    await append(session, _event("FlowUpdated", changed_view, origin, changed=changed))
    return changed_view


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
    following = {"version": view.version + 1, "updated_at": now}
    await session.execute(_UPDATE, {"flow_id": flow_id, **following, "deleted_at": now})
    await append(session, _event("FlowDeleted", view.model_copy(update=following), origin, changed=[]))


def _parameters(flow_id: UUID, user_id: int, flow_type: FlowType | None) -> dict[str, Any]:
    parameters: dict[str, Any] = {"flow_id": flow_id, "user_id": user_id}
    return parameters if flow_type is None else {**parameters, "flow_type": flow_type.value}


async def _locked(
    session: AsyncSession, user_id: int, flow_id: UUID, flow_type: FlowType | None
) -> AgentflowView | ChatflowView:
    """Read a flow and hold its row, so that changes at the same time follow one another."""
    found = await session.execute(_LOCK[flow_type is not None], _parameters(flow_id, user_id, flow_type))
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
    return flow_adapter.validate_python(view.model_dump(exclude=set(_ACTIVITY)))


def _columns(fields: Mapping[str, JsonValue]) -> dict[str, Any]:
    """Split a flow's fields into its columns; `definition` holds what only its kind has."""
    definition = {name: value for name, value in fields.items() if name not in _SHARED_FIELDS}
    return {**{name: fields[name] for name in _SHARED_FIELDS}, "definition": definition}


def _event(event_type: str, view: AgentflowView | ChatflowView, origin: Origin, *, changed: list[str]) -> Event:
    flow = view.model_dump(mode="json", exclude=set(_ACTIVITY))
    return Event(
        aggregate_id=str(view.id),
        aggregate_type="Flow",
        event_type=event_type,
        event_data={"flow": flow, "changed": list[JsonValue](changed)},
        user_id=origin.user_id,
        metadata=origin.metadata,
        timestamp=view.updated_at,
        version=view.version,
    )
