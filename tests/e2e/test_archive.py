"""A run that Temporal has forgotten, over HTTP: every call answers from the archive what it answered before."""

import asyncio

import pytest
from pydantic import JsonValue
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client

from perdure.temporal.runs import fetch_history
from perdure.temporal.schedules import ARCHIVE_ID
from tests.support.event_reading import event_stream
from tests.support.product import API, POLL_SECONDS, JsonObject, Product
from tests.support.scripted_model import ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

AT_ONCE = {"PERDURE_ARCHIVE__AFTER_SECONDS": "0"}
MODEL: JsonObject = {"llm_provider": "openai", "llm_model": "scripted"}
TEAM: JsonObject = {
    "name": "Team",
    "supervisor_config": MODEL,
    "agents": [{"id": "one", "name": "One"}, {"id": "two", "name": "Two", "requires_approval": True}],
}


async def run(product: Product, path: str) -> str:
    started = await product.post(path, {"input_data": {"message": "Go."}})
    return str(started["id"])


async def decide(product: Product, run_id: str, decision: str) -> None:
    approval = await product.asked(run_id)
    await product.post(f"{API}/executions/{run_id}/approvals/{approval['approval_id']}", {"decision": decision})


async def answers(product: Product, run_id: str, other_id: str) -> list[JsonValue]:
    """What the calls say of a run that read its record, and some that do not."""
    events = f"/api/events/aggregate/{run_id}"
    paths = [
        events,
        f"{events}?include_children=true",
        f"/api/events/replay/{run_id}?to_version=3",
        f"/api/events/state/{run_id}",
        *(f"/api/events/state/{run_id}?to_version={version}" for version in range(1, 8)),
        f"{API}/executions/{run_id}",
        f"{API}/executions/{run_id}/explain",
        f"{API}/executions/{run_id}/approvals",
        f"{API}/executions/{run_id}/steps/one/output",
        f"{API}/executions/{run_id}/diff/{other_id}",
        f"{API}/executions/{other_id}/diff/{run_id}",
    ]
    told: list[JsonValue] = []
    for path in paths:
        async with product.http.get(path) as response:
            body = await response.text()
            assert response.status == 200, (path, body)
            told.append(body)
    async with event_stream(product.http, f"{API}/executions/{run_id}/stream") as reader:
        told += [frame.data async for frame in reader if frame.name == "execution_update"]
    return told


async def forget(client: Client, *run_ids: str) -> None:
    """Have Temporal delete runs, as its retention does; it does so a moment later, and tells nobody."""
    for run_id in run_ids:
        request = DeleteWorkflowExecutionRequest(
            namespace=client.namespace, workflow_execution=WorkflowExecution(workflow_id=run_id)
        )
        await client.workflow_service.delete_workflow_execution(request)
    for run_id in run_ids:
        while await fetch_history(client, run_id):  # noqa: ASYNC110 - the same
            await asyncio.sleep(POLL_SECONDS)


async def passes(client: Client) -> int:
    """How many passes of the archive have completed."""
    return (await client.count_workflows("WorkflowType = 'Archive' AND ExecutionStatus = 'Completed'")).count


async def test_every_call_answers_the_same_when_temporal_has_forgotten(product: Product, model: ScriptedModel) -> None:
    client = await Client.connect(product.temporal_address)
    flow = await product.post(f"{API}/agentflows", TEAM)
    execute = f"{API}/flows/{flow['id']}/execute"
    run_id, other_id = await run(product, execute), await run(product, execute)
    for each, decision in ((run_id, "approve"), (other_id, "reject")):
        await decide(product, each, decision)
        await product.ended(each)
    before = await answers(product, run_id, other_id)

    # Killed as it archives: what it has not done, the next one does.
    await product.kill("worker")
    await product.start("worker", environment=AT_ONCE)
    done = await passes(client)
    await client.get_schedule_handle(ARCHIVE_ID).trigger()
    await product.kill("worker")
    await product.start("worker", environment=AT_ONCE)
    while await passes(client) == done:  # noqa: ASYNC110 - Temporal tells nobody
        await asyncio.sleep(POLL_SECONDS)

    await forget(client, run_id, other_id)
    assert await answers(product, run_id, other_id) == before
    asked = (await model.recorded()).total
    bodies: dict[str, JsonValue] = {f"{run_id}/fork": {"from_step": "two"}, f"{other_id}/retry": None}
    for path, body in bodies.items():
        started = await product.post(f"{API}/executions/{path}", body)
        await decide(product, str(started["id"]), "approve")
        assert (await product.ended(started["id"]))["status"] == "completed"
    assert (await model.recorded()).total == asked + 2
