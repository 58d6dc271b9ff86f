"""The API's side of the live channel: one connection per process listens, and reads once per wake-up for everybody."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import UUID

import asyncpg

from perdure.live.connection import LOST, close, connect_again, report_crash
from perdure.live.ends import end_writer
from perdure.live.frames import End, LiveFrame, decode
from perdure.live.notices import CHANNEL, CancelNotice, EndNotice, RowsNotice, parse_notice
from perdure.live.subscription import Position, Row, Subscription

logger = logging.getLogger(__name__)

PAGE_ROWS = 1_000
RETRY_SECONDS = 0.2
PING_SECONDS = 15.0
PING_ANSWER_SECONDS = 5.0

_READ_NEW = """
SELECT f.writer, f.seq, f.execution_id, f.kind, f.data
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS heard(writer, first, last)
JOIN live_frames f ON f.writer = heard.writer AND f.seq BETWEEN heard.first AND heard.last
WHERE f.execution_id = ANY($4::uuid[])
ORDER BY f.writer, f.seq
"""

_READ_STORED = """
SELECT writer, seq, kind, data, created_at
FROM live_frames
WHERE execution_id = $1 AND ($2::timestamptz IS NULL OR (created_at, writer, seq) > ($2, $3, $4))
ORDER BY created_at, writer, seq
LIMIT $5
"""

_READ_ENDS = "SELECT execution_id, data FROM live_frames WHERE kind = 'end' AND execution_id = ANY($1::uuid[])"


@dataclass(frozen=True)
class _Mark:
    """Stands among the notices: whoever put it there learns when those before it have been handed out."""

    reached: "asyncio.Future[None]"

    def reach(self) -> None:
        if not self.reached.done():
            self.reached.set_result(None)


class Ending:
    """Somebody's wait for the end of one execution."""

    def __init__(self) -> None:
        self._status: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def announce(self, status: str) -> None:
        """The execution is over; announced again it changes nothing."""
        if not self._status.done():
            self._status.set_result(status)

    async def wait(self, seconds: float) -> str | None:
        """The status it ended with, or None if it has not after so many seconds."""
        done, _ = await asyncio.wait([self._status], timeout=seconds)
        return self._status.result() if done else None


