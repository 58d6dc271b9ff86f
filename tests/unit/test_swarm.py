"""Swarm: agents hand over to each other, up to a limit."""

from perdure.domain.flows import Agentflow, OrchestrationType
from perdure.domain.notes import HandedOver
from perdure.domain.teams import Agent
from perdure.orchestration import work
from perdure.orchestration.steps import Handoff
from tests.support.scripted_steps import ScriptedSteps
from tests.support.teams import team

ANN, BOB, CYD = Agent(id="a", name="Ann"), Agent(id="b", name="Bob"), Agent(id="c", name="Cyd")
TO_BOB, TO_CYD, TO_ANN = (Handoff(to=to, reason=f"{to} knows better.") for to in "bca")


def swarm(*agents: Agent, max_handoffs: int = 10) -> Agentflow:
    return team(
        *agents, orchestration_type=OrchestrationType.SWARM, orchestration_config={"max_handoffs": max_handoffs}
    )


async def test_who_does_not_hand_over_has_the_answer_and_nobody_else_is_asked() -> None:
    steps = ScriptedSteps()
    answer = await work(swarm(BOB, ANN, CYD), steps)
    [asked] = steps.asked
    assert (asked.agent, asked.may_hand_over_to, asked.question) == ("Bob", ["Ann", "Cyd"], "")
    assert answer.text == "Bob's answer"
    assert steps.notes == []


async def test_it_begins_with_the_first_in_sequence() -> None:
    steps = ScriptedSteps()
    await work(swarm(Agent(name="Late", dependencies=["Early"]), Agent(name="Early", priority=9)), steps)
    assert [asked.agent for asked in steps.asked] == ["Early"]


async def test_the_work_goes_where_the_agents_send_it_even_back() -> None:
    steps = ScriptedSteps({"Ann": [TO_CYD, "Done."], "Cyd": [TO_ANN]})
    answer = await work(swarm(ANN, BOB, CYD), steps)
    assert [asked.agent for asked in steps.asked] == ["Ann", "Cyd", "Ann"]
    assert [asked.may_hand_over_to for asked in steps.asked] == [["Bob", "Cyd"], ["Ann", "Bob"], ["Bob", "Cyd"]]
    assert all(asked.beside == [] for asked in steps.asked)
    assert answer.text == "Done."
    assert steps.notes == [
        HandedOver(from_agent="Ann", to_agent="Cyd", reason="c knows better.", hop=1),
        HandedOver(from_agent="Cyd", to_agent="Ann", reason="a knows better.", hop=2),
    ]


async def test_the_next_agent_reads_why_it_has_the_task_and_what_was_said() -> None:
    steps = ScriptedSteps({"Ann": [("Half of it.", Handoff(to="b", reason="Needs numbers."))]})
    await work(swarm(ANN, BOB), steps)
    second = steps.asked[1]
    assert second.after == ["Ann"]
    assert "Ann gave it to Bob: Needs numbers." in second.question


async def test_a_handoff_without_words_leaves_no_empty_answer_behind() -> None:
    steps = ScriptedSteps({"Ann": [TO_BOB]})
    await work(swarm(ANN, BOB), steps)
    assert steps.asked[1].after == []


async def test_after_the_limit_the_agent_that_has_it_must_answer_and_is_told_so() -> None:
    steps = ScriptedSteps({"Ann": [TO_BOB], "Bob": [TO_CYD], "Cyd": ["I must."]})
    answer = await work(swarm(ANN, BOB, CYD, max_handoffs=2), steps)
    assert [asked.may_hand_over_to for asked in steps.asked] == [["Bob", "Cyd"], ["Ann", "Cyd"], []]
    assert ["cannot be handed over any more" in asked.question for asked in steps.asked] == [False, False, True]
    assert answer.text == "I must."


async def test_a_team_of_one_has_nobody_to_hand_over_to() -> None:
    steps = ScriptedSteps()
    await work(swarm(ANN), steps)
    [asked] = steps.asked
    assert (asked.may_hand_over_to, asked.question) == ([], "")
