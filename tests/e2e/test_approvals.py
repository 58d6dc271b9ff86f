"""A run that waits for people outlives its worker."""

import asyncio
from uuid import uuid4

import pytest

from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

TEAM: JsonObject = {
    "name": "Team",
    "supervisor_config": {"llm_provider": "openai", "llm_model": "scripted"},
    "agents": [{"name": "One"}, {"name": "Two", "requires_approval": True}],
}


async def decided(product: Product, path: str, body: JsonObject) -> JsonObject:
    """The answer to a decision, asked for again as long as no worker takes it."""
    key = {"Idempotency-Key": uuid4().hex}
    while True:
        status, answer = await product.call("POST", path, body, key)
        if status != 503:
            assert status == 200, answer
            assert isinstance(answer, dict)
            return answer


async def test_a_run_waits_through_kill_9_and_goes_on_with_the_decision(product: Product, model: ScriptedModel) -> None:
    flow_id = str((await product.post(f"{API}/agentflows", TEAM))["id"])
    await model.script(Behaviour(system="One", text="one"), Behaviour(system="Two", text="two"))
    execution = await product.post(f"{API}/flows/{flow_id}/execute", {"input_data": {"message": "Go."}})
    approval = await product.asked(execution["id"])
    await product.kill("worker")
    assert (await product.get(f"{API}/executions/{execution['id']}"))["status"] == "running"
    assert (await product.get(f"{API}/approvals"))["approvals"] == [approval]
    path = f"{API}/executions/{execution['id']}/approvals/{approval['approval_id']}"
    body: JsonObject = {"decision": "edit", "edited_arguments": {"task": "Go slowly."}}
    # Decided while nobody serves the run: the answer comes with the next worker.
    deciding = asyncio.create_task(decided(product, path, body))
    await product.start("worker")
    assert (await deciding)["status"] == "edited"
    ended = await product.ended(execution["id"])
    assert ended["status"] == "completed"
    assert ended["output_data"] == {"response": "two", "agent": "Two"}
    one, two = await model.requests()
    assert one.last_user_message == "Go."
    assert "Go slowly." in two.last_user_message
    status, _ = await product.call("POST", path, {"decision": "reject"})
    assert status == 409
