"""Adaptive on the real server."""

from pydantic import JsonValue

from perdure.domain.executions import ExecutionStatus
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour
from tests.support.sizing import sizing

TEAM: list[JsonValue] = [
    {"id": "a", "name": "Ann", "system_prompt": "I am Ann."},
    {"id": "b", "name": "Bob", "system_prompt": "I am Bob.", "max_retries": 0},
]


async def test_the_pattern_that_was_chosen_runs_and_another_where_it_does_not_do(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(user="Size up", text=sizing("single", "Ann")),
        Behaviour(user="Judge the answer", text='{"reason": "Too short.", "sufficient": false}'),
        Behaviour(user="Size up", text=sizing("sequential")),
        Behaviour(user="Judge the answer", text='{"reason": "All there.", "sufficient": true}'),
        Behaviour(system="Ann", text="Ships.", times=2),
        Behaviour(system="Bob", text="Ships float because they are light for their size."),
    )
    execution = await lab.run(await lab.agentflow(orchestration_type="adaptive", agents=TEAM), message="Why?")
    assert execution.status is ExecutionStatus.COMPLETED
    output = execution.output_data or {}
    assert (output["response"], output["agent"]) == ("Ships float because they are light for their size.", "Bob")
    decisions = output["decisions"]
    assert isinstance(decisions, list)
    told = [(decision["about"], decision["choice"]) for decision in decisions if isinstance(decision, dict)]
    assert told == [
        ("pattern", "single"),
        ("sufficiency", "insufficient"),
        ("pattern", "sequential"),
        ("sufficiency", "sufficient"),
    ]
    requests = await lab.model.requests()
    assert [request.system_prompt.split(".")[0] for request in requests] == [
        "You are the supervisor of the team 'Team'",
        "I am Ann",
        "You are the supervisor of the team 'Team'",
        "You are the supervisor of the team 'Team'",
        "I am Ann",
        "I am Bob",
        "You are the supervisor of the team 'Team'",
    ]
    assert "- single: not enough. Too short." in requests[3].last_user_message
    assert "### Bob\nShips float" in requests[6].last_user_message


async def test_a_pattern_that_failed_is_replaced(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(user="Size up", text=sizing("parallel")),
        Behaviour(user="Size up", text=sizing("single", "Ann")),
        Behaviour(user="Judge the answer", text='{"reason": "All there.", "sufficient": true}'),
        Behaviour(system="Bob", status=400, body={"error": {"message": "no"}}),
        Behaviour(system="Ann", text="Ships.", times=2),
    )
    execution = await lab.run(await lab.agentflow(orchestration_type="adaptive", agents=TEAM), message="Why?")
    assert execution.status is ExecutionStatus.COMPLETED
    assert (execution.output_data or {})["response"] == "Ships."
