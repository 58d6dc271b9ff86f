"""`python -m bench.streams`: how late a token reaches a reader over HTTP, and what those cost who only watch.

Runs wait for a model that says nothing, and a writer of the bench's own says the words in its place: each token carries
the time at which it was published. A lag runs from there to the reader of `GET /executions/{id}/stream`.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from uuid import UUID

import aiohttp
import orjson
import psutil
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from perdure.live import LiveWriter
from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedModel

MODEL: JsonObject = {"llm_provider": "openai", "llm_model": "scripted"}
STEP = "writer"
SILENT: JsonObject = {"name": "A", "id": STEP, "timeout_seconds": 3600}
"""Its model says nothing for as long as the bench takes."""


class StreamFigure(BaseModel):
    """What one number of streams gave. Lags in milliseconds."""

    model_config = ConfigDict(frozen=True)

    streams: int
    tokens: int
    lost: int
    p50_ms: float
    p95_ms: float


class WatcherFigure(BaseModel):
    """What watchers of one run that says nothing cost the API's process."""

    model_config = ConfigDict(frozen=True)

    watchers: int
    megabytes: float
    kilobytes_each: float


async def lag(
    product: Product, writer: LiveWriter, executions: Sequence[UUID], *, tokens: int, rate: float
) -> StreamFigure:
    """Say so many words in each run, and watch each over a connection of its own."""
    lags: list[float] = []
    # A higher attempt than that of any measurement before, whose words come once more.
    attempt = int(time.time())
    async with AsyncExitStack() as stack:
        answers = [await stack.enter_async_context(opened(product, each)) for each in executions]

        async def read(answer: aiohttp.ClientResponse) -> None:
            left = tokens
            async for line in answer.content:
                if line.startswith(b'data: {"node_id"') and b'"text"' in line:
                    told = orjson.loads(line[6:])
                    said = str(told["text"]).split() if told["attempt"] == attempt else []
                    lags.extend((time.time() - float(each)) * 1000 for each in said)
                    left -= len(said)
                if left <= 0:
                    return

        reading = [asyncio.create_task(read(answer)) for answer in answers]
        async with asyncio.TaskGroup() as group:
            for execution in executions:
                group.create_task(say(writer, execution, attempt, tokens=tokens, rate=rate))
        await asyncio.wait(reading, timeout=10)
        for task in reading:
            task.cancel()
    return StreamFigure(
        streams=len(executions),
        tokens=len(lags),
        lost=len(executions) * tokens - len(lags),
        p50_ms=round(percentile(lags, 50), 1),
        p95_ms=round(percentile(lags, 95), 1),
    )


async def say(writer: LiveWriter, execution: UUID, attempt: int, *, tokens: int, rate: float) -> None:
    """Say so many words in a run, each of which is the time at which it is said, and a space."""
    began = time.perf_counter() + (execution.int % 1000) / 1000 / rate  # models do not start in step
    speech = writer.speech(execution, STEP, attempt)
    for index in range(tokens):
        await asyncio.sleep(began + index / rate - time.perf_counter())
        speech.say(f"{time.time():.6f} ")


def percentile(lags: Sequence[float], percent: int) -> float:
    """The lag that so many in a hundred do not exceed."""
    return sorted(lags)[min(len(lags) * percent // 100, len(lags) - 1)]


async def memory(product: Product, execution: UUID, *, watchers: int) -> WatcherFigure:
    """Watch one run over so many connections, and see how the API's process has grown."""
    process = psutil.Process(product.processes["api"].pid)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(opened(product, execution))
        before = process.memory_info().rss
        for _ in range(watchers):
            await stack.enter_async_context(opened(product, execution))
        grown = process.memory_info().rss - before
    return WatcherFigure(
        watchers=watchers, megabytes=round(grown / 2**20, 1), kilobytes_each=round(grown / 2**10 / watchers, 1)
    )


def opened(product: Product, execution: UUID) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    """Open a connection that watches a run."""
    return product.http.get(f"{API}/executions/{execution}/stream", timeout=aiohttp.ClientTimeout(total=None))


async def start_run(product: Product, flow_id: str) -> UUID:
    """Start a run; its id."""
    started = await product.post(f"{API}/flows/{flow_id}/execute", {"input_data": {"message": "Go."}})
    return UUID(str(started["id"]))


async def run(
    streams: Sequence[int], *, watchers: int, tokens: int, rate: float
) -> tuple[list[StreamFigure], WatcherFigure]:
    """Start everything, measure, stop everything."""
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        data = Path(folder)
        async with ScriptedModel() as model:
            await model.script(Behaviour(hang_after_tokens=0, times=None))
            environment = {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": "sk-bench"}
            environment["PERDURE_WORKER__MAX_CONCURRENT_STEPS"] = "1000"
            async with Product(data, environment) as product:
                await product.start("services")
                await product.migrate()
                await product.start("api", "worker")
                await product.log_in()
                team: JsonObject = {"name": "Team", "supervisor_config": MODEL, "agents": [SILENT]}
                flow_id = str((await product.post(f"{API}/agentflows", team))["id"])
                executions = [await start_run(product, flow_id) for _ in range(max(streams))]
                await model.wait_for_requests(len(executions))
                # Before the streams: what these need is kept by the process, and would be used again.
                watching = await memory(product, executions[0], watchers=watchers)
                figures: list[StreamFigure] = []
                async with LiveWriter(product.database_url) as writer:
                    for count in streams:
                        print(f"{count} streams", file=sys.stderr, flush=True)
                        figures.append(await lag(product, writer, executions[:count], tokens=tokens, rate=rate))
                await product.stop("worker")
                return figures, watching


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.streams", description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 50, 200])
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=250, help="tokens of each stream")
    parser.add_argument("--rate", type=float, default=50, help="tokens a second of each stream")
    parser.add_argument("--json", type=Path, help="write the figures there too, one a line")
    arguments = parser.parse_args()
    figures, watching = asyncio.run(
        run(arguments.streams, watchers=arguments.watchers, tokens=arguments.tokens, rate=arguments.rate)
    )
    table = Table(title="From worker to reader", title_justify="left")
    for column in ("streams", "tokens", "lost", "p50 ms", "p95 ms"):
        table.add_column(column, justify="right")
    for each in figures:
        table.add_row(*map(str, (each.streams, each.tokens, each.lost, each.p50_ms, each.p95_ms)))
    console = Console()
    console.print(table)
    console.print(
        f"{watching.watchers} watchers of one run: {watching.megabytes} MB, {watching.kilobytes_each} KB each."
    )
    if arguments.json:
        lines = [figure.model_dump_json() for figure in (*figures, watching)]
        arguments.json.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
