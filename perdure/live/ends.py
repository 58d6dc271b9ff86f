"""The end of an execution: asked for, written in the transaction that records it; and the removal of what is over."""

from datetime import timedelta
from uuid import UUID

import orjson
from sqlalchemy import CTE, BigInteger, Select, Text, bindparam, cast, func, literal, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.live.notices import CHANNEL, CancelNotice, EndNotice
from perdure.live.table import live_frames

ABANDONED_AFTER = timedelta(days=30)
"""Frames this old go even where no end was announced: nobody follows word by word for a month."""

# A data-modifying WITH runs whether or not it is read: one round trip for the row and the notice.
_ANNOUNCE = text(
    "WITH ended AS ("
    " INSERT INTO live_frames (writer, seq, execution_id, kind, data)"
    " VALUES (:writer, 1, :execution_id, 'end', CAST(:data AS jsonb))"
    " ON CONFLICT (writer, seq) DO UPDATE SET data = excluded.data)"
    " SELECT pg_notify(:channel, :notice)"
)

_NOTIFY = text("SELECT pg_notify(:channel, :notice)")

_PURGE = text(
    "DELETE FROM live_frames WHERE created_at < now() - CAST(:abandoned AS interval) OR execution_id IN ("
    " SELECT execution_id FROM live_frames WHERE kind = 'end' AND created_at < now() - CAST(:older AS interval))"
)


def end_writer(execution_id: UUID) -> int:
    """The writer of an execution's end frame: negative, so that it is no worker's, and always the same."""
    high, low = execution_id.int >> 64, execution_id.int & 0xFFFF_FFFF_FFFF_FFFF
    return -((high ^ low) & 0x7FFF_FFFF_FFFF_FFFF) - 1


async def announce_cancel(connection: AsyncConnection | AsyncSession, execution_id: UUID) -> None:
    """Tell workers that this execution is asked to stop. Temporal is asked by the caller: this only hastens it."""
    await connection.execute(_NOTIFY, {"channel": CHANNEL, "notice": str(CancelNotice(execution_id))})


async def announce_end(connection: AsyncConnection | AsyncSession, execution_id: UUID, status: str) -> None:
    """Write the end frame and wake its watchers when, and only when, the caller's transaction commits.

    Call it in the transaction that records the end, after the workers have drained the execution's frames: readers
    deliver nothing after it.
    """
    await connection.execute(_ANNOUNCE, {"execution_id": execution_id, **announcement(execution_id, status)})


def announcement(execution_id: UUID, status: str) -> dict[str, object]:
    """What the statements take that announce an end."""
    return {
        "writer": end_writer(execution_id),
        "data": orjson.dumps({"status": status}).decode(),
        "channel": CHANNEL,
        "notice": str(EndNotice(execution_id, status)),
    }


def announcing(closed: CTE) -> Select[tuple[object]]:
    """Build a statement that closes a run and announces its end in one round trip. Takes `announcement` too.

    `closed` is the part that closes it, with the `id` of what it closed; the statement gives a row if it did.
    """
    writer = bindparam("writer", type_=BigInteger)
    data = cast(bindparam("data", type_=Text), JSONB)
    frame = select(writer, literal(1), closed.c.id, literal("end"), data)
    written = insert(live_frames).from_select(["writer", "seq", "execution_id", "kind", "data"], frame)
    replaced = written.on_conflict_do_update(
        index_elements=[live_frames.c.writer, live_frames.c.seq], set_={"data": written.excluded.data}
    )
    ended = replaced.returning(live_frames.c.seq).cte("ended")
    notice = func.pg_notify(bindparam("channel", type_=Text), bindparam("notice", type_=Text))
    return select(notice).select_from(closed).add_cte(ended)


async def purge(connection: AsyncConnection | AsyncSession, older_than: timedelta) -> None:
    """Delete the frames of executions that ended longer ago than that, and abandoned ones.

    Who subscribes to a purged execution must be told that it has ended (`subscribe(..., ended=True)`).
    """
    await connection.execute(_PURGE, {"abandoned": ABANDONED_AFTER, "older": older_than})
