"""Dynamic routing on the real server."""

from pydantic import JsonValue

from perdure.domain.executions import ExecutionStatus, NodeStatus
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour

SUPERVISOR: JsonValue = {"llm_provider": "openai", "llm_model": "scripted", "fallback_agent_id": "Sales"}
TEAM: list[JsonValue] = [
    {"id": "b", "name": "Billing", "role": "clerk", "capabilities": ["invoices"]},
    {"id": "t", "name": "Tech", "role": "engineer"},
    {"id": "s", "name": "Sales"},
]


async def test_only_the_chosen_agent_works_and_the_output_says_why(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(system="supervisor", text='{"reason": "It is about money.", "agent": "Billing"}'),
        Behaviour(system="clerk", text="Here is your invoice."),
    )
    flow = await lab.agentflow(orchestration_type="dynamic_routing", supervisor_config=SUPERVISOR, agents=TEAM)
    execution = await lab.run(flow, message="Where is my invoice?")
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.output_data == {
        "response": "Here is your invoice.",
        "agent": "Billing",
        "decisions": [
            {
                "by": "Supervisor",
                "about": "route",
                "choice": "Billing",
                "alternatives": ["Tech", "Sales"],
                "reason": "It is about money.",
                "is_fallback": False,
            }
        ],
    }
    choice, answer = await lab.model.requests()
    assert choice.last_user_message.startswith("Where is my invoice?")
    assert "- Billing: clerk – Can: invoices.\n- Tech: engineer\n- Sales" in choice.last_user_message
    assert answer.last_user_message == "Where is my invoice?"
    statuses = {node.node_label: node.status for node in execution.node_executions}
    assert statuses == {
        "Supervisor": NodeStatus.COMPLETED,
        "Billing": NodeStatus.COMPLETED,
        "Tech": NodeStatus.SKIPPED,
        "Sales": NodeStatus.SKIPPED,
    }


async def test_a_choice_that_stays_wrong_falls_to_the_fallback_agent(lab: Lab) -> None:
    await lab.model.script(Behaviour(system="supervisor", text='{"reason": "Why not.", "agent": "Nobody"}', times=2))
    flow = await lab.agentflow(orchestration_type="dynamic_routing", supervisor_config=SUPERVISOR, agents=TEAM)
    execution = await lab.run(flow, message="Hello?")
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.output_data is not None
    assert execution.output_data["agent"] == "Sales"
    requests = await lab.model.requests()
    assert len(requests) == 3
    assert "There is no agent 'Nobody'" in requests[1].last_user_message
