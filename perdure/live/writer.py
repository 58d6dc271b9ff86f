"""The workers' side of the live channel: one connection per process, one statement for all of its streams."""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Self
from uuid import UUID

import asyncpg

from perdure.live.connection import LOST, close, connect_again, report_crash
from perdure.live.frames import LiveFrame, Token, encode
from perdure.live.notices import CHANNEL, RowsNotice

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.03
"""How long frames are gathered, but for the first token of a stream, which takes all that waits along at once."""

ROWS_PER_STATEMENT = 2_000
FRAME_CHARACTERS = 4_000
"""How long a frame of several pieces may get: how far a reader may fall behind is counted in frames."""

FRAMES_KEPT = 100_000
"""Frames held while the database is away or slow (about 50 MB); beyond it the oldest tokens are dropped."""

DRAIN_SECONDS = 5.0
RETRY_SECONDS = 0.1

_WRITE = """
WITH written AS (
  INSERT INTO live_frames (writer, seq, execution_id, kind, data)
  SELECT $1, f.seq, f.execution_id, f.kind, f.data::jsonb
  FROM unnest($2::bigint[], $3::uuid[], $4::text[], $5::text[]) AS f(seq, execution_id, kind, data)
  -- A statement whose answer was lost may have been committed: writing its rows again changes nothing.
  ON CONFLICT (writer, seq) DO NOTHING
)
SELECT pg_notify($6, $7)
"""


@dataclass(slots=True)
class _Row:
    """One row of the channel, on its way."""

    seq: int
    execution_id: UUID
    frame: LiveFrame
    more: list[str] = field(default_factory=list[str])
    """What was said after the frame's own words, and goes with them."""
    is_open: bool = True
    """It is neither being written nor dropped: more may be added."""

    def encoded(self) -> str:
        if self.more and isinstance(self.frame, Token):
            return encode(self.frame.model_copy(update={"text": self.frame.text + "".join(self.more)}))
        return encode(self.frame)


class Speech:
    """What one attempt of a step says, piece by piece. Pieces that come before the next write make one frame."""

    def __init__(self, enqueue: Callable[[LiveFrame], _Row], node_id: str, attempt: int) -> None:
        self._enqueue = enqueue
        self._node_id = node_id
        self._attempt = attempt
        self._frames = 0
        self._row: _Row | None = None
        self._room = 0

    def say(self, text: str) -> None:
        """Send the next piece on its way. Returns at once."""
        if self._row is not None and self._row.is_open and len(text) <= self._room:
            self._row.more.append(text)
            self._room -= len(text)
            return
        token = Token(node_id=self._node_id, attempt=self._attempt, index=self._frames, text=text)
        self._frames += 1
        self._row = self._enqueue(token)
        self._room = FRAME_CHARACTERS - len(text)


class LiveWriter:
    """Publishes frames without ever making their publisher wait or fail.

    While the database is away frames are kept and written when it is back; past `FRAMES_KEPT` the oldest tokens are
    dropped, which readers see as a gap in `index`.

    Use as `async with LiveWriter(database_url) as live`; leaving writes what is still waiting.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self.writer_id = secrets.randbelow(2**63 - 1) + 1
        """This process's name on the channel; a new one at each start, so that `seq` may begin at 1."""
        self._waiting: deque[_Row] = deque()
        self._published = 0
        self._written = 0
        self._dropped = 0
        self._news = asyncio.Event()
        self._urgent = asyncio.Event()
        self._progress = asyncio.Event()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._task: asyncio.Task[None] | None = None

    def speech(self, execution_id: UUID, node_id: str, attempt: int) -> Speech:
        """What one attempt of a step is going to say."""
        return Speech(partial(self._enqueue, execution_id), node_id, attempt)

    def publish(self, execution_id: UUID, frame: LiveFrame) -> None:
        """Send a frame on its way. Returns at once."""
        self._enqueue(execution_id, frame)

    async def drain(self, seconds: float = DRAIN_SECONDS) -> bool:
        """Wait until all that was published before this call is readable by everyone.

        False when the database did not take it in time: the frames stay on their way, and the run goes on.
        """
        upto = self._published
        self._urgent.set()
        try:
            async with asyncio.timeout(seconds):
                while self._written < upto:
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            logger.warning("The live channel has not been written for %s s; the run goes on without it.", seconds)
            return False
        return True

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="live-writer")
        self._task.add_done_callback(report_crash)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._waiting:
            await self.drain()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await close(self._connection)

    def _enqueue(self, execution_id: UUID, frame: LiveFrame) -> _Row:
        if len(self._waiting) >= FRAMES_KEPT:
            self._drop_oldest_token()
        self._published += 1
        row = _Row(self._published, execution_id, frame)
        self._waiting.append(row)
        self._news.set()
        if isinstance(frame, Token) and frame.index == 0:
            self._urgent.set()
        return row

    def _drop_oldest_token(self) -> None:
        for position, row in enumerate(self._waiting):
            if isinstance(row.frame, Token):
                del self._waiting[position]
                row.is_open = False
                break
        else:
            self._waiting.popleft()
        self._dropped += 1

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            if not self._urgent.is_set():
                try:
                    async with asyncio.timeout(FLUSH_SECONDS):
                        await self._urgent.wait()
                except TimeoutError:
                    pass  # the frames have been gathered long enough
            self._urgent.clear()
            self._news.clear()
            # What comes while this is written is gathered in its turn: a busy worker must not write without pause.
            upto = self._published
            while self._written < upto:
                await self._write_batch()

    async def _write_batch(self) -> None:
        batch = list(islice(self._waiting, ROWS_PER_STATEMENT))
        last = batch[-1].seq
        for row in batch:
            row.is_open = False
        while True:
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect_again(self._database_url, "perdure live writer")
            try:
                await self._insert(self._connection, batch)
                break
            except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
                # The server is well and will never take these: they must not block what comes after them.
                logger.exception("The live channel drops %d frames that the database refuses.", len(batch))
                break
            except LOST as error:
                logger.warning("The live channel has lost the database and writes again when it is back: %s", error)
                await close(self._connection)
                self._connection = None
                await asyncio.sleep(RETRY_SECONDS)
        while self._waiting and self._waiting[0].seq <= last:
            self._waiting.popleft()
        if self._dropped and len(self._waiting) < FRAMES_KEPT // 2:  # once it is over, not with every statement
            logger.warning(
                "The live channel dropped %d tokens: the database was away, or took them too slowly.", self._dropped
            )
            self._dropped = 0
        self._written = last
        self._progress.set()

    async def _insert(self, connection: "asyncpg.Connection[asyncpg.Record]", batch: list[_Row]) -> None:
        notice = RowsNotice(self.writer_id, batch[0].seq, batch[-1].seq)
        seqs, executions, kinds, datas = zip(
            *((row.seq, row.execution_id, row.frame.kind, row.encoded()) for row in batch), strict=True
        )
        await connection.execute(_WRITE, self.writer_id, seqs, executions, kinds, datas, CHANNEL, str(notice))
