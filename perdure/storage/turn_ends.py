"""What a turn leaves in its session when it ends, and what is due then."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from perdure.domain.executions import ExecutionStatus
from perdure.domain.flows import ConcurrentTurns
from perdure.domain.generation import PromptMessage
from perdure.domain.runs import FoldInput, RunEnding, Turn, assistant_step
from perdure.memory import SUMMARIZING, summary
from perdure.storage.chats import write_turn
from perdure.storage.tables import ChatMessageRow, ChatSessionRow, ChatSummaryRow
from perdure.storage.transcripts import read_partial
from perdure.storage.turn_steps import has_tool_calls, read_turn_steps
from perdure.storage.turns import end_turn, is_turn, turn_behind


async def leave_turn(session: AsyncSession, ending: RunEnding) -> None:
    """Write the turn's messages, or what was said of it, or nothing; then the next may begin.

    A turn whose session was deleted or cleared meanwhile writes nothing: it makes no session anew.
    """
    header = ending.header
    ended = await end_turn(session, header.execution_id)
    if ended is None:
        # Runs of earlier builds have no place among the turns: they are appended as they end.
        if ending.turn is not None and not await is_turn(session, header.execution_id):
            await _write(session, ending, ending.turn)
        return
    if ending.turn is not None and ended.fate != ConcurrentTurns.ROLLBACK.value:
        await _write(session, ending, ending.turn)
    elif ending.status is ExecutionStatus.CANCELLED and ended.fate == ConcurrentTurns.INTERRUPT.value:
        steps = await _steps(session, ending)
        number = sum(step.role == "assistant" for step in steps) + 1
        said = await read_partial(session, header.execution_id, ending.run_id, assistant_step(number))
        turn = Turn(message=str(header.input_data.get("message", "")), answer=said or "")
        await write_turn(session, header, turn, steps, answered_at=ending.completed_at, interrupted=True)


async def _write(session: AsyncSession, ending: RunEnding, turn: Turn) -> None:
    steps = await _steps(session, ending)
    await write_turn(session, ending.header, turn, steps, answered_at=ending.completed_at)


async def _steps(session: AsyncSession, ending: RunEnding) -> list[PromptMessage]:
    if not has_tool_calls(ending):
        return []
    return await read_turn_steps(session, ending.header.execution_id, ending.run_id)


@dataclass(frozen=True)
class Due:
    """What follows a turn's end. Both may be asked for again: whoever begins twice finds it begun."""

    behind: UUID | None
    fold: FoldInput | None
    fold_id: str = ""
    """Names the oldest turn to fold, and so is the same for whoever asks for the same fold."""


async def due_after(session: AsyncSession, ending: RunEnding) -> Due:
    """Say who is next, and whether older turns ask to be folded into the summary."""
    behind = await turn_behind(session, ending.header.execution_id)
    fold = ending.turn.fold if ending.turn else None
    if fold is None or fold.memory.type not in SUMMARIZING:
        return Due(behind=behind, fold=None)
    folded = func.coalesce(ChatSummaryRow.upto, 0)
    found = await session.execute(
        select(ChatSessionRow.message_count, folded, ChatMessageRow.execution_id)
        .outerjoin(ChatSummaryRow, ChatSummaryRow.session_key == ChatSessionRow.key)
        .join(
            ChatMessageRow,
            (ChatMessageRow.session_key == ChatSessionRow.key) & (ChatMessageRow.sequence == folded + 1),
        )
        .where(ChatSessionRow.user_id == fold.user_id, ChatSessionRow.id == fold.session_id)
    )
    row = found.one_or_none()
    if row is None or not summary.is_due(fold.memory, messages=row[0], folded=row[1]):
        return Due(behind=behind, fold=None)
    return Due(behind=behind, fold=fold, fold_id=f"summary-{row[2]}")
