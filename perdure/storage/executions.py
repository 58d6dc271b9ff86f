"""The list of executions: a row each, upserted when a run starts and when it ends."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from perdure.domain.errors import NotFoundError
from perdure.domain.executions import FINAL_STATUSES, Execution, ExecutionStatus, Metrics, NodeExecution
from perdure.domain.runs import RunEnding, RunHeader
from perdure.live import announce_end
from perdure.storage.chats import write_turn
from perdure.storage.tables import ExecutionRow, FlowActivityRow, Json

OPEN_STATUSES = [status.value for status in ExecutionStatus if status not in FINAL_STATUSES]
_nodes = TypeAdapter(list[NodeExecution])


@dataclass(frozen=True)
class ExecutionFilter:
    """Which executions to list; what is None does not filter."""

    user_id: int | None = None
    flow_id: UUID | None = None
    status: ExecutionStatus | None = None
    session_id: str | None = None


async def insert_started(
    session: AsyncSession, header: RunHeader, *, idempotency_key: str | None, request_hash: bytes | None
) -> bool:
    """Insert the row of a run that is about to start. False when its id or its idempotency key is taken.

    A concurrent call with the same key waits here until the other's transaction is over.
    """
    inserted = await session.scalar(
        insert(ExecutionRow)
        .values(
            **_header_columns(header),
            status=ExecutionStatus.RUNNING,
            idempotency_key=idempotency_key,
            request_hash=request_hash,
        )
        .on_conflict_do_nothing()
        .returning(ExecutionRow.id)
    )
    return inserted is not None


async def note_start(session: AsyncSession, header: RunHeader) -> None:
    """Count a started run on its flow. Call it last in the transaction: it locks one row per flow."""
    await session.execute(
        insert(FlowActivityRow)
        .values(
            flow_id=header.flow_id,
            user_id=header.user_id,
            execution_count=1,
            last_execution_id=header.execution_id,
            last_execution_status=ExecutionStatus.RUNNING,
            last_execution_at=header.started_at,
        )
        .on_conflict_do_update(
            index_elements=[FlowActivityRow.flow_id],
            set_={
                "execution_count": FlowActivityRow.execution_count + 1,
                "last_execution_id": header.execution_id,
                "last_execution_status": ExecutionStatus.RUNNING,
                "last_execution_at": header.started_at,
            },
        )
    )


async def adopt(session: AsyncSession, header: RunHeader) -> None:
    """Make the row of a run that Temporal knows and the list does not: its starter died before it could commit."""
    if await insert_started(session, header, idempotency_key=None, request_hash=None):
        await note_start(session, header)


async def settle(session: AsyncSession, ending: RunEnding) -> None:
    """Write how a run ended: its row, its flow's activity, the turn of a chat, the end of its live channel.

    Once: a run that is settled already stays as it is, so this may be repeated by a retry or by the reconciler.
    """
    outcome = {
        "status": ending.status.value,
        "output_data": ending.output_data,
        "error_message": ending.error_message,
        "completed_at": ending.completed_at,
        "duration_ms": ending.metrics.total_duration_ms,
        "node_executions": _nodes.dump_python(ending.node_executions, mode="json"),
        "metrics": ending.metrics.model_dump(mode="json"),
    }
    header = ending.header
    settled = await session.execute(
        update(ExecutionRow)
        .where(ExecutionRow.id == header.execution_id, ExecutionRow.status.in_(OPEN_STATUSES))
        .values(**outcome)
        .returning(ExecutionRow.id)
    )
    if settled.scalar() is None:
        # Either it is settled, or its starter has not committed (yet, or ever): then this waits for it, or makes the row.
        if not await insert_started(session, header, idempotency_key=None, request_hash=None):
            settled = await session.execute(
                update(ExecutionRow)
                .where(ExecutionRow.id == header.execution_id, ExecutionRow.status.in_(OPEN_STATUSES))
                .values(**outcome)
                .returning(ExecutionRow.id)
            )
            if settled.scalar() is None:
                return
        else:
            await note_start(session, header)
            await session.execute(
                update(ExecutionRow).where(ExecutionRow.id == header.execution_id).values(**outcome)
            )
    await session.execute(
        update(FlowActivityRow)
        .where(
            FlowActivityRow.flow_id == header.flow_id, FlowActivityRow.last_execution_id == header.execution_id
        )
        .values(last_execution_status=ending.status.value)
    )
    if ending.turn is not None:
        await write_turn(session, header, ending.turn)
    await announce_end(session, header.execution_id, ending.status.value)
