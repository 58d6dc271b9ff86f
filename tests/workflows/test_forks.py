"""Forks and retries on the real server: what was done is not done again."""

import pytest
from pydantic import JsonValue

from perdure.domain.errors import ConflictError, ForbiddenError, NotFoundError, UnprocessableError
from perdure.domain.executions import ExecutionStatus, NodeExecution, NodeStatus
from perdure.domain.users import Origin
from perdure.executions import cancel_execution, get_execution
from perdure.forks import ForkAsked, RetryAsked, read_parent
from perdure.storage import flows
from perdure.storage.transcripts import read_whole
from perdure.temporal.starting import run_handle
from tests.support.deciding import new_user, owner_of, say, until
from tests.support.forking import fork, go_on, kinds, retry, version_after
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour, ScriptedCall

THREE: list[JsonValue] = [{"id": "one", "name": "One"}, {"id": "two", "name": "Two"}, {"id": "three", "name": "Three"}]
NO = Behaviour(status=400, body={"error": {"message": "no"}})
CODE = "print('{}')"


def calls(*names: str) -> Behaviour:
    return Behaviour(tool_calls=tuple(ScriptedCall(name=name, arguments={"code": CODE}) for name in names))


async def test_a_fork_reuses_what_came_before_its_step(lab: Lab) -> None:
    await lab.model.script(*(Behaviour(text=text) for text in ("first", "second", "third", "other second")))
    parent = await lab.run(await lab.agentflow(agents=THREE), message="Go.")
    forked = await fork(lab, parent.id, ForkAsked(from_step="two"))
    assert (forked.status, forked.forked_from and forked.forked_from.execution_id) == ("completed", parent.id)
    assert forked.forked_from is not None
    assert forked.forked_from.step == "two"
    asked = await lab.model.requests()
    assert len(asked) == 5
    assert "first" in asked[3].last_user_message
    assert "other second" in asked[4].last_user_message
    assert await kinds(lab, forked.id) == [
        ("StepReused", "one"),
        ("StepScheduled", "two"),
        ("StepScheduled", "three"),
    ]
    metrics = forked.metrics
    assert (metrics.llm_calls, metrics.reused_steps, metrics.completed_nodes) == (2, 1, 3)
    first = next(node for node in forked.node_executions if node.id == "one")
    assert (first.output_data or {})["reused_from"] == str(parent.id)
    assert metrics.llm_tokens == sum(_tokens(node) for node in forked.node_executions if node.id != "one") > 0
    async with lab.runtime.single.connect() as connection:
        assert await read_whole(connection, forked.id, "one") == "first"
    # A fork of the fork, at its end: nothing is called.
    again = await fork(lab, forked.id, ForkAsked(edits={"three": "mine"}))
    assert (again.output_data or {})["response"] == "mine"
    assert again.metrics.reused_steps == 3
    assert len(await lab.model.requests()) == 5


async def test_an_edited_output_is_what_the_next_ones_read(lab: Lab) -> None:
    flow = await lab.agentflow(agents=THREE)
    parent = await lab.run(flow, message="Go.")
    forked = await fork(lab, parent.id, ForkAsked(edits={"one": "Ships\x00 sink."}, input_data={"message": "Stop."}))
    asked = (await lab.model.requests())[3:]
    assert len(asked) == 2
    assert "Ships" in asked[0].last_user_message
    assert "Stop." in asked[0].last_user_message
    first = next(node for node in forked.node_executions if node.id == "one")
    assert (first.output_data or {})["edited"] is True


async def test_a_fork_by_version_runs_what_was_in_flight(lab: Lab) -> None:
    await lab.model.script(Behaviour(text="quick", system="One"), Behaviour(hang_after_tokens=1, system="Two"))
    flow = await lab.agentflow(orchestration_type="parallel", agents=THREE[:2])
    running = await lab.start(flow, message="Go.")
    await until(lab, running, "StepCompleted")
    version = await version_after(lab, running, "StepCompleted", "one")
    forked = await fork(lab, running, ForkAsked(from_version=version))
    assert forked.status is ExecutionStatus.COMPLETED
    reused = [step for kind, step in await kinds(lab, forked.id) if kind == "StepReused"]
    assert reused == ["one"]
    with pytest.raises(ConflictError, match="has not ended"):
        await go_on(lab, running, RetryAsked())
    await cancel_execution(lab.runtime, running, user_id=lab.user_id)
    await lab.finish(running)
    before = len(await lab.model.requests())
    assert (await retry(lab, running)).status is ExecutionStatus.COMPLETED
    assert (await lab.model.requests())[before].system_prompt == "You are Two."


