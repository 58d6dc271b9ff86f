"""Consensus: independent answers, critique, a vote that is counted."""

import pytest

from perdure.domain.flows import Agentflow, OrchestrationType
from perdure.domain.notes import VotesCounted
from perdure.domain.teams import Agent
from perdure.orchestration import work
from perdure.orchestration.steps import StepFailedError, UndecidedError
from tests.support.scripted_steps import ScriptedSteps, gives_up
from tests.support.teams import team

ANN, BOB, CYD = Agent(name="Ann"), Agent(name="Bob", dependencies=["Ann"]), Agent(name="Cyd")


def consensus(*agents: Agent, max_rounds: int = 1) -> Agentflow:
    return team(
        *agents,
        orchestration_type=OrchestrationType.CONSENSUS_BUILDING,
        orchestration_config={"max_rounds": max_rounds},
    )


def votes(*numbers: int) -> list[dict[str, object]]:
    return [{"answer": number, "reason": f"{number} is best."} for number in numbers]


def counted(steps: ScriptedSteps) -> VotesCounted:
    [note] = steps.notes
    assert isinstance(note, VotesCounted)
    return note


async def test_everybody_answers_at_once_without_seeing_the_others_whatever_depends_on_what() -> None:
    steps = ScriptedSteps(decisions=votes(1, 1, 1))
    await work(consensus(ANN, BOB, CYD), steps)
    first = steps.asked[:3]
    assert [(asked.agent, asked.after, asked.beside, asked.question) for asked in first] == [
        ("Ann", [], [], ""),
        ("Bob", [], ["Ann"], ""),
        ("Cyd", [], ["Ann", "Bob"], ""),
    ]


async def test_then_everybody_reads_all_answers_and_revises_at_once() -> None:
    steps = ScriptedSteps(decisions=votes(1, 1, 1))
    await work(consensus(ANN, BOB, CYD), steps)
    second = steps.asked[3:]
    assert [(asked.agent, asked.after, asked.beside) for asked in second] == [
        ("Ann", ["Your answer", "Bob", "Cyd"], []),
        ("Bob", ["Your answer", "Ann", "Cyd"], ["Ann"]),
        ("Cyd", ["Your answer", "Ann", "Bob"], ["Ann", "Bob"]),
    ]
    assert all("write your answer anew" in asked.question for asked in second)


async def test_there_are_as_many_rounds_as_set_while_answers_change() -> None:
    steps = ScriptedSteps({"Ann": ["1", "2", "3", "4"]}, decisions=votes(1, 1))
    answer = await work(consensus(ANN, BOB, max_rounds=3), steps)
    assert len(steps.asked) == 2 * 4
    assert answer.text == "4"


async def test_a_round_that_changes_nothing_is_the_last() -> None:
    steps = ScriptedSteps({"Ann": ["1", "2", "2 \n"]}, decisions=votes(1, 1))
    await work(consensus(ANN, BOB, max_rounds=9), steps)
    assert len(steps.asked) == 2 * 3


async def test_the_vote_is_about_numbered_answers_each_voter_s_own_last_and_is_kept() -> None:
    steps = ScriptedSteps(decisions=votes(2, 3, 2))
    answer = await work(consensus(ANN, BOB, CYD), steps)
    assert [(decided.judge, decided.after) for decided in steps.decided] == [
        ("Ann", ["Answer 2", "Answer 3", "Answer 1"]),
        ("Bob", ["Answer 3", "Answer 1", "Answer 2"]),
        ("Cyd", ["Answer 1", "Answer 2", "Answer 3"]),
    ]
    vote = counted(steps)
    assert [(ballot.by, ballot.choice, ballot.reason) for ballot in vote.ballots] == [
        ("Ann", "Bob", "2 is best."),
        ("Bob", "Cyd", "3 is best."),
        ("Cyd", "Bob", "2 is best."),
    ]
    assert (vote.counts, vote.winner, vote.tie_broken_by) == ({"Ann": 0, "Bob": 2, "Cyd": 1}, "Bob", None)
    assert (answer.text, answer.label) == ("Bob's answer", "Bob")


async def test_between_equals_the_first_in_order_wins() -> None:
    steps = ScriptedSteps(decisions=votes(2, 1))
    answer = await work(consensus(ANN, BOB), steps)
    vote = counted(steps)
    assert (vote.counts, vote.winner, vote.tie_broken_by) == ({"Ann": 1, "Bob": 1}, "Ann", "order")
    assert answer.label == "Ann"


async def test_between_equals_priority_goes_before_order() -> None:
    steps = ScriptedSteps(decisions=votes(1, 2))
    await work(consensus(Agent(name="Ann", priority=5), Agent(name="Bob", priority=2)), steps)
    vote = counted(steps)
    assert (list(vote.counts), vote.winner, vote.tie_broken_by) == (["Bob", "Ann"], "Bob", "priority")


async def test_an_invalid_vote_and_a_voter_that_gives_up_are_abstentions() -> None:
    steps = ScriptedSteps(decisions=[UndecidedError("no JSON"), gives_up("Bob"), *votes(3)])
    answer = await work(consensus(ANN, BOB, CYD), steps)
    vote = counted(steps)
    assert [(ballot.by, ballot.choice) for ballot in vote.ballots] == [
        ("Ann", "abstention"),
        ("Bob", "abstention"),
        ("Cyd", "Cyd"),
    ]
    assert vote.ballots[0].reason == "no JSON"
    assert vote.counts == {"Ann": 0, "Bob": 0, "Cyd": 1}
    assert answer.label == "Cyd"


async def test_a_number_that_no_answer_has_is_mended() -> None:
    steps = ScriptedSteps(decisions=votes(0, 2, 2))
    await work(consensus(ANN, Agent(name="Bob")), steps)
    assert counted(steps).counts == {"Ann": 0, "Bob": 2}


async def test_where_nobody_votes_the_first_wins() -> None:
    steps = ScriptedSteps()
    answer = await work(consensus(ANN, BOB), steps)
    assert (counted(steps).winner, counted(steps).tie_broken_by) == ("Ann", "order")
    assert answer.label == "Ann"


async def test_agents_of_one_name_are_counted_apart() -> None:
    steps = ScriptedSteps(decisions=votes(2, 2))
    answer = await work(consensus(Agent(id="1", name="Twin"), Agent(id="2", name="Twin")), steps)
    assert counted(steps).counts == {"Twin (1)": 0, "Twin (2)": 2}
    assert answer.agent_id == "2"


async def test_an_agent_that_gives_up_fails_the_run() -> None:
    steps = ScriptedSteps({"Bob": [gives_up("Bob")]})
    with pytest.raises(StepFailedError, match="Bob"):
        await work(consensus(ANN, BOB), steps)
    assert steps.decided == []


async def test_a_team_of_one_answers_without_critique_and_vote() -> None:
    steps = ScriptedSteps()
    answer = await work(consensus(ANN), steps)
    assert len(steps.asked) == 1
    assert steps.decided == []
    assert steps.notes == []
    assert answer.text == "Ann's answer"
