"""Swarm on the real server: the handoff is a tool call that the workflow itself carries out."""

from pydantic import JsonValue

from perdure.domain.executions import ExecutionStatus
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour, ScriptedCall

TEAM: list[JsonValue] = [
    {"id": name.lower(), "name": name, "system_prompt": f"I am {name}.", "role": f"{name}'s work"}
    for name in ("Ann", "Bob", "Cyd")
]


def hands_over(to: str, reason: str) -> tuple[ScriptedCall, ...]:
    return (ScriptedCall(name="hand_over", arguments={"agent": to, "reason": reason}),)


async def test_the_work_is_handed_over_by_a_tool_call_and_the_next_agent_knows_why(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(system="Ann", text="I found a ship.", tool_calls=hands_over("Cyd", "Needs a song.")),
        Behaviour(system="Cyd", text="A song of a ship."),
    )
    execution = await lab.run(await lab.agentflow(orchestration_type="swarm", agents=TEAM), message="Sing of ships.")
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.output_data == {
        "response": "A song of a ship.",
        "agent": "Cyd",
        "handoffs": [{"from_agent": "Ann", "to_agent": "Cyd", "reason": "Needs a song.", "hop": 1}],
    }
    first, second = await lab.model.requests()
    [tool] = first.tools
    assert tool["function"]["name"] == "hand_over"
    assert "Bob: Bob's work; Cyd: Cyd's work" in tool["function"].get("description", "")
    assert second.last_user_message.startswith("Sing of ships.")
    assert "### Ann\nI found a ship." in second.last_user_message
    assert "Ann gave it to Cyd: Needs a song." in second.last_user_message


async def test_after_the_last_handoff_the_tool_is_gone(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(system="Ann", tool_calls=hands_over("Bob", "You.")),
        Behaviour(system="Bob", text="Then I do it."),
    )
    flow = await lab.agentflow(orchestration_type="swarm", agents=TEAM, orchestration_config={"max_handoffs": 1})
    execution = await lab.run(flow, message="Go.")
    assert (execution.output_data or {})["response"] == "Then I do it."
    _, second = await lab.model.requests()
    assert second.tools == []
    assert "cannot be handed over any more" in second.last_user_message
