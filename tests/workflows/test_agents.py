"""An agent's loop on the real server: model call, tool calls, model call, until it answers."""

from uuid import UUID

import pytest
from pydantic import JsonValue

from perdure.domain.events import StepCompleted, StepScheduled
from perdure.domain.executions import ExecutionStatus, NodeStatus
from perdure.domain.flows import Agentflow
from perdure.domain.notes import ModelFellBack
from perdure.executions import cancel_execution, get_execution
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour, ScriptedCall

SCHEMA: JsonValue = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "pages": {"type": "integer"}},
    "required": ["title", "pages"],
}


async def _calling(lab: Lab, called: Agentflow, **agent: JsonValue) -> Agentflow:
    """A flow whose one agent may run another flow as a tool."""
    tool: JsonValue = {"type": "run_flow", "name": "ask_team", "flow_id": str(called.id)}
    return await lab.agentflow(agents=[{"id": "boss", "name": "Boss", "tools": [tool], **agent}])


async def test_an_answer_that_fits_its_schema_is_data(lab: Lab) -> None:
    await lab.model.script(Behaviour(text='{"title": "Ships", "pages": 3}'))
    flow = await lab.agentflow(agents=[{"name": "Librarian", "output_schema": SCHEMA}])
    execution = await lab.run(flow, message="Which book?")
    assert execution.output_data is not None
    assert execution.output_data["data"] == {"title": "Ships", "pages": 3}
    (asked,) = await lab.model.requests()
    assert asked.response_format is not None


async def test_an_answer_that_does_not_fit_is_mended_once(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(text='{"title": "Ships"}'), Behaviour(last="'pages' is a required", text='{"title": "S", "pages": 1}')
    )
    flow = await lab.agentflow(agents=[{"id": "l", "name": "Librarian", "output_schema": SCHEMA}])
    execution = await lab.run(flow, message="Which book?")
    assert execution.output_data is not None
    assert execution.output_data["data"] == {"title": "S", "pages": 1}
    assert [node.id for node in execution.node_executions] == ["l", "l:2"]
    again = (await lab.model.requests())[1]
    assert [message["role"] for message in again.messages][-3:] == ["user", "assistant", "user"]


async def test_an_answer_that_never_fits_fails_with_what_is_wrong(lab: Lab) -> None:
    await lab.model.script(Behaviour(text="A book about ships.", times=2))
    flow = await lab.agentflow(agents=[{"name": "Librarian", "output_schema": SCHEMA}])
    execution = await lab.run(flow, message="Which book?")
    assert execution.status is ExecutionStatus.FAILED
    assert "Librarian: its answer does not fit its output_schema" in (execution.error_message or "")
    assert len(await lab.model.requests()) == 2


async def test_the_next_model_is_asked_when_one_has_given_up(lab: Lab) -> None:
    refusal: JsonValue = {"error": {"message": "no", "code": "insufficient_quota", "type": "insufficient_quota"}}
    await lab.model.script(Behaviour(status=429, body=refusal), Behaviour(text="From the second."))
    flow = await lab.agentflow(
        agents=[{"id": "w", "name": "Writer", "fallback_models": ["ollama:nowhere", "openai:second"], "max_retries": 0}]
    )
    execution = await lab.run(flow, message="Go.")
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.output_data is not None
    assert execution.output_data["response"] == "From the second."
    assert [(node.id, node.status) for node in execution.node_executions] == [
        ("w", NodeStatus.FAILED),
        ("w:2", NodeStatus.FAILED),
        ("w:3", NodeStatus.COMPLETED),
    ]
    history = await lab.runtime.records.read(execution.id)
    assert history is not None
    fallbacks = [event.data for event in history.events if isinstance(event.data, ModelFellBack)]
    assert [(note.from_model, note.to_model) for note in fallbacks] == [
        ("openai:scripted", "ollama:nowhere"),
        ("ollama:nowhere", "openai:second"),
    ]
    assert "quota" in fallbacks[0].reason
    assert execution.output_data["model_fallbacks"]


async def test_a_flow_is_a_tool_with_a_run_of_its_own(lab: Lab) -> None:
    called = await lab.agentflow(name="Team below", agents=[{"name": "Worker", "system_prompt": "You dig."}])
    flow = await _calling(lab, called)
    await lab.model.script(
        Behaviour(
            system="Boss",
            last="Dig a hole",
            tool_calls=(ScriptedCall(name="ask_team", arguments={"message": "Dig here."}),),
        ),
        Behaviour(system="You dig", user="Dig here", text="A deep hole."),
        Behaviour(tool="A deep hole", text="It is dug."),
    )
    execution = await lab.run(flow, message="Dig a hole.")
    assert execution.output_data is not None
    assert execution.output_data["response"] == "It is dug."
    step = next(node for node in execution.node_executions if node.node_type == "flow")
    assert step.output_data is not None
    child = await get_execution(lab.runtime, UUID(str(step.output_data["execution_id"])), user_id=lab.user_id)
    assert (child.status, child.flow_name, child.parent_execution_id) == ("completed", "Team below", execution.id)
    assert child.input_data == {"message": "Dig here."}
    assert execution.metrics.tool_calls == 1
    assert execution.metrics.llm_calls == 2
    await lab.replay(child.id)


