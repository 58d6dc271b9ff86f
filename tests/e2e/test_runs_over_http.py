"""Runs through HTTP: services, API and worker each a process of its own, as in production."""

import asyncio
import json
import time
from uuid import uuid4

import pytest
from pydantic import JsonValue

from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CHAT: JsonObject = {"llm_provider": "openai", "llm_model": "gpt-4o-mini"}
TEAM: JsonObject = {
    "name": "Team",
    "orchestration_type": "sequential",
    "supervisor_config": CHAT,
    "tags": ["e2e"],
    "agents": [{"name": "One"}, {"name": "Two"}, {"name": "Three"}],
}


async def make(product: Product, kind: str = "agentflows", **fields: JsonValue) -> str:
    flow = await product.post(f"{API}/{kind}", {**TEAM, **fields} if kind == "agentflows" else fields)
    return str(flow["id"])


async def execute(product: Product, flow_id: str, *, wait: int = 30, **input_data: JsonValue) -> JsonObject:
    return await product.post(
        f"{API}/flows/{flow_id}/execute?wait={wait}", {"input_data": input_data or {"message": "Go."}}
    )


async def events(product: Product, execution_id: JsonValue) -> list[str]:
    status, body = await product.call("GET", f"/api/events/aggregate/{execution_id}?aggregate_type=Execution")
    assert status == 200
    assert isinstance(body, list)
    assert [event["version"] for event in body if isinstance(event, dict)] == list(range(1, len(body) + 1))
    return [str(event["event_type"]) for event in body if isinstance(event, dict)]


async def test_a_team_runs_and_everything_about_it_can_be_read(product: Product) -> None:
    flow_id = await make(product)
    execution = await execute(product, flow_id)
    assert execution["status"] == "completed"
    nodes = execution["node_executions"]
    assert isinstance(nodes, list)
    assert [(node["node_label"], node["status"]) for node in nodes if isinstance(node, dict)] == [
        ("One", "completed"),
        ("Two", "completed"),
        ("Three", "completed"),
    ]
    metrics = execution["metrics"]
    assert isinstance(metrics, dict)
    assert metrics["llm_calls"] == 3
    assert isinstance(metrics["estimated_cost"], float)
    assert metrics["estimated_cost"] > 0
    assert await product.get(f"{API}/executions/{execution['id']}") == execution
    page = await product.get(f"{API}/flows/{flow_id}/executions?status=completed")
    assert page == {"executions": [execution], "total": 1}
    flow = await product.get(f"{API}/flows/{flow_id}")
    assert (flow["execution_count"], flow["last_execution_status"]) == (1, "completed")
    told = await events(product, execution["id"])
    assert told[0] == "ExecutionStarted"
    assert told.count("StepCompleted") == 3
    assert told[-1] == "ExecutionCompleted"
    status, replay = await product.call("GET", f"/api/events/replay/{execution['id']}?to_version=2")
    assert (status, len(replay) if isinstance(replay, list) else 0) == (200, 2)
    state = await product.get(f"/api/events/state/{execution['id']}")
    assert (state["version"], state["status"]) == (len(told), "completed")
    assert state["output_data"] == execution["output_data"]
    metrics_then = state["metrics"]
    assert isinstance(metrics_then, dict)
    assert metrics_then["estimated_cost"] == metrics["estimated_cost"]
    first = await product.get(f"/api/events/state/{execution['id']}?to_version=1")
    assert (first["status"], first["output_data"]) == ("running", None)


async def test_execute_returns_at_once_and_a_wait_ends_when_its_time_is_up(
    product: Product, model: ScriptedModel
) -> None:
    await model.script(Behaviour(hang_after_tokens=1, times=None))
    flow_id = await make(product)
    started = await execute(product, flow_id, wait=0)
    assert started["status"] in {"pending", "running"}
    began = time.monotonic()
    waited = await execute(product, flow_id, wait=1)
    assert waited["status"] == "running"
    assert 0.9 < time.monotonic() - began < 5
    for execution in (started, waited):
        cancelled = await product.post(f"{API}/executions/{execution['id']}/cancel")
        assert cancelled["status"] == "cancelled"
        status, problem = await product.call("POST", f"{API}/executions/{execution['id']}/cancel")
        assert status == 409
        assert isinstance(problem, dict)
        assert "has ended (cancelled)" in str(problem["detail"])


