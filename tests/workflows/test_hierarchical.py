"""Hierarchical teams on the real server: the supervisor's decisions, the tasks it gives, and how it ends."""

from uuid import UUID

import orjson
from pydantic import JsonValue

from perdure.domain.executions import ExecutionStatus
from perdure.domain.notes import DecisionMade
from perdure.executions import cancel_execution
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour

TEAM: list[JsonValue] = [
    {"name": "Scout", "role": "finds facts", "capabilities": ["research"]},
    {"name": "Critic", "priority": 2},
    {"name": "Writer", "priority": 3, "capabilities": ["writing"]},
]
DECIDES = "You decide what the team does next"


def decision(action: str, *tasks: tuple[str, str], answer: str = "") -> Behaviour:
    assignments = [{"agent": agent, "task": task} for agent, task in tasks]
    filled = {"reason": f"To {action}.", "action": action, "assignments": assignments, "answer": answer}
    return Behaviour(system=DECIDES, text=orjson.dumps(filled).decode())


def supervisor(**fields: JsonValue) -> dict[str, JsonValue]:
    return {"enabled": True, "llm_provider": "openai", "llm_model": "scripted", **fields}


async def decisions(lab: Lab, execution_id: UUID) -> list[DecisionMade]:
    history = await lab.runtime.records.read(execution_id)
    assert history is not None
    return [event.data for event in history.events if isinstance(event.data, DecisionMade)]


async def test_it_delegates_at_once_has_work_mended_and_finishes(lab: Lab) -> None:
    await lab.model.script(
        decision("delegate", ("Scout", "Find facts of the sea."), ("Critic", "Say what is doubtful.")),
        decision("mend", ("Scout", "Add a number.")),
        decision("finish", answer="The sea is deep."),
        Behaviour(system="Scout", text="It is deep.", delay_ms=500),
        Behaviour(system="Critic", text="Is it?", delay_ms=500),
        Behaviour(system="Scout", text="It is 11 km deep."),
    )
    flow = await lab.agentflow(orchestration_type="hierarchical", supervisor_config=supervisor(), agents=TEAM)
    execution = await lab.run(flow, message="Tell me of the sea.")
    assert execution.status is ExecutionStatus.COMPLETED
    output = execution.output_data or {}
    assert (output["response"], output["agent"]) == ("The sea is deep.", "Supervisor")
    first, scout, critic, second, mended, third = await lab.model.requests()
    assert "- Scout: finds facts – Can: research." in first.last_user_message
    assert {scout.last_user_message, critic.last_user_message} == {"Find facts of the sea.", "Say what is doubtful."}
    assert max(scout.arrived_at, critic.arrived_at) < min(scout.finished_at or 0, critic.finished_at or 0)
    assert "### Scout: Find facts of the sea.\nIt is deep." in second.last_user_message
    assert "### Critic: Say what is doubtful.\nIs it?" in second.last_user_message
    assert "Add a number." in mended.last_user_message
    assert "It is deep." in mended.last_user_message
    assert "Is it?" not in mended.last_user_message
    assert "It is 11 km deep." in third.last_user_message
    assert "It is deep." not in third.last_user_message
    made = await decisions(lab, execution.id)
    assert [each.choice for each in made] == ["delegate: Scout, Critic", "mend: Scout", "finish"]
    assert [each["choice"] for each in _listed(output["decisions"])] == [each.choice for each in made]
    ids = [node.id for node in execution.node_executions if node.node_type == "supervisor"]
    assert ids == ["supervisor", "supervisor:2", "supervisor:3"]


async def test_a_wrong_decision_is_mended_once_then_falls_to_the_fallback(lab: Lab) -> None:
    await lab.model.script(
        decision("delegate", ("Scout", "Find facts.")),
        decision("delegate", ("Nobody", "Go.")),
        Behaviour(system=DECIDES, text="I would ask the writer."),
        Behaviour(system="Writer", text="A story."),
    )
    flow = await lab.agentflow(
        orchestration_type="hierarchical", supervisor_config=supervisor(fallback_agent_id="Writer"), agents=TEAM
    )
    execution = await lab.run(flow, message="Go.")
    output = execution.output_data or {}
    assert (output["response"], output["agent"]) == ("A story.", "Writer")
    requests = await lab.model.requests()
    assert len(requests) == 5
    assert "There is no agent 'Nobody'. The agents: Scout, Critic, Writer." in requests[3].last_user_message
    last = (await decisions(lab, execution.id))[-1]
    assert (last.choice, last.is_fallback) == ("Writer", True)


