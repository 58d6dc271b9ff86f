"""Words of one run for another: which steps have left some, and copying them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Table, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from perdure.domain.flows import MemoryConfig
from perdure.domain.runs import StepRef
from perdure.storage.tables import ChatSessionRow, TranscriptRow
from perdure.storage.transcripts import ANSWER, WHOLE

_COPIED = ("sequence", "role", "content", "result")
_time: TypeAdapter[datetime | None] = TypeAdapter(datetime | None)


@dataclass(frozen=True)
class KeptStep:
    """Where a step's words are: after a reset, one step may have left some in each run."""

    run_id: str
    completed_at: datetime | None
    """By the worker's clock; None for words of our own."""


async def kept_steps(connection: AsyncConnection, execution_id: UUID) -> Mapping[str, list[KeptStep]]:
    """Where the words of an execution's steps are kept, by step, the latest last."""
    rows = await connection.execute(
        select(TranscriptRow.step_id, TranscriptRow.run_id, TranscriptRow.result["completed_at"].astext)
        .where(TranscriptRow.execution_id == execution_id, TranscriptRow.sequence == ANSWER)
        .order_by(TranscriptRow.created_at)
    )
    found: dict[str, list[KeptStep]] = {}
    for step_id, run_id, completed_at in rows:
        found.setdefault(step_id, []).append(KeptStep(run_id, _time.validate_python(completed_at)))
    return found


async def copy_words(connection: AsyncConnection, source: StepRef, to: StepRef) -> None:
    """Keep a step's words for another run too, a tool's whole output with them. Safe to repeat."""
    table = cast("Table", TranscriptRow.__table__)
    found = select(
        literal(to.execution_id), literal(to.run_id), literal(to.step_id), *(table.c[name] for name in _COPIED)
    ).where(
        table.c.execution_id == source.execution_id,
        table.c.run_id == source.run_id,
        table.c.step_id == source.step_id,
        table.c.sequence.in_((WHOLE, ANSWER)),
    )
    names = ["execution_id", "run_id", "step_id", *_COPIED]
    await connection.execute(insert(table).from_select(names, found).on_conflict_do_nothing())


async def session_memory(connection: AsyncConnection, *, user_id: int, session_id: str) -> MemoryConfig | None:
    """A session's own memory settings. None where it has none, or is gone."""
    kept = await connection.scalar(
        select(ChatSessionRow.memory_config).where(ChatSessionRow.user_id == user_id, ChatSessionRow.id == session_id)
    )
    return MemoryConfig.model_validate(kept) if kept is not None else None
