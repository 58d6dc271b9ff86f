"""Sessions as their owner sees them: listed, read, cleared, deleted; each change with its event."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import ColumnElement, RowMapping, Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.chats import (
    SESSION_CLEARED,
    SESSION_DELETED,
    SESSION_MEMORY_CHANGED,
    ChatMessage,
    ChatSession,
    SessionSummary,
    tool_uses,
)
from perdure.domain.errors import NotFoundError
from perdure.domain.events import Event
from perdure.domain.flows import MemoryConfig
from perdure.domain.generation import PromptMessage
from perdure.domain.users import Origin
from perdure.storage.events import append_next, session_aggregate
from perdure.storage.tables import ChatMessageRow, ChatSessionRow, ChatSummaryRow, FlowRow
from perdure.storage.turns import leave_session

NO_SESSION = "There is no such session: check its id."


async def list_sessions(
    connection: AsyncConnection, *, user_id: int, flow_id: UUID | None, limit: int, offset: int
) -> tuple[list[ChatSession], int]:
    """A page of a user's sessions, the latest used first, and how many there are."""
    wanted = [ChatSessionRow.user_id == user_id]
    if flow_id is not None:
        wanted.append(ChatSessionRow.flow_id == flow_id)
    total = await connection.scalar(select(func.count()).select_from(ChatSessionRow).where(*wanted))
    page = (
        _sessions(*wanted)
        .order_by(ChatSessionRow.updated_at.desc(), ChatSessionRow.key.desc())
        .limit(limit)
        .offset(offset)
    )
    return [_session(row) for row in (await connection.execute(page)).mappings()], total or 0


async def get_session(connection: AsyncConnection | AsyncSession, session_id: str, *, user_id: int) -> ChatSession:
    """One session of this user's. Raises NotFoundError."""
    found = await connection.execute(_sessions(ChatSessionRow.user_id == user_id, ChatSessionRow.id == session_id))
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFoundError(NO_SESSION)
    return _session(row)


async def read_history(
    connection: AsyncConnection, session_id: str, *, user_id: int, limit: int | None, offset: int
) -> list[ChatMessage]:
    """Messages of a session, oldest first; empty where there is none."""
    found = await connection.execute(
        select(
            ChatMessageRow.sequence,
            ChatMessageRow.role,
            ChatMessageRow.content,
            ChatMessageRow.execution_id,
            ChatMessageRow.created_at,
            ChatMessageRow.interrupted,
            ChatMessageRow.steps,
        )
        .join(ChatSessionRow, ChatSessionRow.key == ChatMessageRow.session_key)
        .where(ChatSessionRow.user_id == user_id, ChatSessionRow.id == session_id)
        .order_by(ChatMessageRow.sequence)
        .limit(limit)
        .offset(offset)
    )
    return [_message(row) for row in found.mappings()]


def _message(row: RowMapping) -> ChatMessage:
    fields = dict(row)
    steps = [PromptMessage.model_validate(step) for step in fields.pop("steps") or ()]
    return ChatMessage.model_validate({**fields, "tool_calls": tool_uses(steps)})


async def clear(session: AsyncSession, origin: Origin, session_id: str) -> tuple[ChatSession, list[UUID]]:
    """Forget all that was said; the session, and the turns under way, which leave nothing in it any more."""
    key, messages = await _lock(session, origin.user_id, session_id)
    under_way = await leave_session(session, key)
    await session.execute(delete(ChatMessageRow).where(ChatMessageRow.session_key == key))
    await session.execute(delete(ChatSummaryRow).where(ChatSummaryRow.session_key == key))
    await session.execute(
        update(ChatSessionRow).where(ChatSessionRow.key == key).values(message_count=0, updated_at=func.now())
    )
    await _append(session, origin, session_id, SESSION_CLEARED, {"messages": messages})
    return await get_session(session, session_id, user_id=origin.user_id), under_way


async def remove(session: AsyncSession, origin: Origin, session_id: str) -> tuple[ChatSession, list[UUID]]:
    """Delete a session with its messages; as it was, and the turns under way, which leave nothing in it any more."""
    key, messages = await _lock(session, origin.user_id, session_id)
    was = await get_session(session, session_id, user_id=origin.user_id)
    under_way = await leave_session(session, key)
    await session.execute(delete(ChatSessionRow).where(ChatSessionRow.key == key))
    await _append(session, origin, session_id, SESSION_DELETED, {"messages": messages})
    return was, under_way


async def change_memory(session: AsyncSession, origin: Origin, session_id: str, config: MemoryConfig) -> ChatSession:
    """Give one session a memory of its own, from its next turn on."""
    key, _ = await _lock(session, origin.user_id, session_id)
    kept = config.model_dump(mode="json")
    await session.execute(update(ChatSessionRow).where(ChatSessionRow.key == key).values(memory_config=kept))
    await _append(session, origin, session_id, SESSION_MEMORY_CHANGED, {"memory_config": kept})
    return await get_session(session, session_id, user_id=origin.user_id)


async def _lock(session: AsyncSession, user_id: int, session_id: str) -> tuple[int, int]:
    found = await session.execute(
        select(ChatSessionRow.key, ChatSessionRow.message_count)
        .where(ChatSessionRow.user_id == user_id, ChatSessionRow.id == session_id)
        .with_for_update()
    )
    row = found.one_or_none()
    if row is None:
        raise NotFoundError(NO_SESSION)
    return row.key, row.message_count


async def _append(
    session: AsyncSession, origin: Origin, session_id: str, event_type: str, data: dict[str, JsonValue]
) -> None:
    event = Event(
        aggregate_id=session_aggregate(origin.user_id, session_id),
        aggregate_type="Session",
        event_type=event_type,
        event_data={"session_id": session_id, **data},
        user_id=origin.user_id,
        metadata=origin.metadata,
        timestamp=datetime.now(UTC),
        version=1,
    )
    await append_next(session, event)


_SHOWN = (
    ChatSessionRow.id,
    ChatSessionRow.flow_id,
    FlowRow.name.label("flow_name"),
    ChatSessionRow.message_count,
    ChatSessionRow.memory_config,
    FlowRow.definition["memory_config"].label("flow_memory"),
    ChatSessionRow.created_at,
    ChatSessionRow.updated_at,
    *(getattr(ChatSummaryRow, name).label(f"summary_{name}") for name in SessionSummary.model_fields),
)


def _sessions(*wanted: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return (
        select(*_SHOWN)
        .join(FlowRow, FlowRow.id == ChatSessionRow.flow_id)
        .outerjoin(ChatSummaryRow, ChatSummaryRow.session_key == ChatSessionRow.key)
        .where(*wanted)
    )


def _session(row: RowMapping) -> ChatSession:
    summary = {name: row[f"summary_{name}"] for name in SessionSummary.model_fields}
    return ChatSession(
        id=row["id"],
        chatflow_id=row["flow_id"],
        chatflow_name=row["flow_name"],
        message_count=row["message_count"],
        memory_config=MemoryConfig.model_validate(row["memory_config"] or row["flow_memory"] or {}),
        has_own_memory=row["memory_config"] is not None,
        summary=SessionSummary.model_validate(summary) if summary["content"] is not None else None,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
