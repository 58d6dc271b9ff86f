"""The audit log over HTTP while the processes that write it are killed."""

import asyncio

from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedModel

AUDIT = "/api/events/audit"


async def entries_of(product: Product, execution_id: object) -> list[str]:
    """What the log says of a run, oldest first."""
    page = await product.get(f"{AUDIT}?aggregate_type=Execution&limit=1000")
    events = page["events"]
    assert isinstance(events, list)
    return [
        str(event["event_type"])
        for event in reversed(events)
        if isinstance(event, dict) and event["aggregate_id"] == execution_id
    ]


async def test_what_was_done_stands_in_it_once_whoever_is_killed(product: Product, model: ScriptedModel) -> None:
    body: JsonObject = {
        "name": "Team",
        "supervisor_config": {"llm_provider": "openai", "llm_model": "scripted"},
        "agents": [{"id": "one", "name": "One"}, {"id": "two", "name": "Two"}],
    }
    flow = await product.post(f"{API}/agentflows", body)
    await model.script(Behaviour(), Behaviour(hang_after_tokens=0))
    execution = await product.post(f"{API}/flows/{flow['id']}/execute", {"input_data": {"message": "Go."}})
    await model.wait_for_requests(2)
    sealing = asyncio.create_task(product.call("GET", f"{AUDIT}/verify"))
    await asyncio.gather(product.kill("worker"), product.kill("api"))
    await asyncio.gather(sealing, return_exceptions=True)
    await product.start("api", "worker")
    ended = await product.ended(execution["id"])
    assert ended["status"] == "completed"
    assert await entries_of(product, execution["id"]) == ["ExecutionStarted", "ExecutionCompleted"]
    verdict = await product.get(f"{AUDIT}/verify")
    assert (verdict["valid"], verdict["problems"]) == (True, [])
    (started,) = [
        event
        for event in _list(await product.get(f"{AUDIT}?event_type=ExecutionStarted&limit=1000"))
        if event["aggregate_id"] == execution["id"]
    ]
    assert isinstance(started["metadata"], dict)
    assert (started["metadata"]["source"], started["metadata"]["ip"]) == ("api", "127.0.0.1")


def _list(page: JsonObject) -> list[JsonObject]:
    events = page["events"]
    assert isinstance(events, list)
    return [event for event in events if isinstance(event, dict)]
