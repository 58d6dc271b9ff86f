"""Runs of agentflows on the real server: how they end, what the model was asked, what was recorded."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from pydantic import JsonValue
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice.v1 import RespondActivityTaskFailedByIdRequest

from activities import heartbeat
from perdure.domain.errors import ConflictError
from perdure.domain.executions import ExecutionStatus, NodeStatus
from perdure.executions import StartRequest, cancel_execution, get_execution, start_execution
from perdure.record.fold import counting
from perdure.storage.tables import FlowActivityRow
from perdure.temporal.starting import run_handle
from tests.support.resetting import send_back
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour

THREE: list[JsonValue] = [
    {"id": "w", "name": "Writer", "system_prompt": "You write.", "dependencies": ["Researcher"], "temperature": 0.3},
    {"id": "r", "name": "Researcher", "role": "scout", "max_tokens": 50},
    {"id": "c", "name": "Critic", "priority": 9},
]


async def test_three_agents_work_one_after_another_each_knowing_what_came_before(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(system="scout", text="Facts about ships."),
        Behaviour(system="You write", text="A story of ships."),
        Behaviour(system="Critic", text="It is good."),
    )
    execution = await lab.run(await lab.agentflow(agents=THREE), message="Tell me of ships.")
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.output_data == {"response": "It is good.", "agent": "Critic"}
    researcher, writer, critic = await lab.model.requests()
    assert researcher.last_user_message == "Tell me of ships."
    assert "Facts about ships." in writer.last_user_message
    assert "A story of ships." in critic.last_user_message
    assert writer.body["temperature"] == 0.3
    assert researcher.body.get("max_completion_tokens", researcher.body.get("max_tokens")) == 50
    assert [(node.node_label, node.status) for node in execution.node_executions] == [
        ("Writer", NodeStatus.COMPLETED),
        ("Researcher", NodeStatus.COMPLETED),
        ("Critic", NodeStatus.COMPLETED),
    ]
    assert execution.metrics.llm_calls == 3
    assert execution.metrics.llm_tokens > 0
    assert execution.metrics.estimated_cost is None  # nobody knows the price of the scripted model


async def test_the_row_and_the_events_tell_the_same(lab: Lab) -> None:
    execution = await lab.run(await lab.agentflow(agents=THREE), message="Go.")
    history = await lab.runtime.records.read(execution.id)
    assert history is not None
    state = history.state
    assert state.status is execution.status
    assert state.output_data == execution.output_data
    told = [node.model_dump(exclude={"started_at", "duration_ms"}) for node in state.ledger.nodes]
    assert told == [node.model_dump(exclude={"started_at", "duration_ms"}) for node in execution.node_executions]


async def test_one_call_takes_no_more_history_than_it_must(lab: Lab) -> None:
    execution = await lab.run(await lab.agentflow(agents=[{"name": "Solo"}]), message="Go.")
    history = await lab.history(execution.id)
    assert len(history.events) <= 12
    kinds = [event.event_type for event in history.events]
    assert kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED) == 1
    assert kinds.count(EventType.EVENT_TYPE_MARKER_RECORDED) == 1


async def test_a_bad_key_fails_at_once_and_skips_the_rest(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(
            status=401,
            body={"error": {"message": "Incorrect API key provided: sk-test", "code": "invalid_api_key"}},
            times=None,
        )
    )
    execution = await lab.run(await lab.agentflow(agents=THREE), message="Go.")
    assert execution.status is ExecutionStatus.FAILED
    assert len(await lab.model.requests()) == 1
    assert "OPENAI_API_KEY" in (execution.error_message or "")
    assert "sk-test" not in execution.model_dump_json()
    statuses = {node.node_label: node.status for node in execution.node_executions}
    assert statuses == {
        "Researcher": NodeStatus.FAILED,
        "Writer": NodeStatus.SKIPPED,
        "Critic": NodeStatus.SKIPPED,
    }


async def test_too_many_requests_is_waited_out_as_long_as_the_provider_asks(lab: Lab) -> None:
    await lab.model.script(Behaviour(status=429, headers={"Retry-After": "2"}, body={"error": {"message": "slow"}}))
    execution = await lab.run(await lab.agentflow(agents=[{"name": "Solo"}]), message="Go.")
    assert execution.status is ExecutionStatus.COMPLETED
    first, second = await lab.model.requests()
    assert second.arrived_at - first.arrived_at >= 2
    assert execution.node_executions[0].retry_count == 1


async def test_a_lost_connection_is_tried_again_as_often_as_the_agent_allows(lab: Lab) -> None:
    await lab.model.script(Behaviour(drop_after_tokens=1, times=None))
    flow = await lab.agentflow(agents=[{"name": "Solo", "max_retries": 1}])
    execution = await lab.run(flow, message="Go.")
    assert execution.status is ExecutionStatus.FAILED
    assert len(await lab.model.requests()) == 2
    assert execution.metrics.llm_calls == 2


async def test_an_answer_that_does_not_come_in_time_is_a_failure_that_says_so(lab: Lab) -> None:
    await lab.model.script(Behaviour(hang_after_tokens=1, times=None))
    flow = await lab.agentflow(agents=[{"name": "Solo", "max_retries": 0, "timeout_seconds": 1}])
    execution = await lab.run(flow, message="Go.")
    assert execution.status is ExecutionStatus.FAILED
    assert "timeout_seconds" in (execution.error_message or "")


# A worker of few calls, and one of hundreds, whose next heartbeat would be too late.
@pytest.mark.parametrize("seconds", [heartbeat.SHORTEST_SECONDS, heartbeat.LONGEST_SECONDS])
async def test_cancelling_closes_the_call_to_the_provider_within_two_seconds(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(heartbeat, "SHORTEST_SECONDS", seconds)
    await lab.model.script(Behaviour(hang_after_tokens=1))
    execution_id = await lab.start(await lab.agentflow(agents=THREE), message="Go.")
    await lab.model.wait_for_requests(1)
    asked_at = datetime.now(UTC).timestamp()
    await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)
    request = await lab.model.wait_for_disconnect()
    assert request.disconnected_at is not None
    assert request.disconnected_at - asked_at < 2
    execution = await lab.finish(execution_id)
    assert execution.status is ExecutionStatus.CANCELLED
    assert len(await lab.model.requests()) == 1
    with pytest.raises(ConflictError, match="has ended"):
        await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)


async def test_a_running_run_is_read_from_history_with_its_retries(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(text="one"),
        Behaviour(status=503, body={"error": {"message": "busy"}}),
        Behaviour(hang_after_tokens=0),
    )
    execution_id = await lab.start(await lab.agentflow(agents=THREE), message="Go.")
    await lab.model.wait_for_requests(3)
    execution = await get_execution(lab.runtime, execution_id, user_id=lab.user_id)
    assert execution.status is ExecutionStatus.RUNNING
    writer, researcher, critic = execution.node_executions
    assert (researcher.status, writer.status, critic.status) == (
        NodeStatus.COMPLETED,
        NodeStatus.RUNNING,
        NodeStatus.PENDING,
    )
    assert writer.retry_count == 1
    assert writer.error_message
    await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)
    await lab.finish(execution_id)


async def test_a_terminated_run_is_settled_when_it_is_read(lab: Lab) -> None:
    await lab.model.script(Behaviour(hang_after_tokens=0))
    execution_id = await lab.start(await lab.agentflow(agents=THREE), message="Go.")
    await lab.model.wait_for_requests(1)
    await run_handle(lab.runtime.client, execution_id).terminate(reason="out of patience")
    execution = await get_execution(lab.runtime, execution_id, user_id=lab.user_id)
    assert execution.status is ExecutionStatus.FAILED
    assert execution.error_message == "Terminated from outside: out of patience"
    assert execution.completed_at is not None


async def test_an_operator_s_reset_is_shown_when_it_has_ended(lab: Lab) -> None:
    await lab.model.script(Behaviour(status=400, body={"error": {"message": "no"}}), Behaviour(text="now it works"))
    execution = await lab.run(await lab.agentflow(agents=[{"name": "Solo"}]), message="Go.")
    assert execution.status is ExecutionStatus.FAILED
    await send_back(lab, execution.id)
    again = await lab.finish(execution.id)
    assert again.status is ExecutionStatus.COMPLETED
    assert again.output_data == {"response": "now it works", "agent": "Solo"}
    history = await lab.runtime.records.read(execution.id)
    assert history is not None
    # What was told before keeps its version; what follows says that it no longer counts.
    assert [event.version for event in history.events] == list(range(1, len(history.events) + 1))
    assert [event.data.type for event in history.events] == [
        "ExecutionStarted",
        "StepScheduled",
        "StepStarted",
        "StepFailed",
        "ExecutionFailed",
        "RunReset",
        "StepScheduled",
        "StepStarted",
        "StepCompleted",
        "ExecutionCompleted",
    ]
    assert [event.version for event in counting(history.events)] == [1, 7, 8, 9, 10]
    assert history.state.output_data == again.output_data


async def test_losing_workers_uses_up_no_retries_of_the_model(lab: Lab) -> None:
    await lab.model.script(Behaviour(hang_after_tokens=1))
    flow = await lab.agentflow(agents=[{"name": "Solo", "max_retries": 0}])
    execution_id = await lab.start(flow, message="Go.")
    await lab.model.wait_for_requests(1)
    # What a worker reports that is shut down in the middle of the step.
    client = lab.runtime.client
    await client.workflow_service.respond_activity_task_failed_by_id(
        RespondActivityTaskFailedByIdRequest(
            namespace=client.namespace,
            workflow_id=str(execution_id),
            activity_id=flow.agents[0].id,
            failure=Failure(message="Worker is shutting down", application_failure_info=ApplicationFailureInfo()),
            identity="a worker that goes",
        )
    )
    execution = await lab.finish(execution_id)
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.node_executions[0].retry_count == 1


async def test_costs_are_unknown_where_a_call_failed(lab: Lab) -> None:
    await lab.model.script(Behaviour(drop_after_tokens=1, times=None))
    flow = await lab.agentflow(agents=[{"name": "Solo", "max_retries": 0}])
    execution = await lab.run(flow, message="Go.")
    assert execution.metrics.llm_calls == 1
    assert execution.metrics.estimated_cost is None


@pytest.mark.filterwarnings("ignore:Sending a large body")  # aiohttp's advice; the SDK hands it bytes
async def test_a_long_task_is_kept_once_and_large_words_stay_out_of_history(lab: Lab) -> None:
    long_task = "x" * 300_000
    await lab.model.script(Behaviour(text="y" * 3_000_000, times=1))
    execution = await lab.run(await lab.agentflow(agents=THREE), message=long_task)
    assert execution.status is ExecutionStatus.COMPLETED
    for request in await lab.model.requests():
        assert request.last_user_message.startswith("xxx")
    history = await lab.history(execution.id)
    assert sum(event.ByteSize() for event in history.events) < 50_000


async def test_a_team_that_names_half_a_model_fails_with_advice(lab: Lab) -> None:
    flow = await lab.agentflow(agents=[{"name": "Solo", "llm_provider": "openai"}])
    execution = await lab.run(flow, message="Go.")
    assert execution.status is ExecutionStatus.FAILED
    assert "llm_model" in (execution.error_message or "")
    assert await lab.model.requests() == ()


async def test_a_run_that_has_ended_before_it_is_listed_is_started_all_the_same(lab: Lab) -> None:
    flow = await lab.agentflow(agents=[{"name": "Solo"}])
    request = StartRequest(flow.id, lab.user_id, {"message": "Go."}, flow=flow)
    execution_id = uuid4()
    await start_execution(lab.runtime, request, execution_id=execution_id)
    await lab.finish(execution_id)
    # The row is there by now, as where the run's end comes first.
    assert (await start_execution(lab.runtime, request, execution_id=execution_id)).id == execution_id
    async with lab.runtime.sessions() as session:
        activity = await session.get_one(FlowActivityRow, flow.id)
        assert (activity.execution_count, activity.last_execution_status) == (1, "completed")
