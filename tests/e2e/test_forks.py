"""Forks and retries over HTTP, and `kill -9` round them: one is there whole, or not at all."""

import asyncio
from uuid import uuid4

import pytest
from pydantic import JsonValue

from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

TEAM: JsonObject = {
    "name": "Team",
    "supervisor_config": {"llm_provider": "openai", "llm_model": "scripted"},
    "agents": [{"id": "one", "name": "One"}, {"id": "two", "name": "Two"}, {"id": "three", "name": "Three"}],
}
NO = Behaviour(status=400, body={"error": {"message": "no"}})


async def flow_of(product: Product) -> str:
    return str((await product.post(f"{API}/agentflows", TEAM))["id"])


async def run(product: Product, flow_id: str) -> JsonObject:
    return await product.post(f"{API}/flows/{flow_id}/execute?wait=30", {"input_data": {"message": "Go."}})


async def test_a_fork_is_started_once_and_a_killed_process_repeats_nothing(
    product: Product, model: ScriptedModel
) -> None:
    flow_id = await flow_of(product)
    parent = await run(product, flow_id)
    assert (await model.recorded()).total == 3
    await model.script(Behaviour(delay_ms=1000, text="other second"), Behaviour(hang_after_tokens=1))
    key = {"Idempotency-Key": uuid4().hex}
    path = f"{API}/executions/{parent['id']}/fork?wait=30"
    body: JsonObject = {"from_step": "two", "edits": {"one": "Ships float."}}
    waiting = asyncio.create_task(product.call("POST", path, body, key))
    await model.wait_for_requests(4)
    await product.kill("api")
    assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], Exception)
    await product.start("api")
    await model.wait_for_requests(5)
    await product.kill("worker")
    await product.start("worker")
    forked = await product.post(path, body, key)
    assert (forked["status"], forked["forked_from"]) == (
        "completed",
        {"execution_id": parent["id"], "version": 4, "step": "two"},
    )
    asked = [request.system_prompt for request in await model.requests()][3:]
    assert asked == ["You are Two.", "You are Three.", "You are Three."]
    assert (await product.get(f"{API}/flows/{flow_id}/executions"))["total"] == 2
    status, problem = await product.call("POST", path, {"from_step": "three"}, key)
    assert (status, "another request" in str(problem)) == (409, True)
    found = await product.get(f"{API}/executions/{parent['id']}/diff/{forked['id']}")
    assert found["first_difference"] == "one"


async def test_what_failed_is_retried_in_bulk_and_once(product: Product, model: ScriptedModel) -> None:
    flow_id = await flow_of(product)
    await model.script(*(each for _ in range(3) for each in (Behaviour(text="first"), NO)))
    failed = [str((await run(product, flow_id))["id"]) for _ in range(3)]
    body: JsonObject = {"status": "failed", "flow_id": flow_id, "limit": 2}
    retried = [*await _started(product, body), *await _started(product, body)]
    assert sorted(each["forked_from"] for each in retried) == sorted(failed)
    for each in retried:
        assert (await product.ended(each["execution_id"]))["status"] == "completed"
    assert (await model.recorded()).total == 12
    again = await product.post(f"{API}/executions/retry", body)
    assert again["started"] == []
    assert isinstance(again["skipped"], list)
    assert len(again["skipped"]) == 2
    forks: JsonObject = {"status": "completed", "flow_id": flow_id, "from_step": "nobody"}
    refused = await product.post(f"{API}/executions/fork", forks)
    assert (refused["started"], "no step 'nobody'" in str(refused["skipped"])) == ([], True)
    for path in (f"{uuid4()}/fork", f"{uuid4()}/retry"):
        status, _ = await product.call("POST", f"{API}/executions/{path}", {})
        assert status == 404
    status, _ = await product.call("POST", f"{API}/executions/{retried[0]['execution_id']}/retry", {})
    assert status == 409


async def _started(product: Product, body: JsonObject) -> list[dict[str, str]]:
    started: JsonValue = (await product.post(f"{API}/executions/retry", body))["started"]
    assert isinstance(started, list)
    return [{name: str(value) for name, value in each.items()} for each in started if isinstance(each, dict)]
