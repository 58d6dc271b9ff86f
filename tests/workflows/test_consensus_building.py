"""Consensus on the real server."""

from pydantic import JsonValue

from perdure.domain.executions import ExecutionStatus
from perdure.executions import cancel_execution
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour

TEAM: list[JsonValue] = [
    {"id": name.lower(), "name": name, "system_prompt": f"I am {name}."} for name in ("Ann", "Bob")
]


async def test_answers_are_independent_then_criticised_then_voted_on(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(user=r"\AGo\.\Z", system="Ann", text="Ann says ships.", delay_ms=300),
        Behaviour(user=r"\AGo\.\Z", system="Bob", text="Bob says boats.", delay_ms=300),
        Behaviour(user="write your answer anew", system="Ann", text="Ann says sails.", delay_ms=300),
        Behaviour(user="write your answer anew", system="Bob", text="Bob says boats.", delay_ms=300),
        Behaviour(user="Vote for", system="Ann", text='{"reason": "Boats float.", "answer": 2}'),
        Behaviour(user="Vote for", system="Bob", text='{"reason": "Mine.", "answer": 2}'),
    )
    flow = await lab.agentflow(
        orchestration_type="consensus_building", agents=TEAM, orchestration_config={"max_rounds": 1}
    )
    execution = await lab.run(flow, message="Go.")
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.output_data == {
        "response": "Bob says boats.",
        "agent": "Bob",
        "votes": [
            {
                "ballots": [
                    {"by": "Ann", "choice": "Bob", "reason": "Boats float."},
                    {"by": "Bob", "choice": "Bob", "reason": "Mine."},
                ],
                "counts": {"Ann": 0, "Bob": 2},
                "winner": "Bob",
                "tie_broken_by": None,
            }
        ],
    }
    requests = await lab.model.requests()
    assert len(requests) == 6
    asked = {(request.system_prompt[5:8], place // 2): request for place, request in enumerate(requests)}
    for stage in (0, 1):
        first, second = asked["Ann", stage], asked["Bob", stage]
        assert first.finished_at is not None
        assert second.finished_at is not None
        assert first.arrived_at < second.finished_at
        assert second.arrived_at < first.finished_at
    critique, vote = asked["Ann", 1].last_user_message, asked["Ann", 2].last_user_message
    assert "### Your answer\nAnn says ships.\n\n### Bob\nBob says boats." in critique
    assert "### Answer 2\nBob says boats.\n\n### Answer 1\nAnn says sails." in vote
    assert "### Ann" not in vote


async def test_an_invalid_vote_is_an_abstention(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(user="Vote for|cannot be used", system="Ann", text="I like them all.", times=2),
        Behaviour(user="Vote for", system="Bob", text='{"reason": "Hers.", "answer": 1}'),
        Behaviour(system="Ann", text="Ships.", times=None),
        Behaviour(system="Bob", text="Boats.", times=None),
    )
    flow = await lab.agentflow(orchestration_type="consensus_building", agents=TEAM)
    execution = await lab.run(flow, message="Go.")
    output = execution.output_data or {}
    assert output["response"] == "Ships."
    [vote] = output["votes"] if isinstance(output["votes"], list) else []
    assert isinstance(vote, dict)
    assert vote["counts"] == {"Ann": 1, "Bob": 0}
    assert len(await lab.model.requests()) == 2 * 2 + 3


async def test_cancelling_stops_everybody_who_is_at_work(lab: Lab) -> None:
    await lab.model.script(Behaviour(hang_after_tokens=1, times=None))
    flow = await lab.agentflow(orchestration_type="consensus_building", agents=TEAM)
    execution_id = await lab.start(flow, message="Go.")
    await lab.model.wait_for_requests(2)
    await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)
    for index in (0, 1):
        await lab.model.wait_for_disconnect(index)
    execution = await lab.finish(execution_id)
    assert execution.status is ExecutionStatus.CANCELLED
    assert len(await lab.model.requests()) == 2
