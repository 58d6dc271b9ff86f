"""The live channel on a real PostgreSQL: order, completeness, ends, late watchers, lost servers."""

import asyncio
import signal
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from perdure.embedded.data_folder import DataFolder
from perdure.embedded.part import StopStep
from perdure.embedded.postgres import EmbeddedPostgres
from perdure.live import (
    AttemptFailed,
    End,
    LiveFrame,
    LiveReader,
    LiveWriter,
    StepStarted,
    Token,
    TooSlowError,
    announce_end,
    purge,
    subscription,
    writer,
)
from perdure.live.table import live_frames

pytestmark = pytest.mark.timeout(150)


class PatientPostgres(EmbeddedPostgres):
    """Given the time to stop in order, however busy the machine: cut short it comes back with an empty channel."""

    stop_steps: ClassVar[Sequence[StopStep]] = ((signal.SIGINT, 40.0),)


class Database:
    """A PostgreSQL of these tests' own, which they may stop and start."""

    def __init__(self, folder: Path) -> None:
        data = DataFolder.at(folder)
        data.prepare()
        self.server = PatientPostgres(data, lambda _line: None)
        self.engine: AsyncEngine

    @property
    def url(self) -> str:
        return self.server.database_url

    async def start(self) -> None:
        await self.server.start()
        self.engine = create_async_engine(self.url)

    async def stop(self) -> None:
        await self.engine.dispose()
        await self.server.stop()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def end(self, execution_id: UUID, status: str = "completed") -> None:
        async with self.engine.begin() as connection:
            await announce_end(connection, execution_id, status)

    async def count(self) -> int:
        async with self.engine.connect() as connection:
            return (await connection.execute(text("SELECT count(*) FROM live_frames"))).scalar_one()


@pytest.fixture(scope="module")
async def database() -> AsyncGenerator[Database]:
    # Not pytest's temporary folder: each pytest that starts shuts it to others, and PostgreSQL is one when run as root.
    with tempfile.TemporaryDirectory(prefix="perdure-live-") as folder:
        database = Database(Path(folder))
        await database.start()
        try:
            async with database.engine.begin() as connection:
                await connection.run_sync(live_frames.create)
            yield database
        finally:
            await database.stop()


def token(index: int, *, node: str = "a", words: str = "x") -> Token:
    return Token(node_id=node, attempt=1, index=index, text=words)


async def watch(live: LiveReader, execution_id: UUID) -> list[LiveFrame]:
    return [frame async for frame in live.subscribe(execution_id)]


def indexes(frames: list[LiveFrame]) -> list[int]:
    return [frame.index for frame in frames if isinstance(frame, Token)]


async def test_a_watcher_gets_every_frame_once_in_order_and_then_the_end(database: Database) -> None:
    execution = uuid4()
    async with LiveWriter(database.url) as out, LiveReader(database.url) as live:
        watchers = [asyncio.create_task(watch(live, execution))]
        out.publish(execution, StepStarted(node_id="a", attempt=1))
        for index in range(200):
            out.publish(execution, token(index, words=f"{index} "))
            await asyncio.sleep(0.001)
            if index == 100:
                watchers.append(asyncio.create_task(watch(live, execution)))
        out.publish(execution, AttemptFailed(node_id="a", attempt=1, error="no"))
        assert await out.drain()
        await database.end(execution, "failed")
        frames = await asyncio.wait_for(watchers[0], 5)
        assert frames[0] == StepStarted(node_id="a", attempt=1)
        assert indexes(frames) == list(range(200))
        assert frames[-2:] == [AttemptFailed(node_id="a", attempt=1, error="no"), End(status="failed")]
        assert await asyncio.wait_for(watchers[1], 5) == frames
        after_the_end = await asyncio.wait_for(watch(live, execution), 5)
        assert after_the_end == frames


async def test_many_writers_lose_and_repeat_nothing(database: Database) -> None:
    executions = [uuid4() for _ in range(5)]
    async with AsyncExitStack() as stack:
        writers = [await stack.enter_async_context(LiveWriter(database.url)) for _ in range(4)]
        live = await stack.enter_async_context(LiveReader(database.url))
        watchers: list[asyncio.Task[list[LiveFrame]]] = []
        for index in range(300):
            for number, out in enumerate(writers):
                for execution in executions:
                    out.publish(execution, token(index, node=str(number)))
            if index % 30 == 0:
                # Each of these subscribes while everything is in motion.
                watchers += [asyncio.create_task(watch(live, execution)) for execution in executions]
            await asyncio.sleep(0.002)
        for out in writers:
            assert await out.drain()
        for execution in executions:
            await database.end(execution)
        for frames in await asyncio.wait_for(asyncio.gather(*watchers), 20):
            by_node: dict[str, list[int]] = {}
            for frame in frames:
                if isinstance(frame, Token):
                    by_node.setdefault(frame.node_id, []).append(frame.index)
            assert by_node == {str(number): list(range(300)) for number in range(4)}
            assert isinstance(frames[-1], End)


