"""Parallel teams on the real server: truly at once, each with its own context, and what becomes of failures."""

import pytest
from pydantic import JsonValue

from perdure.domain.executions import ExecutionStatus, NodeStatus
from perdure.domain.notes import AgentLeftOut, DecisionMade
from perdure.executions import cancel_execution
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour

THREE: list[JsonValue] = [{"name": "Ann"}, {"name": "Ben"}, {"name": "Cid"}]
BROKEN = Behaviour(system="You are Ann", status=400, body={"error": {"message": "no"}}, times=None)
SUPERVISOR: JsonValue = {"enabled": True, "llm_provider": "openai", "llm_model": "scripted"}


async def test_three_slow_agents_are_asked_at_once_and_their_answers_joined(lab: Lab) -> None:
    await lab.model.script(*(Behaviour(system=name, text=f"{name}!", delay_ms=700) for name in ("Ann", "Ben", "Cid")))
    flow = await lab.agentflow(orchestration_type="parallel", agents=THREE)
    execution = await lab.run(flow, message="Go.")
    assert execution.status is ExecutionStatus.COMPLETED
    requests = await lab.model.requests()
    assert len(requests) == 3
    # The last has come before the first was answered: no two of them stood in a row.
    assert max(each.arrived_at for each in requests) < min(each.finished_at or 0 for each in requests)
    assert {each.last_user_message for each in requests} == {"Go."}
    assert execution.output_data == {
        "response": "## Ann\n\nAnn!\n\n## Ben\n\nBen!\n\n## Cid\n\nCid!",
        "agent": "Team",
    }


async def test_an_agent_starts_when_those_it_depends_on_are_done_and_reads_them_alone(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(system="Ann", text="From Ann."),
        Behaviour(system="Ben", text="From Ben.", delay_ms=1500),
        Behaviour(system="Dot", text="From Dot."),
        Behaviour(system="supervisor", text="All of it."),
    )
    agents: list[JsonValue] = [{"name": "Ann"}, {"name": "Ben"}, {"name": "Dot", "dependencies": ["Ann"]}]
    flow = await lab.agentflow(orchestration_type="parallel", supervisor_config=SUPERVISOR, agents=agents)
    execution = await lab.run(flow, message="Go.")
    requests = {each.system_prompt.split(".")[0]: each for each in await lab.model.requests()}
    ben, dot = requests["You are Ben"], requests["You are Dot"]
    assert dot.finished_at is not None
    assert ben.finished_at is not None
    assert dot.finished_at < ben.finished_at
    assert "From Ann." in dot.last_user_message
    assert "Ben" not in dot.last_user_message
    aggregated = (await lab.model.requests())[-1]
    assert "From Ben." in aggregated.last_user_message
    assert "From Dot." in aggregated.last_user_message
    assert "From Ann." not in aggregated.last_user_message
    assert execution.output_data == {"response": "All of it.", "agent": "Supervisor"}
    kinds = {node.node_label: node.node_type for node in execution.node_executions}
    assert kinds["Supervisor"] == "supervisor"


async def test_a_failure_stops_the_others_and_the_run(lab: Lab) -> None:
    await lab.model.script(BROKEN.model_copy(update={"delay_ms": 500}), Behaviour(hang_after_tokens=1, times=None))
    flow = await lab.agentflow(orchestration_type="parallel", agents=[*THREE, {"name": "Dot", "dependencies": ["Ann"]}])
    execution = await lab.run(flow, message="Go.")
    assert execution.status is ExecutionStatus.FAILED
    assert (execution.error_message or "").startswith("Ann: ")
    requests = await lab.model.requests()
    assert len(requests) == 3
    for index, request in enumerate(requests):
        if "You are Ann" not in request.system_prompt:
            await lab.model.wait_for_disconnect(index)
    statuses = {node.node_label: node.status for node in execution.node_executions}
    assert statuses == {
        "Ann": NodeStatus.FAILED,
        "Ben": NodeStatus.FAILED,
        "Cid": NodeStatus.FAILED,
        "Dot": NodeStatus.SKIPPED,
    }
    history = await lab.runtime.records.read(execution.id)
    assert history is not None
    told = [(node.id, node.status, node.error_message) for node in history.state.ledger.nodes]
    assert told == [(node.id, node.status, node.error_message) for node in execution.node_executions]


