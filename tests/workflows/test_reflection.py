"""Reflection on the real server."""

from pydantic import JsonValue

from perdure.domain.executions import ExecutionStatus
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour

TEAM: list[JsonValue] = [
    {"id": "w", "name": "Writer", "system_prompt": "You write."},
    {"id": "r", "name": "Reader", "system_prompt": "You judge.", "role": "critic"},
]


async def test_the_draft_is_revised_until_the_critic_passes_it(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(system="You write", text="The first draft."),
        Behaviour(system="You judge", text='{"changes": "Name a ship.", "passes": false}'),
        Behaviour(system="You write", text="The Argo sails."),
        Behaviour(system="You judge", text='{"changes": "", "passes": true}'),
    )
    flow = await lab.agentflow(orchestration_type="reflection", agents=TEAM)
    execution = await lab.run(flow, message="Tell me of ships.")
    assert execution.status is ExecutionStatus.COMPLETED
    output = execution.output_data or {}
    assert (output["response"], output["agent"]) == ("The Argo sails.", "Writer")
    decisions = output["decisions"]
    assert isinstance(decisions, list)
    assert [decision["choice"] for decision in decisions if isinstance(decision, dict)] == ["revise", "passed"]
    _, judged, revised, again = await lab.model.requests()
    assert "### Draft\nThe first draft." in judged.last_user_message
    assert revised.last_user_message.startswith("Tell me of ships.")
    assert "### Draft\nThe first draft." in revised.last_user_message
    assert "Name a ship." in revised.last_user_message
    assert "### Draft\nThe Argo sails." in again.last_user_message
    assert "The first draft." not in again.last_user_message


async def test_what_never_passes_says_so(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(system="You judge", text='{"changes": "Better.", "passes": false}', times=None),
        Behaviour(system="You write", text="Once."),
        Behaviour(system="You write", text="Twice."),
    )
    flow = await lab.agentflow(orchestration_type="reflection", agents=TEAM, orchestration_config={"max_rounds": 1})
    execution = await lab.run(flow, message="Go.")
    output = execution.output_data or {}
    assert output["response"] == "Twice."
    decisions = output["decisions"]
    assert isinstance(decisions, list)
    assert [decision["choice"] for decision in decisions if isinstance(decision, dict)] == ["revise", "not passed"]
