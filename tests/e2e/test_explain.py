"""Why is this run not moving? Asked over HTTP while its worker is away."""

import asyncio

from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedModel


async def test_a_run_without_a_worker_says_just_that_and_a_killed_one_is_missed(
    product: Product, model: ScriptedModel
) -> None:
    body: JsonObject = {
        "name": "Team",
        "supervisor_config": {"llm_provider": "openai", "llm_model": "scripted"},
        "agents": [{"id": "writer", "name": "Writer"}],
    }
    flow = await product.post(f"{API}/agentflows", body)
    await product.post(f"{API}/flows/{flow['id']}/execute?wait=20", {"input_data": {"message": "Go."}})
    await product.kill("worker")
    execution = await product.post(f"{API}/flows/{flow['id']}/execute", {"input_data": {"message": "Go."}})
    path = f"{API}/executions/{execution['id']}"
    explained = await product.get(f"{path}/explain")
    while not explained["waiting_for"]:
        await asyncio.sleep(0.1)
        explained = await product.get(f"{path}/explain")
    assert isinstance(explained["waiting_for"], list)
    (reason,) = explained["waiting_for"]
    assert isinstance(reason, dict)
    assert (reason["kind"], reason["step_id"], reason["task_queue"]) == ("worker", None, "perdure")
    assert "orker" in str(explained["sentence"])
    await model.script(Behaviour(hang_after_tokens=0))
    await product.start("worker")
    # The engine may have given it to the dead worker: it takes ten seconds to notice.
    await model.wait_for_requests(2, seconds=30)
    explained = await product.get(f"{path}/explain")
    assert isinstance(explained["waiting_for"], list)
    (reason,) = explained["waiting_for"]
    assert isinstance(reason, dict)
    assert (reason["kind"], reason["step_id"]) == ("call", "writer")
    await product.post(f"{path}/cancel")
