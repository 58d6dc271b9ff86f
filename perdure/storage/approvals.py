"""What runs ask people: a row each, written with the run's notes, read by lists and inboxes."""

from dataclasses import dataclass
from typing import TypeVarTuple
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, and_, case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.approvals import Approval, ApprovalStatus
from perdure.domain.notes import ApprovalClosed, ApprovalCounted, ApprovalRequested
from perdure.domain.runs import NoteInput
from perdure.domain.users import User
from perdure.orchestration.approvals import STATUS_OF
from perdure.storage.executions import OPEN_STATUSES
from perdure.storage.tables import ApprovalRow, ExecutionRow

Columns = TypeVarTuple("Columns")

_IS_OVER = func.coalesce(ExecutionRow.status, OPEN_STATUSES[0]).not_in(OPEN_STATUSES)
_STATUS = case(
    (and_(ApprovalRow.status == ApprovalStatus.PENDING.value, _IS_OVER), ApprovalStatus.CANCELLED.value),
    else_=ApprovalRow.status,
)
_KEPT = tuple(getattr(ApprovalRow, name) for name in Approval.model_fields if name not in {"status", "flow_name"})
_SHOWN = (
    select(*_KEPT, _STATUS.label("status"), ExecutionRow.flow_name.label("flow_name"))
    .select_from(ApprovalRow)
    # The row of a run may come a moment later than what it asks: its starter has not committed yet.
    .outerjoin(ExecutionRow, ExecutionRow.id == ApprovalRow.execution_id)
)


async def keep_note(session: AsyncSession, noted: NoteInput, run_id: str) -> None:
    """Keep what a note says of an approval; other notes are none of this table's. Repeating it changes nothing."""
    match noted.note:
        case ApprovalRequested():
            await _open(session, noted, noted.note, run_id)
        case ApprovalCounted() | ApprovalClosed():
            await _move_on(session, noted.execution_id, noted.note, run_id)
        case _:
            return


def concerns(noted: NoteInput) -> bool:
    """Whether `keep_note` has anything to do."""
    return isinstance(noted.note, ApprovalRequested | ApprovalCounted | ApprovalClosed)


async def _open(session: AsyncSession, noted: NoteInput, note: ApprovalRequested, run_id: str) -> None:
    fresh: dict[str, object] = {
        **note.model_dump(exclude={"type", "approval_id"}),
        "run_id": run_id,
        "user_id": noted.user_id,
        "status": ApprovalStatus.PENDING.value,
        "approved_by": [],
        "decided_by": [],
        "comment": None,
        "decided_at": None,
        "created_at": func.now(),
    }
    key = {"execution_id": noted.execution_id, "approval_id": note.approval_id}
    # Whatever is there was written by an attempt that history does not know, or by a run that was reset.
    await session.execute(
        insert(ApprovalRow).values({**key, **fresh}).on_conflict_do_update(index_elements=list(key), set_=fresh)
    )


async def _move_on(
    session: AsyncSession, execution_id: UUID, note: ApprovalCounted | ApprovalClosed, run_id: str
) -> None:
    now = note.model_dump(include={"arguments", "revision", "approved_by", "decided_by", "comment", "decided_at"})
    if isinstance(note, ApprovalClosed):
        now["status"] = STATUS_OF[note.decision].value
    await session.execute(
        update(ApprovalRow)
        .where(
            ApprovalRow.execution_id == execution_id,
            ApprovalRow.approval_id == note.approval_id,
        )
        .values(run_id=run_id, **now)
    )


async def list_approvals(connection: AsyncConnection, execution_id: UUID, *, user: User) -> list[Approval]:
    """What a run asks, as far as this user may see it, in the order it was asked."""
    found = await connection.execute(
        _SHOWN.where(ApprovalRow.execution_id == execution_id, _visible_to(user)).order_by(
            ApprovalRow.created_at, ApprovalRow.approval_id
        )
    )
    return [_to_approval(row) for row in found.mappings()]


async def find_approval(
    connection: AsyncConnection, execution_id: UUID, approval_id: str, *, user: User
) -> Approval | None:
    """One approval, None where there is none that this user may see."""
    found = await connection.execute(
        _SHOWN.where(
            ApprovalRow.execution_id == execution_id, ApprovalRow.approval_id == approval_id, _visible_to(user)
        )
    )
    row = found.mappings().one_or_none()
    return _to_approval(row) if row else None


@dataclass(frozen=True)
class Inbox:
    """The approvals that a user may decide, or might have decided, of one status."""

    user: User
    status: ApprovalStatus


async def list_inbox(
    connection: AsyncConnection, inbox: Inbox, *, limit: int, offset: int
) -> tuple[list[Approval], int]:
    """A page of an inbox, newest first, and how many there are in all."""
    counted = (
        select(func.count())
        .select_from(ApprovalRow)
        .outerjoin(ExecutionRow, ExecutionRow.id == ApprovalRow.execution_id)
    )
    total = await connection.scalar(_in(counted, inbox))
    found = await connection.execute(
        _in(_SHOWN, inbox)
        .order_by(ApprovalRow.created_at.desc(), ApprovalRow.execution_id, ApprovalRow.approval_id)
        .limit(limit)
        .offset(offset)
    )
    return [_to_approval(row) for row in found.mappings()], total or 0


def _in(query: Select[*Columns], inbox: Inbox) -> Select[*Columns]:
    # Named so, its index serves the status that is asked for most. What is shown as cancelled may stand as pending.
    shown = ApprovalRow.status == inbox.status.value
    if inbox.status is ApprovalStatus.CANCELLED:
        shown = or_(shown, ApprovalRow.status == ApprovalStatus.PENDING.value)
    return query.where(
        or_(
            ApprovalRow.approvers.contains([inbox.user.email]),
            and_(ApprovalRow.user_id == inbox.user.id, func.cardinality(ApprovalRow.approvers) == 0),
        ),
        shown,
        _STATUS == inbox.status.value,  # noqa: SIM300 - SQLAlchemy's, not Python's
    )


def _visible_to(user: User) -> ColumnElement[bool]:
    return or_(ApprovalRow.user_id == user.id, ApprovalRow.approvers.contains([user.email]))


def _to_approval(row: RowMapping) -> Approval:
    return Approval.model_validate(dict(row))