async def test_a_retry_goes_on_at_the_failed_step_with_the_mended_flow(lab: Lab) -> None:
    await lab.model.script(Behaviour(text="first"), NO)
    flow = await lab.agentflow(agents=THREE)
    failed = await lab.run(flow, message="Go.")
    assert failed.status is ExecutionStatus.FAILED
    await lab.change(flow, {"agents": [THREE[0], {"id": "two", "name": "Second"}]})
    mended = await retry(lab, failed.id, use_current_flow=True)
    assert (mended.status, mended.flow_version) == (ExecutionStatus.COMPLETED, 2)
    assert mended.forked_from is not None
    assert mended.forked_from.step == "two"
    assert [request.system_prompt for request in await lab.model.requests()] == [
        "You are One.",
        "You are Two.",
        "You are Second.",
    ]
    with pytest.raises(ConflictError, match="completed"):
        await go_on(lab, mended.id, RetryAsked())


async def test_a_deleted_flow_is_retried_as_it_was_and_only_by_its_owner(lab: Lab) -> None:
    await lab.model.script(NO)
    flow = await lab.agentflow(agents=THREE[:1])
    failed = await lab.run(flow, message="Go.")
    async with lab.runtime.sessions.begin() as session:
        await flows.delete(session, Origin(lab.user_id, {}), flow.id, flow_type=None, check=lambda _version: None)
    with pytest.raises(NotFoundError, match="use_current_flow"):
        await go_on(lab, failed.id, RetryAsked(use_current_flow=True))
    assert (await retry(lab, failed.id)).status is ExecutionStatus.COMPLETED


async def test_a_terminated_run_is_retried(lab: Lab) -> None:
    await lab.model.script(Behaviour(text="first"), Behaviour(hang_after_tokens=1))
    running = await lab.start(await lab.agentflow(agents=THREE[:2]), message="Go.")
    await lab.model.wait_for_requests(2)
    await run_handle(lab.runtime.client, running).terminate("operator")
    assert (await get_execution(lab.runtime, running, user_id=lab.user_id)).status is ExecutionStatus.FAILED
    assert (await retry(lab, running)).status is ExecutionStatus.COMPLETED
    assert len(await lab.model.requests()) == 3


async def test_an_answer_that_did_not_fit_is_asked_for_again(lab: Lab) -> None:
    schema: JsonValue = {"type": "object", "required": ["ships"]}
    agent: dict[str, JsonValue] = {"id": "one", "name": "One", "output_schema": schema}
    await lab.model.script(Behaviour(text="no"), Behaviour(text="never"), Behaviour(text='{"ships": 2}'))
    failed = await lab.run(await lab.agentflow(agents=[agent]), message="Go.")
    assert failed.status is ExecutionStatus.FAILED
    with pytest.raises(UnprocessableError, match="does not fit"):
        await go_on(lab, failed.id, ForkAsked(edits={"one": {"boats": 1}}))
    edited = await fork(lab, failed.id, ForkAsked(edits={"one": {"ships": 1}}))
    assert (edited.output_data or {})["data"] == {"ships": 1}
    mended = await retry(lab, failed.id)
    assert (mended.output_data or {})["data"] == {"ships": 2}
    assert len(await lab.model.requests()) == 3


