"""`kill -9` of the worker during a turn and during a summary: no message lost or doubled, no fold made twice."""

import asyncio
from uuid import uuid4

import pytest

from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedCall, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

CHAT: JsonObject = {"llm_provider": "openai", "llm_model": "scripted"}
POLL_SECONDS = 0.05


async def sent(product: Product, flow_id: str, session_id: str, message: str) -> str:
    body: JsonObject = {"input_data": {"message": message, "session_id": session_id}}
    return str((await product.post(f"{API}/flows/{flow_id}/execute", body))["id"])


async def history(product: Product, session_id: str) -> list[tuple[object, object]]:
    messages = (await product.get(f"{API}/chatflow/sessions/{session_id}/history"))["messages"]
    assert isinstance(messages, list)
    return [(message["role"], message["content"]) for message in messages if isinstance(message, dict)]


async def summarized(product: Product, session_id: str) -> JsonObject:
    """A session's summary once there is one; the test's own time limit bounds the wait."""
    while True:
        summary = (await product.get(f"{API}/chatflow/sessions/{session_id}"))["summary"]
        if isinstance(summary, dict):
            return summary
        await asyncio.sleep(POLL_SECONDS)


async def test_a_killed_worker_loses_no_message_and_doubles_none(product: Product, model: ScriptedModel) -> None:
    flow_id = str((await product.post(f"{API}/chatflows", {"name": "Chat", "chat_config": CHAT}))["id"])
    session_id = uuid4().hex
    await model.script(Behaviour(user="^One$", hang_after_tokens=1, times=1), Behaviour(user="^One$", text="one"))
    await model.script(Behaviour(user="^Two$", text="two"), Behaviour(user="^Three$", text="three"))
    turns = [await sent(product, flow_id, session_id, "One")]
    await model.wait_for_requests(1)
    turns += [await sent(product, flow_id, session_id, message) for message in ("Two", "Three")]
    await product.kill("worker")
    await product.start("worker")
    assert [(await product.ended(turn))["status"] for turn in turns] == ["completed"] * 3
    assert await history(product, session_id) == [
        ("user", "One"),
        ("assistant", "one"),
        ("user", "Two"),
        ("assistant", "two"),
        ("user", "Three"),
        ("assistant", "three"),
    ]
    assert len(await model.requests()) == 4


async def test_a_summary_whose_worker_is_killed_is_made_once(product: Product, model: ScriptedModel) -> None:
    fields: JsonObject = {
        "name": "Chat",
        "chat_config": CHAT,
        "memory_config": {"type": "summary", "summary_threshold": 2},
    }
    flow_id = str((await product.post(f"{API}/chatflows", fields))["id"])
    session_id = uuid4().hex
    folding = "You keep the memory"
    await model.script(
        Behaviour(system=folding, hang_after_tokens=1, times=1), Behaviour(system=folding, text="They met.")
    )
    for message in ("One", "Two"):
        await product.ended(await sent(product, flow_id, session_id, message))
    await model.wait_for_requests(3)
    await product.kill("worker")
    await product.start("worker")
    summary = await summarized(product, session_id)
    assert (summary["content"], summary["folds"]) == ("They met.", 1)
    assert len(await history(product, session_id)) == 4
    asked = await model.requests()
    assert len([request for request in asked if folding in (request.system_prompt or "")]) == 2


async def test_a_turn_whose_worker_is_killed_after_a_tool_call_calls_it_once(
    product: Product, model: ScriptedModel
) -> None:
    code = ScriptedCall(name="python", arguments={"code": "6 * 7"})
    await model.script(
        Behaviour(last="^One$", tool_calls=(code,)),
        Behaviour(tool="42", hang_after_tokens=1, times=1),
        Behaviour(tool="42", text="It is 42."),
    )
    flow_id = str(
        (await product.post(f"{API}/chatflows", {"name": "C", "chat_config": CHAT, "tools": ["python"]}))["id"]
    )
    session_id = uuid4().hex
    turn = await sent(product, flow_id, session_id, "One")
    await model.wait_for_requests(2)
    await product.kill("worker")
    await product.start("worker")
    ended = await product.ended(turn)
    metrics = ended["metrics"]
    assert isinstance(metrics, dict)
    assert (ended["status"], metrics["tool_calls"]) == ("completed", 1)
    assert len(await model.requests()) == 3
    assert await history(product, session_id) == [("user", "One"), ("assistant", "It is 42.")]
