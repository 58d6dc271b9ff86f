"""Turns of a session: one after another, by the row lock of the session.

Whoever looks at or changes the order of a session's turns locks the session's row first, then the turns'.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import aliased

from perdure.domain.flows import ConcurrentTurns, MemoryConfig
from perdure.domain.runs import TurnInput, TurnPlace
from perdure.storage.chats import upsert_session
from perdure.storage.tables import ChatSessionRow, ChatTurnRow


async def add_turn(session: AsyncConnection | AsyncSession, key: int, number: int, execution_id: UUID) -> UUID | None:
    """Put a turn at the end of a locked session; the open turn ahead of it, None where it may begin at once."""
    await session.execute(
        insert(ChatTurnRow).values(execution_id=execution_id, session_key=key, number=number).on_conflict_do_nothing()
    )
    ahead = await _ahead(session, key, number)
    return ahead[-1] if ahead else None


async def begin_turn(session: AsyncSession, asked: TurnInput) -> TurnPlace:
    """Say whether a turn may begin, and mark those ahead that it cuts off. Safe to repeat.

    A turn that is not in the list (the API died before it could commit) is put there now.
    """
    key = await _lock(session, asked)
    row = await _find(session, asked.execution_id)
    if key is None and row is not None:
        # Its starter has committed between the two looks.
        key = await _lock(session, asked)
    if row is None:
        # Its starter has not committed yet or never will; the upsert waits for it to be known.
        opened = await upsert_session(
            session,
            user_id=asked.conversation.user_id,
            session_id=asked.conversation.session_id,
            flow_id=asked.flow_id,
            turns=1,
        )
        await add_turn(session, opened.key, opened.turns, asked.execution_id)
        key, row = opened.key, await _find(session, asked.execution_id)
    if key is None or row is None or row.session_key != key:
        return TurnPlace(upto=None, is_gone=True)
    ahead = await _ahead(session, key, row.number)
    if ahead and asked.mode.cuts_off:
        await session.execute(
            update(ChatTurnRow)
            .where(ChatTurnRow.execution_id.in_(ahead), ChatTurnRow.fate.is_(None))
            .values(fate=asked.mode.value)
        )
    found = await session.execute(
        select(ChatSessionRow.message_count, ChatSessionRow.memory_config).where(ChatSessionRow.key == key)
    )
    count, memory = found.one()
    return TurnPlace(
        upto=None if ahead else count,
        ahead=tuple(ahead),
        is_kept=row.fate == ConcurrentTurns.INTERRUPT.value,
        memory=MemoryConfig.model_validate(memory) if memory else None,
    )


@dataclass(frozen=True)
class EndedTurn:
    """A turn that is over, its session locked."""

    session_key: int
    fate: str | None


async def lock_turn(session: AsyncSession, execution_id: UUID) -> None:
    """Lock the session that a turn is in, where it is in one.

    First of all that a run's end locks: whoever starts a turn locks the session before the flow's activity, too.
    """
    await session.scalar(
        select(ChatSessionRow.key)
        .join(ChatTurnRow, ChatTurnRow.session_key == ChatSessionRow.key)
        .where(ChatTurnRow.execution_id == execution_id)
        .with_for_update(of=ChatSessionRow)
    )


async def end_turn(session: AsyncSession, execution_id: UUID) -> EndedTurn | None:
    """Take a turn whose session is locked out of the way of the next. None when it is in no session (any more)."""
    ended = await session.execute(
        update(ChatTurnRow)
        .where(ChatTurnRow.execution_id == execution_id)
        .values(ended=True)
        .returning(ChatTurnRow.session_key, ChatTurnRow.fate)
    )
    row = ended.one_or_none()
    if row is None or row.session_key is None:
        return None
    return EndedTurn(session_key=row.session_key, fate=row.fate)


async def is_turn(session: AsyncSession, execution_id: UUID) -> bool:
    """Whether this run is in the list of turns; those of earlier builds are not."""
    return await session.get(ChatTurnRow, execution_id) is not None


async def turn_behind(session: AsyncSession, execution_id: UUID) -> UUID | None:
    """The turn whose turn it is now that this one has ended, None where nobody waits."""
    ended = aliased(ChatTurnRow)
    return await session.scalar(
        select(ChatTurnRow.execution_id)
        .join(ended, ended.session_key == ChatTurnRow.session_key)
        .where(ended.execution_id == execution_id, ~ChatTurnRow.ended, ChatTurnRow.number > ended.number)
        .order_by(ChatTurnRow.number)
        .limit(1)
    )


async def turns_ahead(connection: AsyncConnection, execution_id: UUID) -> list[UUID]:
    """The open turns of the same session before this one, the next first."""
    row = aliased(ChatTurnRow)
    found = await connection.execute(
        select(ChatTurnRow.execution_id)
        .join(row, row.session_key == ChatTurnRow.session_key)
        .where(row.execution_id == execution_id, ~row.ended, ~ChatTurnRow.ended, ChatTurnRow.number < row.number)
        .order_by(ChatTurnRow.number)
    )
    return list(found.scalars())


async def leave_session(session: AsyncSession, key: int) -> list[UUID]:
    """Take all open turns out of a locked session: what they say is kept in their executions alone. Which they are."""
    return list(
        await session.scalars(
            update(ChatTurnRow)
            .where(ChatTurnRow.session_key == key, ~ChatTurnRow.ended)
            .values(session_key=None)
            .returning(ChatTurnRow.execution_id)
        )
    )


async def _lock(session: AsyncSession, asked: TurnInput) -> int | None:
    return await session.scalar(
        select(ChatSessionRow.key)
        .where(ChatSessionRow.user_id == asked.conversation.user_id, ChatSessionRow.id == asked.conversation.session_id)
        .with_for_update()
    )


async def _find(session: AsyncSession, execution_id: UUID) -> ChatTurnRow | None:
    return await session.get(ChatTurnRow, execution_id, populate_existing=True)


async def _ahead(session: AsyncConnection | AsyncSession, key: int, number: int) -> list[UUID]:
    found = await session.execute(
        select(ChatTurnRow.execution_id)
        .where(ChatTurnRow.session_key == key, ~ChatTurnRow.ended, ChatTurnRow.number < number)
        .order_by(ChatTurnRow.number)
    )
    return [execution_id for (execution_id,) in found]