async def test_tools_before_the_fork_are_not_called_again(lab: Lab) -> None:
    tool: JsonValue = {"type": "python"}
    agent: dict[str, JsonValue] = {"id": "one", "name": "One", "tools": [tool]}
    await lab.model.script(calls("python"), Behaviour(text="done"), Behaviour(text="done again"))
    parent = await lab.run(await lab.agentflow(agents=[agent]), message="Go.")
    forked = await fork(lab, parent.id, ForkAsked(from_step="one:2"))
    assert [kind for kind, _ in await kinds(lab, forked.id)] == ["StepReused", "StepReused", "StepScheduled"]
    assert (forked.output_data or {})["response"] == "done again"
    assert forked.metrics.tool_calls == 0
    asked = await lab.model.requests()
    assert asked[2].messages == asked[1].messages
    # Where the answer that asked for the tool is another one, its tool call is no part of the fork.
    edited = await fork(lab, parent.id, ForkAsked(from_step="one:2", edits={"one": "At once."}))
    assert await kinds(lab, edited.id) == [("StepReused", "one")]
    # A tool's output can be edited too.
    told = await fork(lab, parent.id, ForkAsked(edits={"one/1-python": "42"}))
    assert told.status is ExecutionStatus.COMPLETED
    assert "42" in str((await lab.model.requests())[-1].messages)


async def test_a_failure_that_the_run_went_on_from_stays_one(lab: Lab) -> None:
    await lab.model.script(Behaviour(system="One", status=400, body={"error": {"message": "no"}}, times=1))
    agents: list[JsonValue] = [*THREE[:2], {"id": "three", "name": "Three", "dependencies": ["one", "two"]}]
    flow = await lab.agentflow(
        agents=agents, orchestration_type="parallel", orchestration_config={"on_agent_failure": "continue"}
    )
    parent = await lab.run(flow, message="Go.")
    assert parent.status is ExecutionStatus.COMPLETED
    forked = await fork(lab, parent.id, ForkAsked(from_step="three"))
    did = await kinds(lab, forked.id)
    assert sorted(did[:2]) == [("StepReused", "one"), ("StepReused", "two")]
    assert did[2:] == [("StepScheduled", "three")]
    statuses = {node.id: node.status for node in forked.node_executions}
    assert statuses["one"] is NodeStatus.FAILED
    assert forked.status is ExecutionStatus.COMPLETED


async def test_a_model_that_had_given_up_is_not_asked_again_unless_its_agent_was_changed(lab: Lab) -> None:
    agent: dict[str, JsonValue] = {
        "id": "one",
        "name": "One",
        "llm_provider": "openai",
        "llm_model": "first",
        "fallback_models": ["openai:second"],
    }
    await lab.model.script(NO)
    parent = await lab.run(await lab.agentflow(agents=[agent, THREE[1]]), message="Go.")
    assert parent.status is ExecutionStatus.COMPLETED
    forked = await fork(lab, parent.id, ForkAsked(from_step="two"))
    assert await kinds(lab, forked.id) == [("StepReused", "one"), ("StepReused", "one:2"), ("StepScheduled", "two")]
    changed: dict[str, JsonValue] = {"agents": [{**agent, "llm_model": "third"}, THREE[1]]}
    other = await fork(lab, parent.id, ForkAsked(from_step="two", flow=changed))
    assert await kinds(lab, other.id) == [("StepScheduled", "one"), ("StepScheduled", "two")]


async def test_a_decision_is_taken_over_for_the_same_question_alone(lab: Lab) -> None:
    go_on_without = '{"reason": "It is gone.", "choice": "go_on"}'
    await lab.model.script(
        Behaviour(system="You are One", status=400, body={"error": {"message": "no"}}),
        Behaviour(user="What shall the team do", text=go_on_without),
    )
    fields: dict[str, JsonValue] = {
        "orchestration_type": "parallel",
        "orchestration_config": {"on_agent_failure": "ask_supervisor"},
        "supervisor_config": {"enabled": True, "llm_provider": "openai", "llm_model": "scripted"},
    }
    parent = await lab.run(await lab.agentflow(agents=THREE[:2], **fields), message="Go.")
    did = await kinds(lab, parent.id)
    assert (parent.status, len(did)) == (ExecutionStatus.COMPLETED, 4)
    end = len(await lab.model.requests())
    # The changed agent answers: the supervisor is not asked about a failure, but for the team's answer.
    changed: dict[str, JsonValue] = {"agents": [{"id": "one", "name": "First"}, THREE[1]]}
    forked = await fork(lab, parent.id, ForkAsked(from_step=did[-1][1], flow=changed))
    assert forked.status is ExecutionStatus.COMPLETED
    begun = await kinds(lab, forked.id)
    assert sorted(begun[:2]) == [("StepReused", "two"), ("StepScheduled", "one")]
    assert [kind for kind, _ in begun[2:]] == ["StepScheduled"]
    assert len(await lab.model.requests()) == end + 2