async def test_an_idempotency_key_starts_one_run_however_often_it_is_sent(
    product: Product, model: ScriptedModel
) -> None:
    flow_id = await make(product, agents=[{"name": "Solo"}])
    key = {"Idempotency-Key": uuid4().hex}
    path = f"{API}/flows/{flow_id}/execute?wait=20"
    body: JsonObject = {"input_data": {"message": "Once."}}
    answers = await asyncio.gather(*(product.post(path, body, key) for _ in range(8)))
    assert len({str(answer["id"]) for answer in answers}) == 1
    assert (await model.recorded()).total == 1
    status, _ = await product.call("POST", path, {"input_data": {"message": "Other."}}, key)
    assert status == 409
    # What the key started is its answer, whatever became of the flow since.
    assert (await product.call("PUT", f"{API}/flows/{flow_id}", {"is_active": False}))[0] == 200
    assert (await product.post(path, body, key))["id"] == answers[0]["id"]


async def test_a_flow_edited_during_its_run_is_run_as_it_was(product: Product, model: ScriptedModel) -> None:
    await model.script(Behaviour(delay_ms=700, text="slow"))
    flow_id = await make(product, agents=[{"name": "A"}, {"name": "B", "system_prompt": "Old words."}])
    execution = await execute(product, flow_id, wait=0)
    await model.wait_for_requests(1)
    status, _ = await product.call(
        "PUT", f"{API}/flows/{flow_id}", {"agents": [{"name": "B", "system_prompt": "New words."}]}
    )
    assert status == 200
    requests = await model.wait_for_requests(2)
    assert requests[1].system_prompt == "Old words."
    read = await product.get(f"{API}/executions/{execution['id']}")
    assert read["flow_version"] == 1


async def test_a_former_version_is_run_as_it_was_if_the_flow_may_run_now(
    product: Product, model: ScriptedModel
) -> None:
    flow_id = await make(product, agents=[{"name": "A", "system_prompt": "Old words."}])
    path = f"{API}/flows/{flow_id}"
    await product.call("PUT", path, {"agents": [{"name": "A", "system_prompt": "New words."}]})
    body: JsonObject = {"input_data": {"message": "Go."}}
    key = {"Idempotency-Key": "version-1"}
    run = await product.post(f"{path}/execute?wait=20&version=1", body, key)
    assert (run["status"], run["flow_version"]) == ("completed", 1)
    assert (await product.post(f"{path}/execute?wait=20&version=1", body, key))["id"] == run["id"]
    assert [request.system_prompt for request in await model.requests()] == ["Old words."]
    _, events = await product.call("GET", f"/api/events/aggregate/{run['id']}")
    assert '"flow_version": 1' in json.dumps(events)
    await product.call("PUT", path, {"is_active": False})
    for query, status in (("version=1", 409), ("version=9", 404), ("version=0", 422)):
        assert (await product.call("POST", f"{path}/execute?{query}", body))[0] == status


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        ("agentflows", {"is_active": False}, "deactivated"),
        ("agentflows", {"agents": [{"name": "A", "tools": ["telescope"]}]}, "telescope"),
        ("chatflows", {"name": "C", "rag_config": {"enabled": True, "top_k": 51}}, "top_k"),
        ("chatflows", {"name": "C", "tools": ["teleport"]}, "teleport"),
    ],
)
async def test_what_cannot_run_is_refused_and_never_run_as_something_else(
    product: Product, model: ScriptedModel, kind: str, fields: JsonObject, says: str
) -> None:
    flow_id = await make(product, kind, **fields)
    status, problem = await product.call("POST", f"{API}/flows/{flow_id}/execute", {"input_data": {"message": "Go."}})
    assert status == 409
    assert isinstance(problem, dict)
    assert says in str(problem["detail"])
    assert (await model.recorded()).total == 0


async def test_a_provider_without_a_key_starts_and_fails_with_advice(product: Product) -> None:
    flow_id = await make(product, supervisor_config={"llm_provider": "anthropic", "llm_model": "claude-sonnet-5"})
    execution = await execute(product, flow_id)
    assert execution["status"] == "failed"
    assert "ANTHROPIC_API_KEY" in str(execution["error_message"])


