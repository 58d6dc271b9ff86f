"""`python -m bench.live`: how late a token is shown, and what the live channel costs a process.

One process holds the writer, the reader and one watcher per stream, as many as asked for, on a real PostgreSQL. A
token's lag runs from `publish` to its watcher, so it holds the time the token waited for the others of its 30 ms.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import create_async_engine

from perdure.embedded.data_folder import DataFolder
from perdure.embedded.postgres import EmbeddedPostgres
from perdure.live import LiveReader, LiveWriter, Token, announce_end
from perdure.live.table import live_frames


class LiveFigure(BaseModel):
    """What one number of streams gave. Lags in milliseconds."""

    model_config = ConfigDict(frozen=True)

    streams: int
    tokens_per_second: int
    seconds: float
    tokens: int
    lost: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    core_percent: float
    """Processor time of this process (writer, reader and watchers), in percent of one core."""


async def measure(database_url: str, *, streams: int, tokens_per_second: int, seconds: float) -> LiveFigure:
    """Write `streams` streams for so long and watch them all."""
    executions = [uuid4() for _ in range(streams)]
    lags: list[float] = []
    engine = create_async_engine(database_url)
    async with LiveWriter(database_url) as writer, LiveReader(database_url) as reader:

        async def watch(execution: UUID) -> None:
            async for frame in reader.subscribe(execution):
                if isinstance(frame, Token):
                    lags.extend((time.perf_counter() - float(each)) * 1000 for each in frame.text.split())

        async def write(execution: UUID, count: int) -> None:
            began = time.perf_counter()
            # Models do not start in step.
            offset = (execution.int % 1000) / 1000 / tokens_per_second
            speech = writer.speech(execution, "a", 1)
            for index in range(count):
                await asyncio.sleep(began + offset + index / tokens_per_second - time.perf_counter())
                speech.say(f"{time.perf_counter()} ")

        watchers = [asyncio.create_task(watch(execution)) for execution in executions]
        await asyncio.sleep(0.5)
        count = int(seconds * tokens_per_second)
        began, cpu = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for execution in executions:
                group.create_task(write(execution, count))
        took, used = time.perf_counter() - began, time.process_time() - cpu
        await writer.drain()
        async with engine.begin() as connection:
            for execution in executions:
                await announce_end(connection, execution, "completed")
        await asyncio.gather(*watchers)
    await engine.dispose()
    lags.sort()
    return LiveFigure(
        streams=streams,
        tokens_per_second=tokens_per_second,
        seconds=round(took, 1),
        tokens=len(lags),
        lost=streams * count - len(lags),
        p50_ms=round(lags[len(lags) // 2], 1),
        p95_ms=round(lags[len(lags) * 95 // 100], 1),
        p99_ms=round(lags[len(lags) * 99 // 100], 1),
        core_percent=round(used / took * 100, 1),
    )


@asynccontextmanager
async def _database(url: str | None) -> AsyncGenerator[str]:
    """The database of that URL, migrated already, or an embedded one that goes away again."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as path:
        folder = DataFolder.at(Path(path))
        folder.prepare()
        server = EmbeddedPostgres(folder, print)
        try:
            await server.start()
            engine = create_async_engine(server.database_url)
            async with engine.begin() as connection:
                await connection.run_sync(live_frames.create)
            await engine.dispose()
            yield server.database_url
        finally:
            await server.stop()


async def _main(arguments: argparse.Namespace) -> None:
    async with _database(arguments.database_url) as url:
        figures = [
            await measure(url, streams=streams, tokens_per_second=arguments.rate, seconds=arguments.seconds)
            for streams in arguments.streams
        ]
    table = Table(title="The live channel", title_justify="left")
    for column in ("streams", "tokens/s each", "tokens", "lost", "p50 ms", "p95 ms", "p99 ms", "% of a core"):
        table.add_column(column, justify="right")
    for each in figures:
        cells = (each.streams, each.tokens_per_second, each.tokens, each.lost, each.p50_ms, each.p95_ms, each.p99_ms)
        table.add_row(*map(str, cells), str(each.core_percent))
    Console().print(table)
    if arguments.json:
        lines = "".join(f"{figure.model_dump_json()}\n" for figure in figures)
        await asyncio.to_thread(Path(arguments.json).write_text, lines, encoding="utf-8")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description="Lag and cost of the live channel.")
    parser.add_argument("--database-url", help="a migrated database; unset: an embedded one is started")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 200])
    parser.add_argument("--rate", type=int, default=50, help="tokens per second of each stream")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", help="also write the figures to this file, one JSON object a line")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
