"""Conversations: a session made or taken up, its messages written and read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Row, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.audit import called_from
from perdure.domain.chats import INTERRUPTED, SESSION_CREATED
from perdure.domain.errors import ConflictError
from perdure.domain.events import Event
from perdure.domain.generation import PromptMessage
from perdure.domain.memories import PastTurn
from perdure.domain.runs import ConversationRef, RunHeader, Turn
from perdure.memory.cutting import turns_of
from perdure.storage.events import append_next, session_aggregate
from perdure.storage.tables import ChatMessageRow, ChatSessionRow


@dataclass(frozen=True)
class OpenedSession:
    """A session as an upsert leaves it, its row locked."""

    key: int
    flow_id: UUID
    messages: int
    turns: int


async def open_session(
    session: AsyncConnection | AsyncSession, *, user_id: int, session_id: str, flow_id: UUID
) -> OpenedSession:
    """Make the caller's session, or take it up where it stands, and count a turn.

    Raises ConflictError when it belongs to another flow.
    """
    opened = await upsert_session(session, user_id=user_id, session_id=session_id, flow_id=flow_id, turns=1)
    if opened.flow_id != flow_id:
        msg = f"Session '{session_id}' belongs to another flow: send another session_id, or none for a new one."
        raise ConflictError(msg)
    return opened


async def upsert_session(
    session: AsyncConnection | AsyncSession,
    *,
    user_id: int,
    session_id: str,
    flow_id: UUID,
    messages: int = 0,
    turns: int = 0,
) -> OpenedSession:
    """Make or lock a session and add to its counts."""
    row = await session.execute(
        insert(ChatSessionRow)
        .values(user_id=user_id, id=session_id, flow_id=flow_id, message_count=messages, turn_count=turns)
        .on_conflict_do_update(
            index_elements=[ChatSessionRow.user_id, ChatSessionRow.id],
            set_={
                "message_count": ChatSessionRow.message_count + messages,
                "turn_count": ChatSessionRow.turn_count + turns,
                "updated_at": func.now(),
            },
        )
        .returning(
            ChatSessionRow.key,
            ChatSessionRow.flow_id,
            ChatSessionRow.message_count,
            ChatSessionRow.turn_count,
            # No transaction has updated a row that this statement inserted.
            literal_column("xmax = 0", Boolean()),
        )
    )
    key, found_flow, message_count, turn_count, is_new = row.one()
    if is_new:
        created = Event(
            aggregate_id=session_aggregate(user_id, session_id),
            aggregate_type="Session",
            event_type=SESSION_CREATED,
            event_data={"session_id": session_id, "chatflow_id": str(flow_id)},
            user_id=user_id,
            metadata=called_from() or {},
            timestamp=datetime.now(UTC),
            version=1,
        )
        await append_next(session, created)
    return OpenedSession(key=key, flow_id=found_flow, messages=message_count, turns=turn_count)


async def read_turns(connection: AsyncConnection, conversation: ConversationRef, *, limit: int) -> list[PastTurn]:
    """The last whole turns that a turn may know, oldest first, of at most `limit` messages together."""
    return turns_of(await _read(connection, conversation, limit))


async def _read(
    connection: AsyncConnection | AsyncSession, conversation: ConversationRef, limit: int
) -> Sequence[tuple[int, UUID, PromptMessage]]:
    rows = await connection.execute(
        select(
            ChatMessageRow.sequence,
            ChatMessageRow.execution_id,
            ChatMessageRow.role,
            ChatMessageRow.content,
            ChatMessageRow.interrupted,
            ChatMessageRow.steps,
        )
        .join(ChatSessionRow, ChatSessionRow.key == ChatMessageRow.session_key)
        .where(
            ChatSessionRow.user_id == conversation.user_id,
            ChatSessionRow.id == conversation.session_id,
            ChatMessageRow.sequence <= conversation.upto,
        )
        .order_by(ChatMessageRow.sequence.desc())
        .limit(limit)
    )
    return shown_messages(reversed(rows.all()))


def shown_messages(rows: Iterable[Row[*tuple[Any, ...]]]) -> list[tuple[int, UUID, PromptMessage]]:
    """Stored messages as models are shown them, tool calls and results before the answer that was made from them.

    An answer that was cut off says so, and is never empty. Rows are sequence, execution, role, content, interrupted
    and steps.
    """
    shown: list[tuple[int, UUID, PromptMessage]] = []
    for sequence, execution_id, role, content, interrupted, steps in rows:
        said = f"{content} {INTERRUPTED}".lstrip() if interrupted else content
        messages = [*(steps or ()), {"role": role, "content": said}]
        shown += [(sequence, execution_id, PromptMessage.model_validate(message)) for message in messages]
    return shown


async def write_turn(
    session: AsyncSession,
    header: RunHeader,
    turn: Turn,
    steps: Sequence[PromptMessage] = (),
    *,
    answered_at: datetime,
    interrupted: bool = False,
) -> None:
    """Append the two messages of a turn; a turn that an operator has reset gets its new answer in the old place.

    `steps`, the tool calls that the answer was made from, stand with the answer.

    Whoever settles the run makes sure that this happens once.
    """
    if header.session_id is None:
        msg = "A turn belongs to a session."
        raise ValueError(msg)
    kept = [step.model_dump(mode="json", exclude_defaults=True) for step in steps] or None
    rewritten = await session.execute(
        update(ChatMessageRow)
        .where(ChatMessageRow.execution_id == header.execution_id, ChatMessageRow.role == "assistant")
        .values(content=turn.answer, created_at=answered_at, interrupted=interrupted, steps=kept)
        .returning(ChatMessageRow.sequence)
    )
    if rewritten.one_or_none() is not None:
        return
    # The row lock that the upsert takes makes the turns of a session take their numbers one after another.
    opened = await upsert_session(
        session, user_id=header.user_id, session_id=header.session_id, flow_id=header.flow_id, messages=2
    )
    await session.execute(
        insert(ChatMessageRow),
        [
            {
                "session_key": opened.key,
                "sequence": opened.messages - 1 + position,
                "role": role,
                "content": content,
                "execution_id": header.execution_id,
                "created_at": said_at,
                "interrupted": interrupted and role == "assistant",
                "steps": kept if role == "assistant" else None,
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