async def test_a_chat_remembers_and_counts(product: Product, model: ScriptedModel) -> None:
    await model.script(Behaviour(text="Hello Ada."), Behaviour(text="Ada."))
    flow_id = await make(product, "chatflows", name="FAQ", chat_config=CHAT)
    path = f"{API}/chatflow/workflows/{flow_id}/chat"
    first = await product.post(path, {"message": "I am Ada."})
    assert first["success"] is True
    second = await product.post(path, {"message": "Who am I?", "session_id": first["session_id"]})
    assert (second["response"], second["message_count"]) == ("Ada.", 4)
    usage = second["usage"]
    assert isinstance(usage, dict)
    assert usage["total_tokens"] == int(str(usage["input_tokens"])) + int(str(usage["output_tokens"]))
    execution = await product.get(f"{API}/executions/{second['execution_id']}")
    assert (execution["flow_type"], execution["session_id"]) == ("chatflow", first["session_id"])
    listed = await product.get(f"{API}/executions?session_id={first['session_id']}")
    assert listed["total"] == 2
    other = await make(product, "chatflows", name="Other", chat_config=CHAT)
    status, _ = await product.call(
        "POST", f"{API}/chatflow/workflows/{other}/chat", {"message": "Hi", "session_id": first["session_id"]}
    )
    assert status == 409


async def test_a_failed_turn_is_no_answer(product: Product, model: ScriptedModel) -> None:
    await model.script(Behaviour(status=400, body={"error": {"message": "no"}}))
    flow_id = await make(product, "chatflows", name="FAQ", chat_config=CHAT)
    answer = await product.post(f"{API}/chatflow/workflows/{flow_id}/chat", {"message": "Hi"})
    assert (answer["success"], answer["response"], answer["message_count"]) == (False, None, 0)
    assert answer["error_message"]


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("flows/{chat}/execute", {"input_data": {}}, 422),
        ("flows/{chat}/execute", {"input_data": {"message": 5}}, 422),
        ("flows/{chat}/execute", {"input_data": {"message": "x", "session_id": 7}}, 422),
        ("flows/{chat}/execute", {"input_data": {"message": "a\u0000b"}}, 422),
        ("flows/{chat}/execute", {"inputs": {}}, 422),
        ("flows/{chat}/execute?wait=61", {"input_data": {"message": "x"}}, 422),
        ("flows/{chat}/execute?wait=nan", {"input_data": {"message": "x"}}, 422),
        ("agentflows/{chat}/execute", {"message": "x"}, 404),
        ("agentflows/{team}/execute", ["x"], 422),
        ("chatflow/workflows/{team}/chat", {"message": "x"}, 404),
        ("chatflow/workflows/{chat}/chat", {"message": " "}, 422),
        ("flows/00000000-0000-4000-8000-000000000000/execute", {"input_data": {}}, 404),
    ],
)
async def test_bad_input_is_told_and_starts_nothing(
    product: Product, model: ScriptedModel, path: str, body: JsonValue, expected: int
) -> None:
    chat = await make(product, "chatflows", name="FAQ", chat_config=CHAT)
    team = await make(product)
    status, problem = await product.call("POST", f"{API}/{path.format(chat=chat, team=team)}", body)
    assert status == expected, problem
    assert isinstance(problem, dict)
    assert problem["detail"]
    assert (await model.recorded()).total == 0


async def test_nobody_sees_another_users_runs_but_all_may_run_a_public_flow(product: Product) -> None:
    flow_id = await make(product, is_public=True, agents=[{"name": "Solo"}])
    execution = await execute(product, flow_id)
    await product.log_in("eve@example.com")
    try:
        for path in (f"{API}/executions/{execution['id']}", f"/api/events/aggregate/{execution['id']}"):
            status, _ = await product.call("GET", path)
            assert status == 404
        status, _ = await product.call("POST", f"{API}/executions/{execution['id']}/cancel")
        assert status == 404
        hers = await execute(product, flow_id)
        assert hers["status"] == "completed"
        page = await product.get(f"{API}/flows/{flow_id}/executions")
        assert page["total"] == 1
        status, _ = await product.call("PUT", f"{API}/flows/{flow_id}", {"name": "Mine"})
        assert status == 403
    finally:
        await product.log_in("ada@example.com")


async def test_a_deleted_flow_is_gone_but_its_runs_and_events_stay(product: Product) -> None:
    flow_id = await make(product, agents=[{"name": "Solo"}])
    execution = await execute(product, flow_id)
    status, _ = await product.call("DELETE", f"{API}/flows/{flow_id}")
    assert status == 200
    status, _ = await product.call("POST", f"{API}/flows/{flow_id}/execute", {"input_data": {}})
    assert status == 404
    assert (await product.get(f"{API}/executions/{execution['id']}"))["status"] == "completed"
    assert await events(product, execution["id"])
    status, told = await product.call("GET", f"/api/events/aggregate/{flow_id}?aggregate_type=Workflow")
    assert status == 200
    assert isinstance(told, list)
    assert [event["event_type"] for event in told if isinstance(event, dict)] == ["FlowCreated", "FlowDeleted"]
