"""`python -m bench.record`: events and states of a long run over HTTP, from Temporal's history and from the archive.

A team of many agents in sequence is run once, over a scripted model. The floor: that same history fetched from Temporal
and nothing done with it. Then the run is archived, Temporal is made to forget it, and the same is asked again.
"""

import argparse
import asyncio
import statistics
import tempfile
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue
from rich.console import Console
from rich.table import Table
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client

from bench.measure import Call, sample
from perdure.temporal.runs import fetch_history
from perdure.temporal.schedules import ARCHIVE_ID
from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import ScriptedModel


class Reading(BaseModel):
    """One call, in milliseconds."""

    model_config = ConfigDict(frozen=True)

    name: str
    calls: int
    p50_ms: float
    p95_ms: float


async def _measure(name: str, call: Call[None], calls: int) -> Reading:
    await sample(call, calls=max(calls // 10, 1), at_once=1)
    taken = (await sample(call, calls=calls, at_once=1)).times_ms
    return Reading(
        name=name, calls=calls, p50_ms=statistics.median(taken), p95_ms=sorted(taken)[len(taken) * 95 // 100]
    )


async def run(steps: int, calls: int) -> tuple[int, list[Reading]]:
    """Start everything, run the team, read it back, stop everything; how many events there were, and the figures."""
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        async with ScriptedModel() as model:
            environment = {
                "OPENAI_BASE_URL": model.base_url,
                "OPENAI_API_KEY": "sk-bench",
                "PERDURE_ARCHIVE__AFTER_SECONDS": "0",
            }
            async with Product(Path(folder), environment) as product:
                await product.start("up")
                await product.log_in()
                agents: list[JsonValue] = [{"id": f"a{number}", "name": f"A{number}"} for number in range(steps)]
                supervisor: JsonObject = {"llm_provider": "openai", "llm_model": "scripted"}
                body: JsonObject = {"name": "Long", "supervisor_config": supervisor, "agents": agents}
                flow = await product.post(f"{API}/agentflows", body)
                started = await product.post(f"{API}/flows/{flow['id']}/execute", {"input_data": {"message": "Go."}})
                execution_id = str((await product.ended(started["id"]))["id"])
                _, events = await product.call("GET", f"/api/events/aggregate/{execution_id}")
                count = len(events) if isinstance(events, list) else 0
                client = await Client.connect(product.temporal_address)

                async def fetch() -> None:
                    await client.get_workflow_handle(execution_id).fetch_history()

                found = [await _measure("the history, fetched from Temporal (floor)", fetch, calls)]
                found += await _readings(product, execution_id, count // 2, calls, where="")
                found.append(
                    await _measure(
                        "the execution's row", lambda: product.read(f"{API}/executions/{execution_id}"), calls
                    )
                )
                await _move(client, execution_id)
                return count, [*found, *await _readings(product, execution_id, count // 2, calls, where=", archived")]


async def _readings(product: Product, execution_id: str, middle: int, calls: int, *, where: str) -> list[Reading]:
    of = f"aggregate_type=Execution&to_version={middle}"
    paths = {
        "all events": f"/api/events/aggregate/{execution_id}",
        "events up to the middle": f"/api/events/replay/{execution_id}?{of}",
        "the state in the middle": f"/api/events/state/{execution_id}?{of}",
    }
    return [await _measure(f"{name}{where}", partial(product.read, path), calls) for name, path in paths.items()]


async def _move(client: Client, execution_id: str) -> None:
    """Have the run archived, and Temporal forget it."""
    await client.get_schedule_handle(ARCHIVE_ID).trigger()
    done = "WorkflowType = 'Archive' AND ExecutionStatus = 'Completed'"
    while not (await client.count_workflows(done)).count:  # noqa: ASYNC110 - Temporal tells nobody
        await asyncio.sleep(_ASK_SECONDS)
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=client.namespace, workflow_execution=WorkflowExecution(workflow_id=execution_id)
        )
    )
    while await fetch_history(client, execution_id):  # noqa: ASYNC110 - the same
        await asyncio.sleep(_ASK_SECONDS)


_ASK_SECONDS = 0.1


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.record", description=__doc__)
    parser.add_argument("--steps", type=int, default=50, help="agents of the team")
    parser.add_argument("--calls", type=int, default=100, help="calls of each kind")
    parser.add_argument("--json", type=Path, help="write the figures there too, one a line")
    arguments = parser.parse_args()
    count, figures = asyncio.run(run(arguments.steps, arguments.calls))
    table = Table(title=f"A run of {arguments.steps} steps, {count} events", title_justify="left")
    for column in ("what", "calls", "p50 ms", "p95 ms"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for each in figures:
        table.add_row(each.name, str(each.calls), f"{each.p50_ms:.1f}", f"{each.p95_ms:.1f}")
    Console().print(table)
    if arguments.json:
        arguments.json.write_text("".join(f"{figure.model_dump_json()}\n" for figure in figures), encoding="utf-8")


if __name__ == "__main__":
    main()
