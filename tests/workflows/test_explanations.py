"""Why a run does not move, on the real engine: each thing that a run can wait for, while it waits."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pydantic import JsonValue

from perdure.domain.errors import NotFoundError
from perdure.domain.explanations import (
    Explanation,
    WaitsForCall,
    WaitsForChild,
    WaitsForEngine,
    WaitsForHuman,
    WaitsForRetry,
    WaitsForTurn,
)
from perdure.domain.runs import RunInput
from perdure.executions import cancel_execution
from perdure.explanations import explain_execution
from perdure.storage.executions import insert_started
from perdure.temporal.client import TASK_QUEUE
from perdure.temporal.starting import run_handle
from tests.support.deciding import new_user, owner_of, until
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour, ScriptedCall


async def explained(lab: Lab, execution_id: UUID) -> Explanation:
    return await explain_execution(lab.runtime, execution_id, user=await owner_of(lab))


async def explained_as(lab: Lab, execution_id: UUID, kind: str) -> Explanation:
    """The explanation once it begins with this: the engine writes some things a moment after they happen."""
    while True:
        now = await explained(lab, execution_id)
        if now.waiting_for and now.waiting_for[0].kind == kind:
            return now


async def end(lab: Lab, *execution_ids: UUID) -> None:
    for execution_id in execution_ids:
        await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)
        await lab.finish(execution_id)


async def test_a_model_that_does_not_answer_is_named_with_its_worker(lab: Lab) -> None:
    await lab.model.script(Behaviour(hang_after_tokens=0))
    execution_id = await lab.start(await lab.agentflow(agents=[{"id": "writer", "name": "Writer"}]), message="Go.")
    await lab.model.wait_for_requests(1)
    now = await explained_as(lab, execution_id, "call")
    (reason,) = now.waiting_for
    assert isinstance(reason, WaitsForCall)
    assert (reason.step_id, reason.attempt) == ("writer", 1)
    assert reason.worker
    assert reason.since is not None
    assert now.status.value == "running"
    await end(lab, execution_id)
    ended = await explained(lab, execution_id)
    assert ended.sentence == "It was cancelled; it waits for nothing."
    assert ended.waiting_for == []


async def test_a_retry_is_told_with_its_time_and_its_reason(lab: Lab) -> None:
    await lab.model.script(Behaviour(status=429, headers={"retry-after": "40"}, times=None))
    execution_id = await lab.start(await lab.agentflow(agents=[{"id": "writer", "name": "Writer"}]), message="Go.")
    now = await explained_as(lab, execution_id, "retry")
    (reason,) = now.waiting_for
    assert isinstance(reason, WaitsForRetry)
    assert (reason.step_id, reason.attempt) == ("writer", 2)
    assert "rate of requests (HTTP 429)" in (reason.last_error or "")
    assert reason.next_attempt_at is not None
    assert timedelta(seconds=20) < reason.next_attempt_at - datetime.now(UTC) <= timedelta(seconds=40)
    await end(lab, execution_id)


async def test_parallel_steps_wait_for_several_things_at_once(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(system="One", status=429, headers={"retry-after": "40"}, times=None),
        Behaviour(system="Two", hang_after_tokens=0),
    )
    agents: JsonValue = [{"id": name, "name": name, "system_prompt": name} for name in ("One", "Two")]
    execution_id = await lab.start(await lab.agentflow(orchestration_type="parallel", agents=agents), message="Go.")
    await lab.model.wait_for_requests(2)
    now = await explained_as(lab, execution_id, "retry")
    assert [reason.kind for reason in now.waiting_for] == ["retry", "call"]
    assert "1 more of its steps" in now.sentence
    await end(lab, execution_id)


async def test_people_who_are_asked_are_named_with_the_deadline(lab: Lab) -> None:
    policy: JsonValue = {"approvers": ["ann@example.com"], "deadline_seconds": 3600}
    flow = await lab.agentflow(agents=[{"name": "Writer", "requires_approval": policy}])
    execution_id = await lab.start(flow, message="Go.")
    await until(lab, execution_id, "ApprovalRequested")
    now = await explained_as(lab, execution_id, "human")
    (reason,) = now.waiting_for
    assert isinstance(reason, WaitsForHuman)
    assert (reason.approvers, reason.quorum, reason.approved_by) == (["ann@example.com"], 1, [])
    assert reason.until is not None
    assert reason.since is not None
    assert reason.until - reason.since > timedelta(minutes=59)
    await end(lab, execution_id)


async def test_a_queued_message_names_the_turn_ahead(lab: Lab) -> None:
    await lab.model.script(Behaviour(last="One", hang_after_tokens=0))
    flow = await lab.chatflow()
    first = await lab.start(flow, message="One", session_id="s")
    await lab.model.wait_for_requests(1)
    second = await lab.start(flow, message="Two", session_id="s")
    now = await explained_as(lab, second, "turn")
    (reason,) = now.waiting_for
    assert isinstance(reason, WaitsForTurn)
    assert (reason.session_id, reason.ahead) == ("s", [first])
    assert [reason.kind for reason in (await explained(lab, first)).waiting_for] == ["call"]
    await end(lab, first)
    await lab.finish(second)
    assert "completed" in (await explained(lab, second)).sentence


async def test_a_called_flow_is_explained_within(lab: Lab) -> None:
    below = await lab.agentflow(name="Below", agents=[{"id": "deep", "name": "Deep", "system_prompt": "Deep"}])
    await lab.model.script(
        Behaviour(system="Deep", hang_after_tokens=0),
        Behaviour(system="Top", tool_calls=(ScriptedCall(name="run_flow", arguments={"message": "Dive."}),)),
    )
    tool: JsonValue = {"type": "run_flow", "flow_id": str(below.id)}
    agents: JsonValue = [{"id": "top", "name": "Top", "system_prompt": "Top", "tools": [tool]}]
    execution_id = await lab.start(await lab.agentflow(agents=agents), message="Go.")
    await lab.model.wait_for_requests(2)
    while True:
        (reason,) = (await explained_as(lab, execution_id, "child")).waiting_for
        assert isinstance(reason, WaitsForChild)
        if reason.waiting_for:
            break
    assert [each.kind for each in reason.waiting_for] == ["call"]
    assert str(reason.execution_id) in reason.sentence
    assert (await explained(lab, reason.execution_id)).waiting_for == reason.waiting_for
    await end(lab, execution_id)


async def test_a_run_that_no_code_can_go_on_with_says_what_the_engine_says(lab: Lab) -> None:
    run = RunInput(
        execution_id=uuid4(),
        flow=await lab.agentflow(agents=[{"name": "Writer"}]),
        user_id=lab.user_id,
        input_data={"message": "Go."},
        started_at=datetime.now(UTC),
    )
    async with lab.runtime.single.connect() as connection:
        await insert_started(connection, run.header)
    await lab.runtime.client.start_workflow("Unheard", run, id=str(run.execution_id), task_queue=TASK_QUEUE)
    now = await explained_as(lab, run.execution_id, "engine")
    (reason,) = now.waiting_for
    assert isinstance(reason, WaitsForEngine)
    assert reason.attempt > 1
    assert "Unheard" in (reason.error or "")
    await run_handle(lab.runtime.client, run.execution_id).terminate("the test is over")
    assert "It has failed: Terminated from outside" in (await explained(lab, run.execution_id)).sentence


async def test_others_runs_are_not_explained(lab: Lab) -> None:
    execution_id = (await lab.run(await lab.agentflow(agents=[{"name": "Writer"}]), message="Go.")).id
    with pytest.raises(NotFoundError):
        await explain_execution(lab.runtime, execution_id, user=await new_user(lab))