class LiveReader:
    """Hears of every frame, hands out those that somebody watches.

    Survives restarts of PostgreSQL: it connects again and reads again what may have been missed. A crash of the server
    empties the channel; who watches then gets what comes after it.

    Use as `async with LiveReader(database_url) as live`.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._subscriptions: defaultdict[UUID, set[Subscription]] = defaultdict(set)
        self._endings: defaultdict[UUID, set[Ending]] = defaultdict(set)
        self._cancel_listeners: set[Callable[[UUID], None]] = set()
        self._notices: list[RowsNotice | EndNotice | _Mark] = []
        self._news = asyncio.Event()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._connected = asyncio.Event()
        # asyncpg runs one statement of a connection at a time; the queue for it is ours.
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def watched(self) -> set[UUID]:
        """The executions that somebody follows or waits for at the moment."""
        return {*self._subscriptions, *self._endings}

    def on_cancel(self, told: Callable[[UUID], None]) -> None:
        """Call `told` whenever an execution has been asked to stop. What is said while the database is away is lost."""
        self._cancel_listeners.add(told)

    async def subscribe(self, execution_id: UUID, *, ended: bool = False) -> AsyncGenerator[LiveFrame]:
        """Yield an execution's frames from its first one on, as they are written, up to and including `End`.

        Each comes once; those of one worker are in order. Pass `ended=True` for an execution that is known to be over:
        what there is of it is yielded and nothing is waited for, since its frames, the end too, may be gone by now.

        Raises:
            TooSlowError: the caller has fallen too far behind.
        """
        async with aclosing(self.rows(execution_id, ended=ended)) as rows:
            async for row in rows:
                if row is not None:
                    yield row.frame

    async def rows(
        self,
        execution_id: UUID,
        *,
        ended: bool = False,
        silence_seconds: float | None = None,
        beyond_end: bool = False,
        on_stored: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[Row | None]:
        """Yield what `subscribe` does, each frame with its writer's number: what a watcher keeps to go on from there.

        Yields None after every `silence_seconds` without a frame: the end may have been lost with the server.
        With `beyond_end` it goes on after `End`, until the caller closes it: an operator may have sent the run back.
        `on_stored` is called whenever all that was stored has been yielded.

        Raises:
            TooSlowError: the caller has fallen too far behind.
        """
        subscription = Subscription()
        self._subscriptions[execution_id].add(subscription)
        try:
            while beyond_end or not subscription.ended:
                row = subscription.next_row()
                if row is not None:
                    yield row
                elif subscription.has_more_stored:
                    await self._read_page(execution_id, subscription)
                elif ended:
                    return
                else:
                    on_stored()
                    if not await subscription.wait(silence_seconds):
                        yield None
        finally:
            self._subscriptions[execution_id].discard(subscription)
            if not self._subscriptions[execution_id]:
                del self._subscriptions[execution_id]

    async def catch_up(self, seconds: float) -> bool:
        """Wait until all that was committed before this call has been handed to those who watch.

        False when the database did not answer in so many seconds.
        """
        mark = _Mark(asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(seconds):
                await self._connected.wait()
                async with self._turn:
                    if self._connection is None or self._connection.is_closed():
                        return False
                    # The server sends what there is to hear before it says that it is ready for the next statement.
                    await self._connection.execute("SELECT 1")
                self._notices.append(mark)
                self._news.set()
                await mark.reached
        except LOST:
            return False
        return True

    @asynccontextmanager
    async def ending(self, execution_id: UUID) -> AsyncGenerator[Ending]:
        """Watch for the end of an execution; from before it starts, or before its row is read, none is missed.

        Costs no read of the table: the notice says it all. After a lost connection ends are looked up once for all.
        """
        ending = Ending()
        self._endings[execution_id].add(ending)
        try:
            yield ending
        finally:
            self._endings[execution_id].discard(ending)
            if not self._endings[execution_id]:
                del self._endings[execution_id]

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="live-reader")
        self._task.add_done_callback(report_crash)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await close(self._connection)

    async def _run(self) -> None:
        while True:
            connection = await connect_again(self._database_url, "perdure live reader")
            self._connection = connection
            try:
                await self._catch_up(connection)
                self._connected.set()
                await self._follow(connection)
            except LOST as error:
                logger.warning("The live channel has lost the database and listens again when it is back: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                self._connected.clear()
                await close(connection)

    async def _follow(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Deliver what is heard until the connection is lost."""
        while True:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                # Silence is either a quiet night or a dead peer that never said goodbye.
                async with self._turn:
                    await connection.execute("SELECT 1", timeout=PING_ANSWER_SECONDS)
                continue
            self._news.clear()
            if connection.is_closed():
                raise ConnectionResetError("the server closed the connection")
            heard, self._notices = self._notices, []
            await self._deliver(connection, [notice for notice in heard if not isinstance(notice, _Mark)])
            for mark in heard:
                if isinstance(mark, _Mark):
                    mark.reach()

    async def _catch_up(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Listen, and find out what happened while nobody did."""
        self._notices.clear()
        connection.add_termination_listener(self._on_termination)
        async with self._turn:
            await connection.add_listener(CHANNEL, self._on_notice)
            if self._endings:
                for record in await connection.fetch(_READ_ENDS, list(self._endings)):
                    self._announce(record["execution_id"], _status(record["data"]))
        for subscription in self._watching():
            subscription.read_again()

    def _on_notice(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            notice = parse_notice(str(payload))
        except ValueError as error:
            logger.warning("The live channel skips a notice of another version: %s", error)
            return
        if isinstance(notice, CancelNotice):
            for told in self._cancel_listeners:
                told(notice.execution_id)
            return
        self._notices.append(notice)
        self._news.set()

    def _on_termination(self, _connection: object) -> None:
        self._news.set()

    async def _deliver(
        self, connection: "asyncpg.Connection[asyncpg.Record]", notices: Iterable[RowsNotice | EndNotice]
    ) -> None:
        """Hand out what the notices announce. Ends come last: a run's tokens were committed before its end was."""
        heard: dict[int, RowsNotice] = {}
        ends: list[EndNotice] = []
        for notice in notices:
            if isinstance(notice, EndNotice):
                ends.append(notice)
                continue
            before = heard.get(notice.writer)
            heard[notice.writer] = RowsNotice(notice.writer, before.first, notice.last) if before else notice
        # Waiting requests need no rows: they hear of the end before anything is read.
        for end in ends:
            self._announce(end.execution_id, end.status)
        if heard and self._subscriptions:
            writers, firsts, lasts = zip(*heard.values(), strict=True)
            async with self._turn:
                records = await connection.fetch(_READ_NEW, writers, firsts, lasts, list(self._subscriptions))
            for record in records:
                row = _row(record)
                if row is not None:
                    for subscription in self._subscriptions.get(record["execution_id"], ()):
                        subscription.add_live(row)
        for end in ends:
            row = Row(end_writer(end.execution_id), 1, End(status=end.status))
            for subscription in self._subscriptions.get(end.execution_id, ()):
                subscription.add_live(row)

    async def _read_page(self, execution_id: UUID, subscription: Subscription) -> None:
        await self._connected.wait()
        connection = self._connection
        after = subscription.after
        try:
            async with self._turn:
                if connection is None or connection.is_closed():
                    return
                records = await connection.fetch(
                    _READ_STORED,
                    execution_id,
                    after and after.created_at,
                    after and after.writer,
                    after and after.seq,
                    PAGE_ROWS,
                )
        except LOST:
            # The reader's own task finds out as well, connects again and has everything read again.
            await asyncio.sleep(RETRY_SECONDS)
            return
        if connection is not self._connection:
            return
        rows = [row for record in records if (row := _row(record)) is not None]
        last = records[-1] if len(records) == PAGE_ROWS else None
        subscription.add_page(rows, Position(last["created_at"], last["writer"], last["seq"]) if last else None)

    def _announce(self, execution_id: UUID, status: str) -> None:
        for ending in self._endings.get(execution_id, ()):
            ending.announce(status)

    def _watching(self) -> Iterable[Subscription]:
        return (subscription for watchers in self._subscriptions.values() for subscription in watchers)


def _row(record: asyncpg.Record) -> Row | None:
    try:
        return Row(record["writer"], record["seq"], decode(record["kind"], record["data"]))
    except ValueError as error:
        # A worker of a newer version, during a deploy.
        logger.warning("The live channel skips a frame of another version: %s", error)
        return None


def _status(data: str) -> str:
    frame = decode("end", data)
    return frame.status if isinstance(frame, End) else ""