async def test_another_flow_s_run_is_not_started_again(lab: Lab) -> None:
    called = await lab.agentflow(name="Called", agents=THREE[:1])
    tool: JsonValue = {"type": "run_flow", "name": "ask", "flow_id": str(called.id), "description": "Asks."}
    ask = Behaviour(tool_calls=(ScriptedCall(name="ask", arguments={"message": "Go."}),))
    await lab.model.script(ask, Behaviour(text="from the flow"), Behaviour(text="done"))
    flow = await lab.agentflow(agents=[{"id": "w", "name": "Writer", "tools": [tool]}])
    parent = await lab.run(flow, message="Go.")
    assert parent.status is ExecutionStatus.COMPLETED, parent.error_message
    forked = await fork(lab, parent.id, ForkAsked(from_step="w:2"))
    assert [kind for kind, _ in await kinds(lab, forked.id)] == ["StepReused", "StepReused", "StepScheduled"]
    asked = await lab.model.requests()
    assert len(asked) == 4
    assert asked[3].messages == asked[2].messages


async def test_an_approval_stands_for_what_was_done_and_is_asked_anew_after_the_fork(lab: Lab) -> None:
    tool: JsonValue = {"type": "python", "requires_approval": True}
    agents: list[JsonValue] = [
        {"id": "w", "name": "Writer", "requires_approval": True, "tools": [tool]},
        {"id": "x", "name": "Critic", "requires_approval": True},
    ]
    await lab.model.script(calls("python"))
    owner = await owner_of(lab)
    parent = await lab.start(await lab.agentflow(agents=agents), message="Go.")
    await until(lab, parent, "ApprovalRequested")
    await say(lab, owner, parent, "agent:1:w", "edit", edited={"task": "Go slowly."})
    await until(lab, parent, "ApprovalRequested", count=2)
    await say(lab, owner, parent, "w/1-python", "reject", comment="Never.")
    await until(lab, parent, "ApprovalRequested", count=3)
    await say(lab, owner, parent, "agent:2:x", "approve")
    assert (await lab.finish(parent)).status is ExecutionStatus.COMPLETED
    # Cut in Writer's talk: the edited task and the rejection stand, Critic is asked for anew.
    forked = await go_on(lab, parent, ForkAsked(from_step="w:2"))
    await until(lab, forked, "ApprovalRequested")
    await say(lab, owner, forked, "agent:2:x", "approve")
    assert (await lab.finish(forked)).status is ExecutionStatus.COMPLETED
    asked = await lab.model.requests()
    assert len(asked) == 5
    assert asked[3].messages == asked[1].messages
    assert "Go slowly." in str(asked[3].messages)
    assert "Never." in str(asked[3].messages)
    # Cut before the rejection was answered: the tool is asked for anew.
    version = await version_after(lab, parent, "StepCompleted", "w")
    second = await go_on(lab, parent, ForkAsked(from_version=version))
    events = await until(lab, second, "ApprovalRequested")
    assert [getattr(event.data, "approval_id", "") for event in events][-1] == "w/1-python"
    await cancel_execution(lab.runtime, second, user_id=lab.user_id)
    await lab.finish(second)
    # Cut before all: so is the agent.
    third = await go_on(lab, parent, ForkAsked(from_step="w"))
    await until(lab, third, "ApprovalRequested")
    await cancel_execution(lab.runtime, third, user_id=lab.user_id)
    await lab.finish(third)
    assert len(await lab.model.requests()) == 5