async def test_continue_goes_on_without_it_and_says_so(lab: Lab) -> None:
    await lab.model.script(BROKEN, Behaviour(text="Fine.", times=None))
    flow = await lab.agentflow(
        orchestration_type="parallel",
        orchestration_config={"on_agent_failure": "continue"},
        agents=[*THREE, {"name": "Dot", "dependencies": ["Ann"]}],
    )
    execution = await lab.run(flow, message="Go.")
    assert execution.status is ExecutionStatus.COMPLETED
    output = execution.output_data or {}
    assert str(output["response"]).endswith("(Left out, because of a failure: Ann.)")
    left_out = output["left_out"]
    assert isinstance(left_out, list)
    assert [entry["node_label"] for entry in left_out if isinstance(entry, dict)] == ["Ann"]
    dot = next(each for each in await lab.model.requests() if "You are Dot" in each.system_prompt)
    assert "Ann could not finish this part" in dot.last_user_message
    history = await lab.runtime.records.read(execution.id)
    assert history is not None
    assert AgentLeftOut in [type(event.data) for event in history.events]


@pytest.mark.parametrize(
    ("choice", "status", "calls"),
    [
        ("go_on", ExecutionStatus.COMPLETED, 4),
        ("retry", ExecutionStatus.COMPLETED, 5),
        ("stop", ExecutionStatus.FAILED, 4),
    ],
)
async def test_the_supervisor_decides_about_a_failure(
    lab: Lab, choice: str, status: ExecutionStatus, calls: int
) -> None:
    await lab.model.script(
        BROKEN.model_copy(update={"times": 1}),
        Behaviour(system="supervisor", text=f'{{"reason": "As I say.", "choice": "{choice}"}}'),
    )
    flow = await lab.agentflow(
        orchestration_type="parallel", orchestration_config={"on_agent_failure": "ask_supervisor"}, agents=THREE
    )
    execution = await lab.run(flow, message="Go.")
    assert execution.status is status
    requests = await lab.model.requests()
    assert len(requests) == calls
    asked = next(each for each in requests if "supervisor" in each.system_prompt)
    assert "The agent Ann has failed" in asked.last_user_message
    history = await lab.runtime.records.read(execution.id)
    assert history is not None
    decisions = [event.data for event in history.events if isinstance(event.data, DecisionMade)]
    assert [(each.by, each.choice, each.reason) for each in decisions] == [("Supervisor", choice, "As I say.")]


async def test_cancelling_closes_every_call(lab: Lab) -> None:
    await lab.model.script(Behaviour(hang_after_tokens=1, times=None))
    flow = await lab.agentflow(orchestration_type="parallel", agents=THREE)
    execution_id = await lab.start(flow, message="Go.")
    await lab.model.wait_for_requests(3)
    await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)
    for index in range(3):
        await lab.model.wait_for_disconnect(index)
    execution = await lab.finish(execution_id)
    assert execution.status is ExecutionStatus.CANCELLED
    assert len(await lab.model.requests()) == 3


async def test_fifty_agents_in_one_run(lab: Lab) -> None:
    agents: list[JsonValue] = [{"name": f"Agent {number}"} for number in range(50)]
    flow = await lab.agentflow(orchestration_type="parallel", agents=agents, supervisor_config=SUPERVISOR)
    execution = await lab.run(flow, message="Go.")
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.metrics.completed_nodes == 51
    requests = await lab.model.requests()
    assert len(requests) == 51
    assert requests[-1].last_user_message.count("### Agent ") == 50