async def test_the_first_token_does_not_wait_to_be_gathered(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FLUSH_SECONDS", 5.0)
    execution = uuid4()
    async with LiveWriter(database.url) as out, LiveReader(database.url) as live:
        frames = live.subscribe(execution)
        out.publish(execution, StepStarted(node_id="a", attempt=1))
        out.publish(execution, token(0))
        async with asyncio.timeout(2):
            assert await anext(frames) == StepStarted(node_id="a", attempt=1)
            assert await anext(frames) == token(0)
        out.publish(execution, token(1))
        waiting = asyncio.ensure_future(anext(frames))
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
        assert await out.drain()
        assert await asyncio.wait_for(waiting, 2) == token(1)
        await frames.aclose()


async def test_what_models_write_is_kept_whatever_it_is(database: Database) -> None:
    execution = uuid4()
    async with LiveWriter(database.url) as out, LiveReader(database.url) as live:
        for index, words in enumerate(["a\x00b", "\ud83d", "ä \U0001f600 \\u0041", '"quoted"\n']):
            out.publish(execution, token(index, words=words))
        assert await out.drain()
        await database.end(execution)
        frames = await asyncio.wait_for(watch(live, execution), 5)
        assert [frame.text for frame in frames if isinstance(frame, Token)] == [
            "ab",
            "?",
            "ä \U0001f600 \\u0041",
            '"quoted"\n',
        ]


async def test_an_end_is_heard_only_once_its_transaction_commits(database: Database) -> None:
    rolled_back, committed = uuid4(), uuid4()
    async with LiveReader(database.url) as live, live.ending(rolled_back) as never, live.ending(committed) as soon:
        await asyncio.wait_for(watch_nothing(live), 5)
        async with database.engine.connect() as connection:
            await announce_end(connection, rolled_back, "completed")
            await announce_end(connection, committed, "completed")
            await connection.rollback()
        assert await soon.wait(0.2) is None
        started = time.monotonic()
        await database.end(committed, "cancelled")
        assert await soon.wait(5) == "cancelled"
        assert time.monotonic() - started < 1
        assert await soon.wait(0) == "cancelled"
        assert await never.wait(0) is None


async def watch_nothing(live: LiveReader) -> None:
    """Return once the reader listens: it reads nothing before."""
    assert [frame async for frame in live.subscribe(uuid4(), ended=True)] == []


async def test_an_execution_that_is_over_can_be_watched_after_its_frames_are_gone(database: Database) -> None:
    over, running = uuid4(), uuid4()
    async with LiveWriter(database.url) as out, LiveReader(database.url) as live:
        out.publish(over, token(0))
        out.publish(running, token(0))
        assert await out.drain()
        await database.end(over)
        async with database.engine.begin() as connection:
            await purge(connection, timedelta(hours=1))
        assert [frame async for frame in live.subscribe(over, ended=True)] == [token(0), End(status="completed")]
        async with database.engine.begin() as connection:
            await purge(connection, timedelta(0))
        assert [frame async for frame in live.subscribe(over, ended=True)] == []
        assert [frame async for frame in live.subscribe(running, ended=True)] == [token(0)]


async def test_stored_frames_are_read_in_pages(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perdure.live.reader.PAGE_ROWS", 7)
    execution = uuid4()
    async with LiveWriter(database.url) as out, LiveReader(database.url) as live:
        for index in range(70):
            out.publish(execution, token(index))
        assert await out.drain()
        await database.end(execution)
        assert indexes(await asyncio.wait_for(watch(live, execution), 5)) == list(range(70))


async def test_a_watcher_that_stands_still_is_told_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "FRAMES_QUEUED", 50)
    execution = uuid4()
    async with LiveWriter(database.url) as out, LiveReader(database.url) as live:
        frames = live.subscribe(execution)
        out.publish(execution, token(0))
        assert await asyncio.wait_for(anext(frames), 5) == token(0)
        waiting = asyncio.ensure_future(anext(frames))  # past the stored frames
        await asyncio.sleep(0.05)
        out.publish(execution, token(1))
        await asyncio.wait_for(waiting, 5)
        for index in range(2, 100):
            out.publish(execution, token(index))
        assert await out.drain()
        await watch_nothing(live)
        await asyncio.sleep(0.1)
        with pytest.raises(TooSlowError):
            await anext(frames)


async def test_nothing_is_lost_when_postgresql_restarts(database: Database) -> None:
    execution, ended_meanwhile = uuid4(), uuid4()
    async with (
        LiveWriter(database.url) as out,
        LiveReader(database.url) as live,
        live.ending(ended_meanwhile) as ending,
    ):
        watcher = asyncio.create_task(watch(live, execution))
        async with asyncio.TaskGroup() as meanwhile:
            for index in range(300):
                out.publish(execution, token(index))
                if index == 100:
                    meanwhile.create_task(database.restart())
                await asyncio.sleep(0.005)
        await database.end(ended_meanwhile)
        assert await out.drain(40)
        await database.end(execution)
        frames = await asyncio.wait_for(watcher, 40)
        assert indexes(frames) == list(range(300))
        assert await ending.wait(40) == "completed"


async def all_said(database: Database, execution_id: UUID) -> list[Token]:
    async with LiveReader(database.url) as live:
        return [each for each in await asyncio.wait_for(watch(live, execution_id), 5) if isinstance(each, Token)]


async def test_what_is_said_before_it_is_written_makes_one_frame(database: Database) -> None:
    execution = uuid4()
    async with LiveWriter(database.url) as out:
        speech, other = out.speech(execution, "a", 1), out.speech(execution, "b", 1)
        for piece in ("Ships ", "sail ", "\0the "):
            speech.say(piece)
            other.say(".")
        assert await out.drain()
        speech.say("sea.")
        assert await out.drain()
        await database.end(execution)
    said = await all_said(database, execution)
    assert [(each.node_id, each.index, each.text) for each in said] == [
        ("a", 0, "Ships sail the "),
        ("b", 0, "..."),
        ("a", 1, "sea."),
    ]


async def test_words_that_were_dropped_leave_a_gap_in_what_is_said_after_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FRAMES_KEPT", 2)
    execution = uuid4()
    async with LiveWriter(database.url) as out:
        speech = out.speech(execution, "a", 1)
        speech.say("dropped")
        out.publish(execution, StepStarted(node_id="b", attempt=1))
        out.publish(execution, StepStarted(node_id="c", attempt=1))
        speech.say("kept")
        assert await out.drain()
        await database.end(execution)
    said = await all_said(database, execution)
    assert [(each.index, each.text) for each in said] == [(1, "kept")]


async def test_a_model_call_goes_on_while_the_database_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FRAMES_KEPT", 10)
    execution = uuid4()
    async with LiveWriter(database.url) as out:
        out.publish(execution, token(0))
        assert await out.drain()
        await database.stop()
        out.publish(execution, StepStarted(node_id="a", attempt=2))
        for index in range(1, 31):
            out.publish(execution, token(index))
        assert not await out.drain(0.1)
        await database.start()
        assert await out.drain(40)
    async with LiveReader(database.url) as live:
        await database.end(execution)
        frames = await asyncio.wait_for(watch(live, execution), 5)
    assert StepStarted(node_id="a", attempt=2) in frames
    assert indexes(frames)[0] == 0
    assert indexes(frames)[-9:] == list(range(22, 31))


async def test_frames_the_database_refuses_do_not_block_the_others(database: Database) -> None:
    execution = uuid4()
    async with LiveWriter(database.url) as out:
        async with database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE live_frames ADD CHECK (data->>'text' <> 'poison')"))
        out.publish(execution, token(0, words="poison"))
        assert await out.drain()
        out.publish(execution, token(1))
        assert await out.drain()
    async with LiveReader(database.url) as live:
        assert indexes([frame async for frame in live.subscribe(execution, ended=True)]) == [1]


async def test_a_watcher_that_leaves_is_forgotten(database: Database) -> None:
    execution = uuid4()
    async with LiveWriter(database.url) as out, LiveReader(database.url) as live:
        watchers = [asyncio.create_task(watch(live, execution)) for _ in range(3)]
        out.publish(execution, token(0))
        assert await out.drain()
        await asyncio.sleep(0.05)
        assert live.watched == {execution}
        for watcher in watchers:
            watcher.cancel()
        await asyncio.wait(watchers)
        assert live.watched == set()
        async with live.ending(execution):
            assert live.watched == {execution}
        assert live.watched == set()


async def test_a_watcher_of_a_silent_run_is_told_of_the_silence(database: Database) -> None:
    execution = uuid4()
    async with LiveReader(database.url) as live, aclosing(live.rows(execution, silence_seconds=0.05)) as rows:
        assert [await anext(rows), await anext(rows)] == [None, None]
        await database.end(execution)
        async for row in rows:
            if row is not None:
                assert row.frame == End(status="completed")