async def test_a_forked_chat_turn_knows_its_session_and_leaves_nothing_there(lab: Lab) -> None:
    flow = await lab.chatflow()
    await lab.run(flow, message="My name is Ada.", session_id="s")
    await lab.run(flow, message="What is my name?", session_id="s")
    await lab.run(flow, message="Thanks.", session_id="s")
    before = (await lab.model.requests())[1]
    parent = await lab.run(flow, message="Bye.", session_id="s")
    asked = (await lab.model.requests())[-1]
    forked = await fork(lab, parent.id, ForkAsked(from_step="assistant"))
    assert (forked.status, forked.session_id) == (ExecutionStatus.COMPLETED, None)
    assert len(await lab.model.requests()) == 5
    assert (await lab.model.requests())[-1].messages == asked.messages
    assert before.messages != asked.messages
    edited = await fork(lab, forked.id, ForkAsked(edits={"assistant": "mine"}))
    assert (edited.output_data or {})["response"] == "mine"
    await lab.model.script(NO)
    failed = await fork(lab, parent.id, ForkAsked(from_step="assistant"))
    assert failed.status is ExecutionStatus.FAILED
    again = await retry(lab, failed.id)
    assert (again.status, again.session_id) == (ExecutionStatus.COMPLETED, None)
    fifth = await lab.run(flow, message="Still there?", session_id="s")
    assert fifth.status is ExecutionStatus.COMPLETED
    assert len((await lab.model.requests())[-1].messages) == len(asked.messages) + 2


async def test_a_retried_chat_turn_takes_a_new_place_in_its_session(lab: Lab) -> None:
    flow = await lab.chatflow()
    await lab.run(flow, message="One.", session_id="s")
    await lab.model.script(NO)
    failed = await lab.run(flow, message="Two.", session_id="s")
    assert failed.status is ExecutionStatus.FAILED
    mended = await retry(lab, failed.id)
    assert (mended.status, mended.session_id) == (ExecutionStatus.COMPLETED, "s")
    await lab.run(flow, message="Three.", session_id="s")
    said = str((await lab.model.requests())[-1].messages)
    assert said.index("One.") < said.index("Two.") < said.index("Three.")


async def test_what_cannot_be_forked_is_told(lab: Lab) -> None:
    flow = await lab.agentflow(agents=THREE[:1], is_public=True)
    parent = await lab.run(flow, message="Go.")
    wrong = {
        "'one' \\(One\\)": ForkAsked(from_step="nobody"),
        "not both": ForkAsked(from_step="one", from_version=1),
        "versions 1 to": ForkAsked(from_version=10_000),
        "Say where": ForkAsked(),
        "no step 'nobody'": ForkAsked(edits={"nobody": "x"}),
    }
    for message, asked in wrong.items():
        with pytest.raises(UnprocessableError, match=message):
            await go_on(lab, parent.id, asked)
    with pytest.raises(UnprocessableError):
        await go_on(lab, parent.id, ForkAsked(from_step="one", flow={"orchestration_type": "magic"}))
    with pytest.raises(NotFoundError):
        await read_parent(lab.runtime, parent.id, user_id=lab.user_id + 1)
    await lab.change(flow, {"is_active": False})
    with pytest.raises(ConflictError, match="deactivated"):
        await go_on(lab, parent.id, ForkAsked(from_step="one"))


async def test_another_user_s_public_flow_is_forked_as_it_is_now_and_never_edited(lab: Lab) -> None:
    flow = await lab.agentflow(agents=THREE[:1], is_public=True)
    other = await _other(lab)
    parent = await other.run(flow, message="Go.")
    with pytest.raises(ForbiddenError):
        await go_on(other, parent.id, ForkAsked(from_step="one", flow={"name": "Mine"}))
    await lab.change(flow, {"agents": [{"id": "one", "name": "New one"}]})
    assert (await fork(other, parent.id, ForkAsked(from_step="one"))).flow_version == 2
    await lab.change(flow, {"is_public": False})
    with pytest.raises(NotFoundError):
        await go_on(other, parent.id, ForkAsked(from_step="one"))


async def _other(lab: Lab) -> Lab:
    return Lab(runtime=lab.runtime, model=lab.model, user_id=(await new_user(lab)).id)


def _tokens(node: NodeExecution) -> int:
    output = node.output_data or {}
    return sum(int(str(output[name])) for name in ("input_tokens", "output_tokens"))
