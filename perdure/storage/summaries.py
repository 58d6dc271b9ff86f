"""Summaries of sessions: what is not in one yet, and how one takes the place of another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.chats import SESSION_SUMMARIZED
from perdure.domain.events import Event
from perdure.domain.generation import PromptMessage
from perdure.domain.runs import ConversationRef, FoldInput, KeepSummaryInput
from perdure.storage.chats import shown_messages
from perdure.storage.events import append_next, session_aggregate
from perdure.storage.tables import ChatMessageRow, ChatSessionRow, ChatSummaryRow


@dataclass(frozen=True)
class Unfolded:
    """A session's summary, and the messages after it as (sequence, execution, message), oldest first."""

    session_key: int
    folded: int
    summary: str
    messages: Sequence[tuple[int, UUID, PromptMessage]]


async def read_summary(connection: AsyncConnection, conversation: ConversationRef) -> tuple[int, str]:
    """How far a session's summary goes, and what it says; (0, "") where there is none."""
    found = await connection.execute(
        select(ChatSummaryRow.upto, ChatSummaryRow.content)
        .join(ChatSessionRow, ChatSessionRow.key == ChatSummaryRow.session_key)
        .where(
            ChatSessionRow.user_id == conversation.user_id,
            ChatSessionRow.id == conversation.session_id,
            # A turn that is tried again knows nothing of what came after it.
            ChatSummaryRow.upto <= conversation.upto,
        )
    )
    row = found.one_or_none()
    return (row.upto, row.content) if row else (0, "")


async def read_unfolded(session: AsyncSession, fold: FoldInput) -> Unfolded | None:
    """What of a session is not in its summary. None where there is no such session."""
    found = await session.execute(
        select(ChatSessionRow.key, func.coalesce(ChatSummaryRow.upto, 0), func.coalesce(ChatSummaryRow.content, ""))
        .outerjoin(ChatSummaryRow, ChatSummaryRow.session_key == ChatSessionRow.key)
        .where(ChatSessionRow.user_id == fold.user_id, ChatSessionRow.id == fold.session_id)
    )
    row = found.one_or_none()
    if row is None:
        return None
    key, folded, content = row
    said = await session.execute(
        select(
            ChatMessageRow.sequence,
            ChatMessageRow.execution_id,
            ChatMessageRow.role,
            ChatMessageRow.content,
            ChatMessageRow.interrupted,
            ChatMessageRow.steps,
        )
        .where(ChatMessageRow.session_key == key, ChatMessageRow.sequence > folded)
        .order_by(ChatMessageRow.sequence)
    )
    return Unfolded(session_key=key, folded=folded, summary=content, messages=shown_messages(said))


async def keep(session: AsyncSession, kept: KeepSummaryInput) -> None:
    """Write a summary and its event, once, and only over the one that it was made from."""
    plan, result = kept.plan, kept.result
    # Locks out a clear: what is folded must still be what was said.
    still = await session.scalar(
        select(ChatMessageRow.session_key)
        .join(ChatSessionRow, ChatSessionRow.key == ChatMessageRow.session_key)
        .where(
            ChatMessageRow.session_key == plan.session_key,
            ChatMessageRow.sequence == plan.upto,
            ChatMessageRow.execution_id == plan.last_execution_id,
        )
        .with_for_update(of=ChatSessionRow)
    )
    if still is None:
        return
    usage = result.usage
    counts = {
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "cost_usd": result.cost_usd,
    }
    row = {"upto": plan.upto, "content": result.text, "model": str(result.model)}
    written = await session.execute(
        insert(ChatSummaryRow)
        .values(session_key=plan.session_key, folds=1, **row, **counts)
        .on_conflict_do_update(
            index_elements=[ChatSummaryRow.session_key],
            set_={
                **row,
                "folds": ChatSummaryRow.folds + 1,
                # Null, once something is not known.
                **{name: getattr(ChatSummaryRow, name) + counted for name, counted in counts.items()},
                "updated_at": func.now(),
            },
            where=ChatSummaryRow.upto == plan.after,
        )
        .returning(ChatSummaryRow.session_key)
    )
    if written.one_or_none() is None:
        return
    fold = kept.fold
    event = Event(
        aggregate_id=session_aggregate(fold.user_id, fold.session_id),
        aggregate_type="Session",
        event_type=SESSION_SUMMARIZED,
        event_data={
            "session_id": fold.session_id,
            "upto": plan.upto,
            "summary": result.text,
            "model": str(result.model),
            "execution_id": str(fold.execution_id),
            **counts,
        },
        user_id=None,
        metadata={"run_id": result.ref.run_id},
        timestamp=datetime.now(UTC),
        version=1,
    )
    await append_next(session, event)
