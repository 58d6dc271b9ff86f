"""`python -m bench.fork`: how long it takes to start a fork, beside an ordinary start.

A run of many agents is forked at its last one, again and again. Both are timed in turns until the call returns, which
is when the new execution is durable; and a fork also until it has ended, so with its steps reused. The model is
scripted and answers at once.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue
from rich.console import Console
from rich.table import Table

from bench.measure import TURNS, sample
from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import ScriptedModel

MODEL = "gpt-4o-mini"


class Start(BaseModel):
    """One way to start; milliseconds until the call returned."""

    model_config = ConfigDict(frozen=True)

    name: str
    calls: int
    p50_ms: float
    p95_ms: float


async def measure(product: Product, *, steps: int, calls: int) -> list[Start]:
    """Start forks and ordinary runs, a few of each in turns."""
    agents: list[JsonValue] = [{"id": f"a{number}", "name": f"A{number}"} for number in range(steps)]
    supervisor: JsonObject = {"llm_provider": "openai", "llm_model": MODEL}
    flow = await product.post(f"{API}/agentflows", {"name": "T", "supervisor_config": supervisor, "agents": agents})
    execute = f"{API}/flows/{flow['id']}/execute"
    body: JsonObject = {"input_data": {"message": "Go."}}
    parent = await product.ended((await product.post(execute, body))["id"])
    fork = f"{API}/executions/{parent['id']}/fork"
    cut: JsonObject = {"from_step": f"a{steps - 1}"}
    times: dict[str, list[float]] = {}

    async def settle(execution: JsonObject) -> None:
        await product.ended(execution["id"])

    for turn in range(TURNS + 1):
        share = max(calls // TURNS, 1)
        started = await sample(lambda: product.post(execute, body), calls=share, at_once=1, between=settle)
        forked = await sample(lambda: product.post(fork, cut), calls=share, at_once=1, between=settle)
        begun = time.perf_counter()
        await product.post(f"{fork}?wait=60", cut)
        ended = (time.perf_counter() - begun) * 1000
        if turn:  # the first warms up
            times.setdefault("start of a run", []).extend(started.times_ms)
            times.setdefault("start of a fork", []).extend(forked.times_ms)
            times.setdefault(f"fork to its end, {steps - 1} steps reused", []).append(ended)
        print(f"turn {turn} of {TURNS}", file=sys.stderr, flush=True)
    return [
        Start(name=name, calls=len(each), p50_ms=round(statistics.median(each), 1), p95_ms=round(_p95(each), 1))
        for name, each in times.items()
    ]


def _p95(times: list[float]) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) * 95 // 100, len(ordered) - 1)]


async def run(steps: int, calls: int) -> list[Start]:
    """Start everything, measure, stop everything."""
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        async with ScriptedModel() as model:
            environment = {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": "sk-bench"}
            async with Product(Path(folder), environment) as product:
                await product.start("up")
                await product.log_in()
                return await measure(product, steps=steps, calls=calls)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.fork", description=__doc__)
    parser.add_argument("--steps", type=int, default=50, help="agents of the run that is forked")
    parser.add_argument("--calls", type=int, default=60, help="starts of each kind")
    parser.add_argument("--json", type=Path, help="write the figures there too, one a line")
    arguments = parser.parse_args()
    figures = asyncio.run(run(arguments.steps, arguments.calls))
    table = Table(title=f"Forks of a run of {arguments.steps} steps", title_justify="left")
    for column in ("what", "calls", "p50 ms", "p95 ms"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for each in figures:
        table.add_row(each.name, str(each.calls), str(each.p50_ms), str(each.p95_ms))
    Console().print(table)
    if arguments.json:
        arguments.json.write_text("".join(f"{figure.model_dump_json()}\n" for figure in figures), encoding="utf-8")


if __name__ == "__main__":
    main()
