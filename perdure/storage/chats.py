"""Conversations: sessions and their messages."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.errors import ConflictError
from perdure.domain.generation import PromptMessage
from perdure.domain.runs import ConversationRef, RunHeader, Turn
from perdure.storage.tables import ChatMessageRow, ChatSessionRow


async def open_session(
    session: AsyncConnection | AsyncSession, *, user_id: int, session_id: str, flow_id: UUID
) -> ConversationRef:
    """Make the caller's session, or take it up where it stands.

    Raises ConflictError when it belongs to another flow.
    """
    _, found_flow, count = await _upsert(session, user_id=user_id, session_id=session_id, flow_id=flow_id)
    if found_flow != flow_id:
        msg = f"Session '{session_id}' belongs to another flow: send another session_id, or none for a new one."
        raise ConflictError(msg)
    return ConversationRef(user_id=user_id, session_id=session_id, upto=count)


async def read_messages(
    connection: AsyncConnection, conversation: ConversationRef, *, limit: int
) -> list[PromptMessage]:
    """The last `limit` messages that a turn may know, oldest first."""
    rows = await connection.execute(
        select(ChatMessageRow.role, ChatMessageRow.content)
        .join(ChatSessionRow, ChatSessionRow.key == ChatMessageRow.session_key)
        .where(
            ChatSessionRow.user_id == conversation.user_id,
            ChatSessionRow.id == conversation.session_id,
            ChatMessageRow.sequence <= conversation.upto,
        )
        .order_by(ChatMessageRow.sequence.desc())
        .limit(limit)
    )
    return [PromptMessage.model_validate({"role": role, "content": content}) for role, content in reversed(rows.all())]


async def write_turn(session: AsyncSession, header: RunHeader, turn: Turn, *, answered_at: datetime) -> None:
    """Append the two messages of a turn; a turn that an operator has reset gets its new answer in the old place.

    Whoever settles the run makes sure that this happens once.
    """
    if header.session_id is None:
        msg = "A turn belongs to a session."
        raise ValueError(msg)
    rewritten = await session.execute(
        update(ChatMessageRow)
        .where(ChatMessageRow.execution_id == header.execution_id, ChatMessageRow.role == "assistant")
        .values(content=turn.answer, created_at=answered_at)
        .returning(ChatMessageRow.sequence)
    )
    if rewritten.one_or_none() is not None:
        return
    # The row lock that the upsert takes makes the turns of a session take their numbers one after another.
    key, _, count = await _upsert(
        session, user_id=header.user_id, session_id=header.session_id, flow_id=header.flow_id, messages=2
    )
    await session.execute(
        insert(ChatMessageRow),
        [
            {
                "session_key": key,
                "sequence": count - 1 + position,
                "role": role,
                "content": content,
                "execution_id": header.execution_id,
                "created_at": said_at,
            }
            for position, (role, content, said_at) in enumerate(
                (("user", turn.message, header.started_at), ("assistant", turn.answer, answered_at))
            )
        ],
    )


async def count_messages(connection: AsyncConnection, *, user_id: int, session_id: str) -> int:
    """How many messages a session holds; 0 when there is none."""
    count = await connection.scalar(
        select(ChatSessionRow.message_count).where(ChatSessionRow.user_id == user_id, ChatSessionRow.id == session_id)
    )
    return count or 0


async def _upsert(
    session: AsyncConnection | AsyncSession, *, user_id: int, session_id: str, flow_id: UUID, messages: int = 0
) -> tuple[int, UUID, int]:
    """Make or lock a session and add to its count: (key, flow, count after)."""
    row = await session.execute(
        insert(ChatSessionRow)
        .values(user_id=user_id, id=session_id, flow_id=flow_id, message_count=messages)
        .on_conflict_do_update(
            index_elements=[ChatSessionRow.user_id, ChatSessionRow.id],
            set_={"message_count": ChatSessionRow.message_count + messages, "updated_at": func.now()},
        )
        .returning(ChatSessionRow.key, ChatSessionRow.flow_id, ChatSessionRow.message_count)
    )
    key, found_flow, count = row.one()
    return key, found_flow, count
