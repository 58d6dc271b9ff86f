"""The list of executions: a row each, upserted when a run starts and when it ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVarTuple, cast
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, Select, Table, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.audit import called_from
from perdure.domain.errors import NotFoundError
from perdure.domain.executions import FINAL_STATUSES, Execution, ExecutionStatus, NodeExecution
from perdure.domain.runs import RunEnding, RunHeader
from perdure.storage.tables import ExecutionRow, FlowActivityRow
from perdure.storage.turn_ends import leave_turn
from perdure.storage.turns import lock_turn

OPEN_STATUSES = [status.value for status in ExecutionStatus if status not in FINAL_STATUSES]
NO_EXECUTION = "There is no such execution: check its id."
PAGE = 200
Columns = TypeVarTuple("Columns")
_nodes = TypeAdapter(list[NodeExecution])


def _started_columns() -> list[str]:
    return ["id", "status", "origin", *(name for name in RunHeader.model_fields if name != "execution_id")]


# Every run executes these, so they are built once.
_EXECUTIONS = cast("Table", ExecutionRow.__table__)
_ACTIVITY = cast("Table", FlowActivityRow.__table__)
_OUTCOME = (
    "run_id",
    "status",
    "output_data",
    "error_message",
    "completed_at",
    "duration_ms",
    "node_executions",
    "metrics",
)
_SHOWN = tuple(_EXECUTIONS.c[name] for name in Execution.model_fields)
_ONE = select(*_SHOWN).where(_EXECUTIONS.c.id == bindparam("execution"), _EXECUTIONS.c.user_id == bindparam("user"))
_INSERT = (
    insert(_EXECUTIONS)
    .values({name: bindparam(name) for name in _started_columns()})
    .on_conflict_do_nothing()
    .returning(_EXECUTIONS.c.id)
)
_NOTE_START = (
    update(_ACTIVITY)
    .where(_ACTIVITY.c.flow_id == bindparam("flow"))
    .values(
        execution_count=_ACTIVITY.c.execution_count + 1,
        last_execution_id=bindparam("execution"),
        last_execution_status=bindparam("status"),
        last_execution_at=bindparam("at"),
    )
)
CLOSED = (
    update(_EXECUTIONS)
    .where(
        _EXECUTIONS.c.id == bindparam("execution"),
        or_(_EXECUTIONS.c.status.in_(OPEN_STATUSES), _EXECUTIONS.c.run_id != bindparam("run_id")),
    )
    .values({name: bindparam(name) for name in _OUTCOME})
    .returning(_EXECUTIONS.c.id, _EXECUTIONS.c.flow_id)
    .cte("closed")
)
"""The `id` of the run that this closes: one that is open, or was reset since it ended. Takes `outcome_of`."""
FOLLOWED = (
    update(_ACTIVITY)
    .where(_ACTIVITY.c.flow_id == CLOSED.c.flow_id, _ACTIVITY.c.last_execution_id == CLOSED.c.id)
    .values(last_execution_status=bindparam("status"))
    .returning(_ACTIVITY.c.flow_id)
    .cte("followed")
)
"""The flow whose last-run status goes with `CLOSED`, in the same round trip."""
_CLOSE = select(CLOSED.c.id).add_cte(FOLLOWED)
_REOPEN = (
    update(_EXECUTIONS)
    .where(_EXECUTIONS.c.id == bindparam("execution"), _EXECUTIONS.c.status.not_in(OPEN_STATUSES))
    .values(status=ExecutionStatus.RUNNING.value, output_data=None, error_message=None, completed_at=None)
    .values(duration_ms=None, node_executions=None, metrics=None)
    .returning(_EXECUTIONS.c.id)
)


@dataclass(frozen=True)
class ExecutionFilter:
    """Which executions to list; what is None does not filter."""

    user_id: int | None = None
    flow_id: UUID | None = None
    status: ExecutionStatus | None = None
    session_id: str | None = None


async def insert_started(session: AsyncConnection | AsyncSession, header: RunHeader) -> bool:
    """Insert the row of a run that is about to start. False when its id or its idempotency key is taken.

    A concurrent call with the same key waits here until the other's transaction is over.
    """
    row = {
        **header.model_dump(exclude={"execution_id"}),
        "id": header.execution_id,
        "status": ExecutionStatus.RUNNING.value,
        "forked_from": header.forked_from.model_dump(mode="json") if header.forked_from else None,
        "origin": called_from(),
    }
    return (await session.execute(_INSERT, row)).one_or_none() is not None


async def note_start(session: AsyncConnection | AsyncSession, header: RunHeader) -> None:
    """Count a started run on its flow. Call it last in the transaction: it locks one row per flow."""
    await session.execute(
        _NOTE_START,
        {
            "flow": header.flow_id,
            "execution": header.execution_id,
            "status": ExecutionStatus.RUNNING.value,
            "at": header.started_at,
        },
    )


async def adopt(session: AsyncSession, header: RunHeader) -> None:
    """Make the row of a run that Temporal knows and the list does not: its starter died before it could commit."""
    if await insert_started(session, header):
        await note_start(session, header)


async def settle(session: AsyncSession, ending: RunEnding) -> bool:
    """Write how a run ended: its row, its flow's activity, the turn of a chat. False when that was written before.

    A run that is settled stays as it is, so this may be repeated by a retry or by the reconciler; one that an
    operator has reset is settled anew when it ends again.
    """
    outcome = outcome_of(ending)
    header = ending.header
    if header.session_id is not None:
        await lock_turn(session, header.execution_id)
    if not await _close(session, outcome):
        # Settled already; or its starter has not committed yet, or died before: the insert waits for it to be known.
        if await insert_started(session, header):
            await note_start(session, header)
        if not await _close(session, outcome):
            return False
    if header.session_id is not None:
        await leave_turn(session, ending)
    return True


def outcome_of(ending: RunEnding) -> dict[str, object]:
    """What `CLOSED` and `FOLLOWED` take."""
    return {
        "execution": ending.header.execution_id,
        "run_id": ending.run_id,
        "status": ending.status.value,
        "output_data": ending.output_data,
        "error_message": ending.error_message,
        "completed_at": ending.completed_at,
        "duration_ms": ending.metrics.total_duration_ms,
        "node_executions": _nodes.dump_python(ending.node_executions, mode="json"),
        "metrics": ending.metrics.model_dump(mode="json"),
    }


async def _close(session: AsyncSession, outcome: Mapping[str, object]) -> bool:
    return (await session.execute(_CLOSE, outcome)).one_or_none() is not None


async def reopen(session: AsyncSession, execution_id: UUID, run_id: str) -> bool:
    """Show an ended execution as running again because an operator has reset it. False where this run has ended."""
    ended_as = await session.scalar(select(ExecutionRow.run_id).where(ExecutionRow.id == execution_id))
    if ended_as is None or ended_as == run_id:
        return False
    return (await session.execute(_REOPEN, {"execution": execution_id})).one_or_none() is not None


async def open_executions(session: AsyncSession, *, started_before: datetime, after: UUID | None) -> list[UUID]:
    """Executions that have not ended by the list, a page at a time in the order of their ids."""
    query = (
        select(ExecutionRow.id)
        .where(ExecutionRow.status.in_(OPEN_STATUSES), ExecutionRow.started_at < started_before)
        .order_by(ExecutionRow.id)
        .limit(PAGE)
    )
    if after is not None:
        query = query.where(ExecutionRow.id > after)
    return list(await session.scalars(query))


async def missing_rows(session: AsyncSession, execution_ids: Sequence[UUID]) -> list[UUID]:
    """Which of these executions the list does not know."""
    known = set(await session.scalars(select(ExecutionRow.id).where(ExecutionRow.id.in_(execution_ids))))
    return [execution_id for execution_id in execution_ids if execution_id not in known]


async def read_header(session: AsyncSession, execution_id: UUID) -> RunHeader:
    """What the list knew of a run at its start. Raises NotFoundError."""
    row = await session.get(ExecutionRow, execution_id)
    if row is None:
        raise NotFoundError(NO_EXECUTION)
    return RunHeader(
        execution_id=row.id,
        flow_id=row.flow_id,
        flow_type=row.flow_type,
        flow_name=row.flow_name,
        flow_version=row.flow_version,
        user_id=row.user_id,
        session_id=row.session_id,
        input_data=row.input_data,
        started_at=row.started_at,
    )


async def read_execution(connection: AsyncConnection, execution_id: UUID, *, user_id: int) -> Execution:
    """One execution of this user, as the list knows it. Raises NotFoundError."""
    found = await connection.execute(_ONE, {"execution": execution_id, "user": user_id})
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFoundError(NO_EXECUTION)
    return _to_execution(row)


async def find_by_key(connection: AsyncConnection, *, user_id: int, key: str) -> tuple[Execution, str | None] | None:
    """The execution that an idempotency key made, and the hash of the request that came with it."""
    found = await connection.execute(
        select(*_SHOWN, ExecutionRow.request_hash).where(
            ExecutionRow.user_id == user_id, ExecutionRow.idempotency_key == key
        )
    )
    row = found.mappings().one_or_none()
    return (_to_execution(row), row["request_hash"]) if row else None


async def list_executions(
    connection: AsyncConnection, wanted: ExecutionFilter, *, limit: int, offset: int
) -> tuple[list[Execution], int]:
    """A page of executions, newest first, and how many match in all."""
    total = await connection.scalar(_filtered(select(func.count()).select_from(ExecutionRow), wanted))
    found = await connection.execute(
        _filtered(select(*_SHOWN), wanted)
        .order_by(ExecutionRow.started_at.desc(), ExecutionRow.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [_to_execution(row) for row in found.mappings()], total or 0


def _filtered(query: Select[*Columns], wanted: ExecutionFilter) -> Select[*Columns]:
    if wanted.user_id is not None:
        query = query.where(ExecutionRow.user_id == wanted.user_id)
    if wanted.flow_id is not None:
        query = query.where(ExecutionRow.flow_id == wanted.flow_id)
    if wanted.status is not None:
        query = query.where(ExecutionRow.status == wanted.status.value)
    if wanted.session_id is not None:
        query = query.where(ExecutionRow.session_id == wanted.session_id)
    return query


def _to_execution(row: RowMapping) -> Execution:
    shown = {column.key: row[column.key] for column in _SHOWN}
    return Execution.model_validate(
        {**shown, "node_executions": shown["node_executions"] or [], "metrics": shown["metrics"] or {}}
    )


async def owns_execution(connection: AsyncConnection, execution_id: UUID, *, user_id: int) -> bool:
    """Whether this user started that execution."""
    found = await connection.scalar(
        select(ExecutionRow.id).where(ExecutionRow.id == execution_id, ExecutionRow.user_id == user_id)
    )
    return found is not None
