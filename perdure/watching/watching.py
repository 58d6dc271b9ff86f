"""Everybody who watches runs in this process: one call to Temporal and one reader of live words for each run."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import chain, repeat
from uuid import UUID

from temporalio.service import RPCError

from perdure.bootstrap import Runtime
from perdure.domain.errors import NotFoundError, UnavailableError
from perdure.domain.events import Event
from perdure.event_store import read_events
from perdure.live import TooSlowError
from perdure.storage.outages import is_outage
from perdure.temporal.following import Follower, News, is_unknown
from perdure.watching.log import Frame, RunLog, Walk, closes_step
from perdure.watching.place import Place

_log = logging.getLogger(__name__)

CATCH_UP_SECONDS = 1.0
"""How long an event waits for the words before it, where the database does not answer."""

LOAD_SECONDS = 10.0
"""How long a watcher waits for the first of a run's events."""

_BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Waits before following goes on after a failure; the last one repeats."""


class Watcher:
    """Somebody who watches a run."""

    def __init__(self, run: "_WatchedRun", place: Place, backlog: int) -> None:
        self._run = run
        self._walk = Walk(run.log, place)
        self._backlog = backlog

    @property
    def place(self) -> str:
        """The id of the last frame."""
        return str(self._walk.place)

    async def next(self) -> Frame | None:
        """The next frame, as soon as there is one; None after the last.

        Raises:
            TooSlowError: the watcher takes frames more slowly than they come.
            UnavailableError: the run can no longer be followed here.
        """
        while True:
            # Asked for first: what comes after the look is not missed.
            news = self._run.news
            frame = self.ready()
            if frame is not None:
                return frame
            if self._run.over:
                return None
            self._run.check()
            await news.wait()

    def ready(self) -> Frame | None:
        """The next frame where it is there already.

        Raises:
            TooSlowError: the watcher takes frames more slowly than they come.
        """
        frame = self._walk.step()
        if self._walk.behind > self._backlog:
            raise TooSlowError(f"The watcher is more than {self._backlog} frames behind; watch again.")
        return frame


class Watching:
    """The runs that are watched in this process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._runs: dict[UUID, _WatchedRun] = {}

    @property
    def watched(self) -> int:
        """How many runs are followed at the moment."""
        return len(self._runs)

    @asynccontextmanager
    async def watch(self, execution_id: UUID, place: Place, *, user_id: int) -> AsyncGenerator[Watcher]:
        """Watch a run of this user's from a place on; who may watch it is the caller's to check.

        Raises:
            NotFoundError: its events are kept nowhere any more.
            UnavailableError: they cannot be read now.
        """
        run = self._runs.get(execution_id)
        if run is None:
            run = self._runs[execution_id] = _WatchedRun(self._runtime, execution_id, user_id)
        run.watchers += 1
        try:
            await run.loaded()
            yield Watcher(run, place, self._runtime.settings.api.watcher_backlog)
        finally:
            run.watchers -= 1
            if not run.watchers:
                del self._runs[execution_id]
                run.close()


class _WatchedRun:
    """One run and those who watch it."""

    def __init__(self, runtime: Runtime, execution_id: UUID, user_id: int) -> None:
        self.log = RunLog()
        self.watchers = 0
        self.over = False
        self.news = asyncio.Event()
        """Set when something has come, and another one from then on."""
        self._runtime = runtime
        self._execution_id = execution_id
        self._user_id = user_id
        self._stored = asyncio.Event()
        self._loaded = asyncio.Event()
        self._failure: BaseException | None = None
        self._task = asyncio.create_task(self._follow(), name=f"following {execution_id}")
        self._task.add_done_callback(self._note_death)

    async def loaded(self) -> None:
        """Wait until what is recorded so far is there."""
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                await self._loaded.wait()
        except TimeoutError:
            raise UnavailableError("The events of this execution cannot be read now: try again.") from None
        self.check()

    def check(self) -> None:
        """Raise what keeps the run from being followed."""
        if isinstance(self._failure, NotFoundError):
            raise self._failure
        if self._failure is not None:
            raise UnavailableError("This execution can no longer be followed here: watch it again.")

    def close(self) -> None:
        """Let go of it: nobody watches any more."""
        self._task.cancel()

    async def _follow(self) -> None:
        words = asyncio.create_task(self._take_words(), name=f"words of {self._execution_id}")
        words.add_done_callback(self._note_death)
        try:
            # A newcomer is to find the words that were written before it came; without a database there are none.
            with suppress(TimeoutError):
                async with asyncio.timeout(CATCH_UP_SECONDS):
                    await self._stored.wait()
            follower = Follower(self._runtime.records, self._execution_id)
            for wait in chain(_BACKOFF_SECONDS, repeat(_BACKOFF_SECONDS[-1])):
                if await self._follow_once(follower):
                    return
                await asyncio.sleep(wait)
        finally:
            words.cancel()

    async def _follow_once(self, follower: Follower) -> bool:
        """Follow until the run is over, or following fails in a way that passes: False."""
        try:
            async with aclosing(follower.follow()) as recorded:
                async for news in recorded:
                    await self._take_news(news)
        except RPCError as error:
            if is_unknown(error):
                return await self._take_kept()
            _log.warning("Following %s goes on when Temporal is back: %s", self._execution_id, error)
            return False
        except Exception as error:
            if not is_outage(error):
                raise
            _log.warning("Following %s goes on when the database is back: %s", self._execution_id, error)
            return False
        return self.over

    async def _take_kept(self) -> bool:
        """Take the events of a run that Temporal does not know (any more) from the archive."""
        events = await read_events(self._runtime, str(self._execution_id), "Execution", user_id=self._user_id)
        self._take([event for event in events if event.version > self.log.version], over=True)
        return True

    async def _take_news(self, news: News) -> None:
        events = [event.to_event(str(self._execution_id), self._user_id) for event in news.events]
        if news.over or any(map(closes_step, events)):
            # A step's words were committed before its end was recorded: they go first.
            await self._runtime.live.catch_up(CATCH_UP_SECONDS)
        self._take(events, over=news.over)

    def _take(self, events: list[Event], *, over: bool) -> None:
        for position, event in enumerate(events, 1):
            self.log.add_event(event, last=over and position == len(events))
        self.over = over
        self._loaded.set()
        self._tell()

    async def _take_words(self) -> None:
        rows = self._runtime.live.rows(self._execution_id, beyond_end=True, on_stored=self._stored.set)
        async with aclosing(rows):
            async for row in rows:
                if row is not None:
                    self.log.add_row(row)
                    self._tell()

    def _tell(self) -> None:
        told, self.news = self.news, asyncio.Event()
        told.set()

    def _note_death(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or (failure := task.exception()) is None:
            return
        if not isinstance(failure, NotFoundError):
            _log.error("Following %s has failed.", self._execution_id, exc_info=failure)
        self._failure = failure
        self._loaded.set()
        self._tell()
