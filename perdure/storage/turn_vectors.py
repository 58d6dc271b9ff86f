"""Turns as vectors: which have none, and what they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import aliased

from perdure.domain.memories import PastTurn
from perdure.domain.runs import ConversationRef
from perdure.memory.cutting import turns_of
from perdure.storage.chats import shown_messages
from perdure.storage.tables import ChatMessageRow, ChatSessionRow, ChatTurnVectorRow

EMBEDDED_AT_ONCE = 500
"""Turns that are embedded in one go; a session that got its memory late is caught up with turn by turn."""


@dataclass(frozen=True)
class TurnText:
    """A turn without a vector."""

    session_key: int
    sequence: int
    text: str


async def read_unembedded(session: AsyncSession, conversation: ConversationRef) -> list[TurnText]:
    """Turns of a session that have no vector, the newest first."""
    said = aliased(ChatMessageRow)
    rows = await session.execute(
        select(
            ChatMessageRow.session_key,
            ChatMessageRow.sequence,
            func.string_agg(said.content, aggregate_order_by(literal("\n"), said.sequence)),
        )
        .join(ChatSessionRow, ChatSessionRow.key == ChatMessageRow.session_key)
        .join(
            said, (said.session_key == ChatMessageRow.session_key) & (said.execution_id == ChatMessageRow.execution_id)
        )
        .outerjoin(
            ChatTurnVectorRow,
            (ChatTurnVectorRow.session_key == ChatMessageRow.session_key)
            & (ChatTurnVectorRow.sequence == ChatMessageRow.sequence),
        )
        .where(
            ChatSessionRow.user_id == conversation.user_id,
            ChatSessionRow.id == conversation.session_id,
            ChatMessageRow.role == "user",
            ChatTurnVectorRow.sequence.is_(None),
        )
        .group_by(ChatMessageRow.session_key, ChatMessageRow.sequence)
        .order_by(ChatMessageRow.sequence.desc())
        .limit(EMBEDDED_AT_ONCE)
    )
    return [TurnText(*row) for row in rows]


async def keep(session: AsyncSession, turns: Sequence[TurnText], vectors: Sequence[bytes]) -> None:
    """Keep the vectors of turns that are still there, once each."""
    # A clear between reading and writing has taken some away; one that comes now waits for us.
    still = set(
        await session.scalars(
            select(ChatMessageRow.sequence)
            .where(
                ChatMessageRow.session_key == turns[0].session_key,
                ChatMessageRow.sequence.in_([turn.sequence for turn in turns]),
            )
            .with_for_update(key_share=True)
        )
    )
    rows = [
        {"session_key": turn.session_key, "sequence": turn.sequence, "vector": vector}
        for turn, vector in zip(turns, vectors, strict=True)
        if turn.sequence in still
    ]
    if rows:
        await session.execute(insert(ChatTurnVectorRow).on_conflict_do_nothing(), rows)


async def read_vectors(connection: AsyncConnection, conversation: ConversationRef) -> dict[int, bytes]:
    """The vectors of the turns that a turn may know, by the sequence number of their first messages."""
    rows = await connection.execute(
        select(ChatTurnVectorRow.sequence, ChatTurnVectorRow.vector)
        .join(ChatSessionRow, ChatSessionRow.key == ChatTurnVectorRow.session_key)
        .where(
            ChatSessionRow.user_id == conversation.user_id,
            ChatSessionRow.id == conversation.session_id,
            ChatTurnVectorRow.sequence <= conversation.upto,
        )
    )
    return {sequence: bytes(vector) for sequence, vector in rows}


async def read_turns_at(
    connection: AsyncConnection, conversation: ConversationRef, *, sequences: Sequence[int]
) -> list[PastTurn]:
    """The turns that begin with these messages, oldest first."""
    first = aliased(ChatMessageRow)
    rows = await connection.execute(
        select(
            ChatMessageRow.sequence,
            ChatMessageRow.execution_id,
            ChatMessageRow.role,
            ChatMessageRow.content,
            ChatMessageRow.interrupted,
            ChatMessageRow.steps,
        )
        .join(
            first,
            (first.session_key == ChatMessageRow.session_key) & (first.execution_id == ChatMessageRow.execution_id),
        )
        .join(ChatSessionRow, ChatSessionRow.key == first.session_key)
        .where(
            ChatSessionRow.user_id == conversation.user_id,
            ChatSessionRow.id == conversation.session_id,
            first.sequence.in_(sequences),
        )
        .order_by(ChatMessageRow.sequence)
    )
    return turns_of(shown_messages(rows))
