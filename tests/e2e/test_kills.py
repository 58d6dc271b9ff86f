"""`kill -9` of each process in the middle of a run: nothing is lost, nothing that was finished is paid again."""

import asyncio
from uuid import uuid4

import pytest

from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

CHAT: JsonObject = {"llm_provider": "openai", "llm_model": "scripted"}
TEAM: JsonObject = {
    "name": "Team",
    "supervisor_config": CHAT,
    "agents": [{"name": "One"}, {"name": "Two"}, {"name": "Three"}],
}


async def started(product: Product, flow_id: str) -> str:
    execution = await product.post(f"{API}/flows/{flow_id}/execute", {"input_data": {"message": "Go."}})
    return str(execution["id"])


async def test_a_killed_worker_repeats_the_call_in_flight_and_no_other(product: Product, model: ScriptedModel) -> None:
    flow_id = str((await product.post(f"{API}/agentflows", TEAM))["id"])
    await model.script(Behaviour(text="one"), Behaviour(hang_after_tokens=1))
    execution_id = await started(product, flow_id)
    await model.wait_for_requests(2)
    await product.kill("worker")
    assert (await model.recorded()).total == 2
    running = await product.get(f"{API}/executions/{execution_id}")
    assert running["status"] == "running"
    await product.start("worker")
    execution = await product.ended(execution_id)
    assert execution["status"] == "completed"
    requests = await model.requests()
    assert [request.system_prompt for request in requests] == [
        "You are One.",
        "You are Two.",
        "You are Two.",
        "You are Three.",
    ]
    nodes = execution["node_executions"]
    assert isinstance(nodes, list)
    assert [node["retry_count"] for node in nodes if isinstance(node, dict)] == [0, 1, 0]


async def test_a_killed_api_loses_no_run_and_no_second_call_starts_another(
    product: Product, model: ScriptedModel
) -> None:
    flow_id = str((await product.post(f"{API}/agentflows", TEAM))["id"])
    await model.script(Behaviour(delay_ms=1500, text="one"))
    key = {"Idempotency-Key": uuid4().hex}
    path = f"{API}/flows/{flow_id}/execute?wait=30"
    waiting = asyncio.create_task(product.call("POST", path, {"input_data": {"message": "Go."}}, key))
    await model.wait_for_requests(1)
    await product.kill("api")
    assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], Exception)
    await product.start("api")
    again = await product.post(path, {"input_data": {"message": "Go."}}, key)
    assert again["status"] == "completed"
    assert (await model.recorded()).total == 3
    assert (await product.get(f"{API}/flows/{flow_id}/executions"))["total"] == 1


async def test_a_stopped_worker_hands_its_step_over_without_waiting_for_a_timeout(
    product: Product, model: ScriptedModel
) -> None:
    flow_id = str((await product.post(f"{API}/agentflows", TEAM))["id"])
    await model.script(Behaviour(hang_after_tokens=1))
    execution_id = await started(product, flow_id)
    await model.wait_for_requests(1)
    assert await product.stop("worker") == 0
    await model.wait_for_disconnect()
    await product.start("worker")
    execution = await product.ended(execution_id)
    assert execution["status"] == "completed"
    assert len(await model.requests()) == 4
