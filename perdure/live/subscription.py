"""One watcher of one execution: rows in, frames out, each once and in order. No I/O."""

import asyncio
from collections import deque
from datetime import datetime
from typing import NamedTuple

from perdure.live.frames import End, LiveFrame

FRAMES_QUEUED = 10_000
"""How far a watcher may fall behind what is being written, in frames."""


class TooSlowError(Exception):
    """The watcher takes frames more slowly than they are written; subscribing again starts from the first frame."""


class Position(NamedTuple):
    """Where a stored row stands among the rows of its execution: rows of one writer are in the order of their `seq`."""

    created_at: datetime
    writer: int
    seq: int


class Row(NamedTuple):
    """A stored frame."""

    writer: int
    seq: int
    frame: LiveFrame


class Subscription:
    """What a watcher has had and what it has still to get.

    Frames come from two sides: *stored* rows, read page by page from the execution's first one on, and *live* ones,
    read when their writer notifies. Stored rows go first; live ones wait behind them. A row that comes from both sides
    is known by its writer's `seq`: a writer's rows are committed in order, so what is not past the last one had is a
    repetition. After the connection was lost everything is read again, and repetitions fall out the same way.
    """

    def __init__(self) -> None:
        self._had: dict[int, int] = {}
        self._stored: deque[Row] = deque()
        self._live: deque[Row] = deque()
        self._news = asyncio.Event()
        self._too_slow = False
        self.after: Position | None = None
        """Where the next page of stored rows begins."""
        self.has_more_stored = True
        self.ended = False
        """Whether the last frame has been handed out, or it is known that none will come."""

    def read_again(self) -> None:
        """Stored rows may have been missed: go through all of them, after what has come already."""
        self._stored.extend(self._live)
        self._live.clear()
        self.after = None
        self.has_more_stored = True
        self._news.set()

    def add_page(self, rows: list[Row], after: Position | None) -> None:
        """Take the next page of stored rows; with no position after it, it was the last."""
        self._stored.extend(rows)
        self.has_more_stored = after is not None
        if after is not None:
            self.after = after

    def add_live(self, row: Row) -> None:
        """Take a row that was just written."""
        if len(self._live) >= FRAMES_QUEUED:
            self._too_slow = True
        else:
            self._live.append(row)
        self._news.set()

    def next_row(self) -> Row | None:
        """The next row, or None when stored rows have to be read or live ones awaited first.

        Raises:
            TooSlowError: frames had to be left out.
        """
        if self._too_slow:
            raise TooSlowError(f"The watcher is {FRAMES_QUEUED} frames behind; subscribe again.")
        while True:
            if self._stored:
                row = self._stored.popleft()
            elif self._live and not self.has_more_stored:
                row = self._live.popleft()
            else:
                return None
            if row.seq > self._had.get(row.writer, 0):
                self._had[row.writer] = row.seq
                self.ended = isinstance(row.frame, End)
                return row

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until something has come or has to be read; False when nothing has after so many seconds."""
        if self._live or self.has_more_stored:
            return True
        self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        return True
