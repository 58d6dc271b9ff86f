"""`make bench`: the product's figures beside their floors, in one run, as a table and as JSON.

Everything is real and on this machine: PostgreSQL, Temporal, the API and worker of `perdure up`; the model is scripted,
in processes of its own. Each figure is the median of several runs.
"""

import argparse
import asyncio
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import aiohttp
import psutil
from pydantic import BaseModel, ConfigDict, JsonValue
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bench.bare_temporal import BareTemporal
from bench.measure import Call, Figure, measure, measure_beside, measure_steps
from tests.support.product import API, CHECKOUT, Product, free_port
from tests.support.scripted_model import ScriptedModel

FLOWS = 100_000
SLOW_MODEL_MS = 490
PARTS = ("executions", "teams", "reads")
STEPS = (1, 5, 20)
BRANCHES = 50


class Report(BaseModel):
    """One run of the bench, with what is needed to compare it with another."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    commit: str
    machine: str
    versions: dict[str, str]
    figures: list[Figure]


def _agents(count: int, provider: str) -> list[JsonValue]:
    return [
        {"name": f"Agent {number}", "llm_provider": provider, "llm_model": "scripted", "system_prompt": "Answer."}
        for number in range(count)
    ]


async def _make_flow(product: Product, agents: int, provider: str) -> str:
    flow = await product.post(
        f"{API}/agentflows",
        {"name": f"bench {agents} {provider}", "orchestration_type": "sequential", "agents": _agents(agents, provider)},
    )
    return str(flow["id"])


async def _execute(product: Product, flow_id: str) -> None:
    execution = await product.post(
        f"{API}/flows/{flow_id}/execute?wait=60", {"input_data": {"message": "Say something."}}
    )
    if execution["status"] != "completed":
        msg = f"An execution ended as {execution['status']}: {execution['error_message']}"
        raise RuntimeError(msg)


async def _ask(plain: aiohttp.ClientSession, base_url: str) -> None:
    """The model call of a step without anything round it."""
    messages = [{"role": "system", "content": "Answer."}, {"role": "user", "content": "Say something."}]
    body = {"model": "scripted", "stream": True, "stream_options": {"include_usage": True}, "messages": messages}
    async with plain.post(f"{base_url}/chat/completions", json=body) as response:
        await response.read()
        response.raise_for_status()


async def _finished(product: Product, execution: dict[str, JsonValue]) -> None:
    await product.ended(execution["id"])


async def _executions(product: Product, bare: BareTemporal, ask_model: Call[None], calls: int) -> list[Figure]:
    one, five = await _make_flow(product, 1, "openai"), await _make_flow(product, 5, "openai")
    slow_one, slow_five = await _make_flow(product, 1, "ollama"), await _make_flow(product, 5, "ollama")
    beside = [
        *await measure_beside(
            ("bare Temporal, 1 + 1 local activity", lambda: bare.run(1)),
            ("execution of one model call", lambda: _execute(product, one)),
            calls=calls,
            target="p50 ≤ 50, p95 ≤ 100; ≤ 1.7 × floor",
        ),
        *await measure_beside(
            ("bare Temporal, 20 at a time", lambda: bare.run(1)),
            ("one model call, 20 at a time", lambda: _execute(product, one)),
            calls=calls * 2,
            at_once=20,
            target="≥ 30/s",
        ),
        *await measure_beside(
            ("bare Temporal, 5 + 1 local activities", lambda: bare.run(5)),
            ("five sequential agents", lambda: _execute(product, five)),
            calls=calls // 2,
            target="p50 ≤ 130",
        ),
    ]
    slow = [
        await measure(f"the model of {SLOW_MODEL_MS} ms alone, by plain HTTP", ask_model, calls=max(calls // 10, 3)),
        *await measure_beside(
            (f"bare Temporal, one activity of {SLOW_MODEL_MS} ms", lambda: bare.run(1, pause_ms=SLOW_MODEL_MS)),
            (f"one call of {SLOW_MODEL_MS} ms", lambda: _execute(product, slow_one)),
            calls=max(calls // 5, 4),
            target="p50 ≤ 45 on top of the model",
        ),
        *await measure_beside(
            (f"bare Temporal, five activities of {SLOW_MODEL_MS} ms", lambda: bare.run(5, pause_ms=SLOW_MODEL_MS)),
            (f"five agents of {SLOW_MODEL_MS} ms", lambda: _execute(product, slow_five)),
            calls=max(calls // 10, 4),
            target="p50 ≤ 130 on top of the model",
        ),
    ]
    # Long enough for the twenty to fall out of step: at first they all wait for the model at the same time.
    bare_20 = await measure(
        f"bare Temporal, one activity of {SLOW_MODEL_MS} ms, 20 at a time",
        lambda: bare.run(1, pause_ms=SLOW_MODEL_MS),
        calls=calls * 5,
        at_once=20,
    )
    slow += [
        bare_20,
        await measure(
            f"one call of {SLOW_MODEL_MS} ms, 20 at a time",
            lambda: _execute(product, slow_one),
            calls=calls * 5,
            at_once=20,
            target="≥ 30/s (the model allows 40.8)",
            floor=f"{bare_20.per_second:.1f}/s",
        ),
    ]
    started = await measure(
        "POST /execute",
        lambda: product.post(f"{API}/flows/{one}/execute", {"input_data": {"message": "Go."}}),
        calls=calls,
        # The answer comes before the run: the next call waits, untimed, until that one is over.
        between=lambda execution: _finished(product, execution),
        target="p50 ≤ 20, p99 ≤ 60",
    )
    return [*beside, *slow, started]


async def _teams(product: Product, calls: int) -> list[Figure]:
    """What a step of a team costs, by how many there are; the scripted model answers at once."""
    figures: list[Figure] = []
    for count in STEPS:
        flow_id = await _make_flow(product, count, "openai")
        figures += await measure_steps(
            f"agent step, {count} in a run",
            lambda flow_id=flow_id: _step_times(product, flow_id),
            runs=max(calls // count, 5),
        )
    parallel = await product.post(
        f"{API}/agentflows",
        {"name": "bench parallel", "orchestration_type": "parallel", "agents": _agents(BRANCHES, "openai")},
    )
    figures.append(
        await measure(
            f"{BRANCHES} parallel agents", lambda: _execute(product, str(parallel["id"])), calls=max(calls // 10, 3)
        )
    )
    return figures


async def _step_times(product: Product, flow_id: str) -> list[float]:
    """The milliseconds from each step of one run to the next, and from the last one to the end."""
    execution = await product.post(f"{API}/flows/{flow_id}/execute?wait=60", {"input_data": {"message": "Go."}})
    nodes = execution["node_executions"]
    if execution["status"] != "completed" or not isinstance(nodes, list):
        msg = f"An execution ended as {execution['status']}: {execution['error_message']}"
        raise RuntimeError(msg)
    begun = [datetime.fromisoformat(str(node["started_at"])) for node in nodes if isinstance(node, dict)]
    instants = [*begun, datetime.fromisoformat(str(execution["completed_at"]))]
    return [(after - before).total_seconds() * 1000 for before, after in pairwise(instants)]


async def _reads(product: Product, calls: int) -> list[Figure]:
    port = free_port()
    bare = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.bare_fastapi", str(port), cwd=CHECKOUT)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as plain:

            async def rows() -> None:
                async with plain.get(f"http://127.0.0.1:{port}/rows") as response:
                    await response.read()

            await _listening(rows)
            floor = await measure("bare FastAPI route", rows, calls=calls * 5)
            floor_20 = await measure("bare FastAPI route, 20 at a time", rows, calls=calls * 5, at_once=20)
    finally:
        bare.terminate()
        await bare.wait()
    async with product.http.get(f"{API}/flows?page_size=1") as response:
        flow_id = (await response.json())["flows"][0]["id"]
    return [
        floor,
        await measure(
            f"GET /flows, 20 of {FLOWS:,}",
            lambda: product.read(f"{API}/flows?page_size=20"),
            calls=calls * 2,
            target="p50 ≤ 6, p99 ≤ 20",
            floor=f"{floor.p50_ms:.1f} ms",
        ),
        floor_20,
        await measure(
            "GET /flows, 20 at a time",
            lambda: product.read(f"{API}/flows?page_size=20"),
            calls=calls * 5,
            at_once=20,
            target="≥ 300/s",
            floor=f"{floor_20.per_second:.0f}/s",
        ),
        await measure(
            "GET /flows/{id}", lambda: product.read(f"{API}/flows/{flow_id}"), calls=calls * 2, target="p50 ≤ 4"
        ),
        await measure(
            "POST /agentflows",
            lambda: product.post(f"{API}/agentflows", {"name": "New Agentflow", "orchestration_type": "sequential"}),
            calls=calls,
            target="p50 ≤ 10",
        ),
    ]


async def _listening(call: Call[None]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            await call()
        except aiohttp.ClientConnectionError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return


async def _seed(database_url: str) -> None:
    """Copy one flow until its owner has 100,000, as SQL: this measures reading, not making."""
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(
            text(
                """
                INSERT INTO flows (id, user_id, flow_type, name, description, definition, is_public, is_active,
                                   version, tags, category, created_at, updated_at)
                SELECT gen_random_uuid(), user_id, flow_type, 'Seeded flow ' || n, 'A flow among many, number ' || n,
                       definition, false, true, 1, ARRAY['bench'], 'bench', created_at - n * interval '1 second',
                       updated_at - n * interval '1 second'
                FROM (SELECT * FROM flows ORDER BY created_at LIMIT 1) AS model, generate_series(1, :count) AS n
                """
            ),
            {"count": FLOWS},
        )
    async with engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text("VACUUM ANALYZE"))
    await engine.dispose()


async def run(calls: int, parts: set[str]) -> list[Figure]:
    """Start everything, measure the parts asked for, stop everything."""
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        async with ScriptedModel() as fast, ScriptedModel(latency_ms=SLOW_MODEL_MS) as slow:
            environment = {
                "OPENAI_BASE_URL": fast.base_url,
                "OPENAI_API_KEY": "sk-bench",
                "OLLAMA_BASE_URL": slow.base_url,
            }
            async with Product(Path(folder), environment) as product:
                await product.start("up")
                await product.log_in()
                figures: list[Figure] = []
                if "executions" in parts:
                    async with BareTemporal(product.temporal_address) as bare, aiohttp.ClientSession() as plain:
                        figures += await _executions(product, bare, lambda: _ask(plain, slow.base_url), calls)
                if "teams" in parts:
                    figures += await _teams(product, calls)
                if "reads" in parts:
                    await _make_flow(product, 1, "openai")
                    await _seed(product.database_url)
                    figures += await _reads(product, calls)
                return figures


def _report(figures: list[Figure]) -> Report:
    commit = subprocess.run(  # noqa: S603 - a fixed command
        ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty"],  # noqa: S607 - git from the path
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    memory = psutil.virtual_memory().total / 2**30
    return Report(
        at=datetime.now(UTC),
        commit=commit or "unknown",
        machine=f"{platform.machine()}, {psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}",
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in ("temporalio", "fastapi", "sqlalchemy", "pydantic-ai-slim")},
        },
        figures=figures,
    )


def _print(report: Report) -> None:
    table = Table(title=f"{report.commit} · {report.machine} · python {report.versions['python']}")
    for heading in ("figure", "p50 ms", "p95 ms", "p99 ms", "per second", "target", "floor"):
        table.add_column(heading, justify="left" if heading in {"figure", "target"} else "right")
    for figure in report.figures:
        table.add_row(
            figure.name,
            f"{figure.p50_ms:.1f}",
            f"{figure.p95_ms:.1f}",
            f"{figure.p99_ms:.1f}",
            f"{figure.per_second:.1f}",
            figure.target or "",
            figure.floor or "",
        )
    Console(width=160).print(table)


def main() -> None:
    """Parse, run, print, write."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--calls", type=int, default=100, help="base number of calls per figure and run")
    parser.add_argument("--json", type=Path, default=CHECKOUT / "bench" / "results" / "latest.json")
    parser.add_argument("--only", choices=PARTS, help="measure one part")
    arguments = parser.parse_args()
    parts: set[str] = {arguments.only} if arguments.only else set(PARTS)
    report = _report(asyncio.run(run(arguments.calls, parts)))
    _print(report)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(report.model_dump_json(indent=2))


if __name__ == "__main__":
    main()