async def test_without_a_fallback_it_fails_with_a_sentence(lab: Lab) -> None:
    await lab.model.script(Behaviour(text="Well.", times=None))
    flow = await lab.agentflow(orchestration_type="hierarchical", supervisor_config=supervisor(), agents=TEAM)
    execution = await lab.run(flow, message="Go.")
    assert execution.status is ExecutionStatus.FAILED
    assert "supervisor_config.fallback_agent_id" in (execution.error_message or "")
    assert len(await lab.model.requests()) == 2


async def test_at_max_iterations_it_finishes_with_what_it_has(lab: Lab) -> None:
    long = "Find facts. " * 500
    await lab.model.script(
        decision("delegate", ("Scout", long), ("Critic", f"{long}Doubt them.")),
        decision("delegate", ("Scout", "More.")),
        Behaviour(system="Write the final answer", text="What I have."),
    )
    flow = await lab.agentflow(
        orchestration_type="hierarchical", supervisor_config=supervisor(max_iterations=2), agents=TEAM
    )
    execution = await lab.run(flow, message="Go.")
    assert (execution.output_data or {})["response"] == "What I have."
    requests = await lab.model.requests()
    assert len(requests) == 6
    # Two long tasks given at the same time are each kept for their own agent.
    tasks = {each.system_prompt.split(".")[0]: each.last_user_message for each in requests[1:3]}
    assert "Doubt them." in tasks["You are Critic"]
    assert "Doubt them." not in tasks["You are Scout, finds facts"]
    assert (await decisions(lab, execution.id))[-1].by == "max_iterations"


async def test_rule_based_asks_one_agent_and_no_model_to_choose(lab: Lab) -> None:
    flow = await lab.agentflow(
        orchestration_type="hierarchical",
        supervisor_config=supervisor(
            enabled=False, decision_strategy="rule_based", rules=[{"when": ["doubt"], "agent": "Critic"}]
        ),
        agents=TEAM,
    )
    by_rule = await lab.run(flow, message="I doubt your research.")
    by_capability = await lab.run(flow, message="Some research, please.")
    assert (by_rule.output_data or {})["agent"] == "Critic"
    assert (by_capability.output_data or {})["agent"] == "Scout"
    assert len(await lab.model.requests()) == 2
    made = [*await decisions(lab, by_rule.id), *await decisions(lab, by_capability.id)]
    assert [(each.by, each.choice) for each in made] == [("rule_based", "Critic"), ("rule_based", "Scout")]


async def test_round_robin_and_priority_go_one_after_another_in_orders_of_their_own(lab: Lab) -> None:
    agents: list[JsonValue] = [{"name": "Ann", "priority": 2}, {"name": "Ben", "priority": 1}]
    orders: dict[str, list[str]] = {}
    for strategy in ("round_robin", "priority"):
        await lab.model.reset()
        config = supervisor(decision_strategy=strategy)
        flow = await lab.agentflow(orchestration_type="hierarchical", supervisor_config=config, agents=agents)
        execution = await lab.run(flow, message="Go.")
        assert (execution.output_data or {})["agent"] == "Supervisor"
        requests = await lab.model.requests()
        orders[strategy] = [each.system_prompt.split(".")[0].split()[2] for each in requests[:2]]
        assert f"### {orders[strategy][0]}\n" in requests[1].last_user_message
    assert orders == {"round_robin": ["Ann", "Ben"], "priority": ["Ben", "Ann"]}


async def test_cancelling_closes_the_calls_of_a_delegation(lab: Lab) -> None:
    await lab.model.script(
        decision("delegate", ("Scout", "Find."), ("Critic", "Doubt.")), Behaviour(hang_after_tokens=1, times=None)
    )
    flow = await lab.agentflow(orchestration_type="hierarchical", supervisor_config=supervisor(), agents=TEAM)
    execution_id = await lab.start(flow, message="Go.")
    await lab.model.wait_for_requests(3)
    await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)
    for index in (1, 2):
        await lab.model.wait_for_disconnect(index)
    assert (await lab.finish(execution_id)).status is ExecutionStatus.CANCELLED


def _listed(found: JsonValue) -> list[dict[str, JsonValue]]:
    assert isinstance(found, list)
    return [each for each in found if isinstance(each, dict)]