async def test_a_flow_that_fails_as_a_tool_is_told_to_the_model(lab: Lab) -> None:
    called = await lab.agentflow(name="Team below", agents=[{"name": "Worker", "max_retries": 0}])
    flow = await _calling(lab, called)
    await lab.model.script(
        Behaviour(system="Boss", tool_calls=(ScriptedCall(name="ask_team", arguments={"message": "Dig."}),)),
        Behaviour(system="Worker", status=400, body={"error": {"message": "no"}}),
        Behaviour(tool="Team below' failed", text="They could not."),
    )
    execution = await lab.run(flow, message="Dig a hole.")
    assert execution.output_data is not None
    assert execution.output_data["response"] == "They could not."
    assert [node.status for node in execution.node_executions if node.node_type == "flow"] == [NodeStatus.FAILED]


async def test_flows_that_call_themselves_come_to_an_end(lab: Lab) -> None:
    flow = await lab.agentflow(name="Loop")
    tool: JsonValue = {"type": "run_flow", "flow_id": str(flow.id)}
    await lab.change(flow, {"agents": [{"name": "Caller", "tools": [tool]}]})
    again = ScriptedCall(name="run_flow", arguments={"message": "Again."})
    await lab.model.script(
        Behaviour(tool="5 deep", text="Deep enough."),
        Behaviour(tool="Deep enough", times=None, text="Deep enough."),
        Behaviour(user="Again", times=None, tool_calls=(again,)),
    )
    execution = await lab.run(await lab.read(flow), message="Again.")
    assert execution.output_data is not None
    assert execution.output_data["response"] == "Deep enough."


async def test_cancelling_a_run_cancels_the_flow_that_it_called(lab: Lab) -> None:
    called = await lab.agentflow(name="Team below", agents=[{"name": "Worker"}])
    flow = await _calling(lab, called)
    await lab.model.script(
        Behaviour(system="Boss", tool_calls=(ScriptedCall(name="ask_team", arguments={"message": "Dig."}),)),
        Behaviour(system="Worker", hang_after_tokens=1),
    )
    execution_id = await lab.start(flow, message="Dig a hole.")
    await lab.model.wait_for_requests(2)
    await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)
    execution = await lab.finish(execution_id)
    assert execution.status is ExecutionStatus.CANCELLED
    await lab.model.wait_for_disconnect(1)
    history = await lab.runtime.records.read(execution_id)
    assert history is not None
    step = next(e.data for e in history.events if isinstance(e.data, StepScheduled) and e.data.node_type == "flow")
    child = await lab.finish(UUID(str(step.input["execution_id"])))
    assert child.status is ExecutionStatus.CANCELLED


async def test_a_tool_that_does_not_exist_is_told_to_the_model(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(tool_calls=(ScriptedCall(name="fly", arguments={}),)),
        Behaviour(tool="no tool 'fly'", text="Then I walk."),
    )
    execution = await lab.run(await lab.agentflow(agents=[{"name": "Bird"}]), message="Go.")
    assert execution.output_data is not None
    assert execution.output_data["response"] == "Then I walk."


async def test_an_agent_that_only_calls_tools_is_stopped(lab: Lab) -> None:
    await lab.model.script(Behaviour(tool_calls=(ScriptedCall(name="fly", arguments={}),), times=None))
    execution = await lab.run(await lab.agentflow(agents=[{"name": "Bird", "max_steps": 3}]), message="Go.")
    assert execution.status is ExecutionStatus.FAILED
    assert "Bird has not come to an answer in 3 model calls" in (execution.error_message or "")
    assert len(await lab.model.requests()) == 3


@pytest.mark.parametrize("tools", [["telescope"], [{"type": "http_request", "speed": 1}], ["http_request"] * 2])
async def test_tools_that_are_none_are_refused_before_the_run(lab: Lab, tools: list[JsonValue]) -> None:
    flow = await lab.agentflow(agents=[{"name": "Bird", "tools": tools}])
    with pytest.raises(Exception, match="Agent 'Bird': T"):
        await lab.start(flow, message="Go.")


async def test_step_ids_never_meet_an_agents_own(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(system="One", text="{}"), Behaviour(system="One", text='{"title": "a", "pages": 1}')
    )
    flow = await lab.agentflow(
        agents=[{"id": "a", "name": "One", "output_schema": SCHEMA}, {"id": "a:2", "name": "Two", "priority": 2}]
    )
    execution = await lab.run(flow, message="Go.")
    assert [(node.id, node.status) for node in execution.node_executions] == [
        ("a", NodeStatus.COMPLETED),
        ("a:2", NodeStatus.COMPLETED),
        ("a:3", NodeStatus.COMPLETED),
    ]
    history = await lab.runtime.records.read(execution.id)
    assert history is not None
    assert sum(isinstance(event.data, StepCompleted) for event in history.events) == 3
