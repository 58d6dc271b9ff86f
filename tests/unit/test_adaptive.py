"""Adaptive: size up, run the pattern that fits, judge, plan anew."""

from typing import Any

import pytest

from perdure.domain.flows import Agentflow, OrchestrationType
from perdure.domain.notes import DecisionMade
from perdure.domain.teams import Agent
from perdure.orchestration import work
from perdure.orchestration.steps import StepFailedError, UndecidedError
from tests.support.scripted_steps import ScriptedSteps, gives_up
from tests.support.teams import team

ANN, BOB = Agent(id="a", name="Ann", role="scout"), Agent(id="b", name="Bob", capabilities=["maths"])
ENOUGH = {"reason": "All is there.", "sufficient": True}
NOT_ENOUGH = {"reason": "No sources.", "sufficient": False}
NO_CHOICE = UndecidedError("no JSON")


def adaptive(*agents: Agent, **supervisor: object) -> Agentflow:
    return team(*agents, orchestration_type=OrchestrationType.ADAPTIVE, supervisor_config=supervisor)


def sized(pattern: str, agent: str = "Ann") -> dict[str, Any]:
    return {
        "complexity": "moderate",
        "capabilities": ["maths"],
        "reason": "It fits.",
        "pattern": pattern,
        "agent": agent,
    }


def decisions(steps: ScriptedSteps) -> list[tuple[str, str, bool]]:
    return [(note.about, note.choice, note.is_fallback) for note in steps.notes if isinstance(note, DecisionMade)]


async def test_single_asks_the_named_agent_alone() -> None:
    steps = ScriptedSteps(decisions=[sized("single", "Bob"), ENOUGH])
    answer = await work(adaptive(ANN, BOB), steps)
    assert [(asked.agent, asked.after) for asked in steps.asked] == [("Bob", [])]
    assert [(decided.form, decided.after) for decided in steps.decided] == [("Sizing", []), ("Review", ["Bob"])]
    assert answer.text == "Bob's answer"
    assert steps.notes == [
        DecisionMade(
            by="Supervisor",
            about="pattern",
            choice="single",
            alternatives=["sequential", "parallel", "hierarchical"],
            reason="A moderate task that needs maths. Bob does it. It fits.",
        ),
        DecisionMade(
            by="Supervisor",
            about="sufficiency",
            choice="sufficient",
            alternatives=["insufficient"],
            reason="All is there.",
        ),
    ]


async def test_sequential_asks_one_after_another() -> None:
    steps = ScriptedSteps(decisions=[sized("sequential"), ENOUGH])
    answer = await work(adaptive(ANN, BOB), steps)
    assert [(asked.agent, asked.after, asked.beside) for asked in steps.asked] == [
        ("Ann", [], []),
        ("Bob", ["Ann"], []),
    ]
    assert answer.label == "Bob"


async def test_parallel_asks_at_once() -> None:
    steps = ScriptedSteps(decisions=[sized("parallel"), ENOUGH])
    await work(adaptive(ANN, BOB), steps)
    assert [(asked.agent, asked.after, asked.beside) for asked in steps.asked[:2]] == [
        ("Ann", [], []),
        ("Bob", [], ["Ann"]),
    ]


async def test_hierarchical_lets_the_supervisor_say_who_is_next() -> None:
    steps = ScriptedSteps(decisions=[sized("hierarchical"), ENOUGH])
    await work(adaptive(ANN, BOB, decision_strategy="round_robin"), steps)
    assert [note[:2] for note in decisions(steps)][:3] == [
        ("pattern", "hierarchical"),
        ("next", "Ann"),
        ("next", "Bob"),
    ]


async def test_the_supervisor_is_shown_agents_and_patterns() -> None:
    steps = ScriptedSteps(decisions=[sized("sequential"), ENOUGH])
    await work(adaptive(ANN, BOB), steps)
    question = steps.decided[0].question
    assert "- Ann: scout\n- Bob: Can: maths." in question
    assert [line[2:].split(":")[0] for line in question.splitlines() if line.startswith("- ")] == [
        "Ann",
        "Bob",
        "single",
        "sequential",
        "parallel",
        "hierarchical",
    ]


async def test_an_insufficient_answer_is_planned_anew_by_who_knows_what_was_tried_and_why_it_did_not_do() -> None:
    steps = ScriptedSteps(decisions=[sized("single", "Ann"), NOT_ENOUGH, sized("sequential"), ENOUGH])
    answer = await work(adaptive(ANN, BOB), steps)
    assert [asked.agent for asked in steps.asked] == ["Ann", "Ann", "Bob"]
    again = steps.decided[2].question
    assert "- single: not enough. No sources." in again
    assert "- single: one agent" not in again
    assert answer.label == "Bob"
    assert decisions(steps) == [
        ("pattern", "single", False),
        ("sufficiency", "insufficient", False),
        ("pattern", "sequential", False),
        ("sufficiency", "sufficient", False),
    ]


async def test_a_pattern_that_failed_is_replaced_by_another() -> None:
    steps = ScriptedSteps({"Bob": [gives_up("Bob")]}, decisions=[sized("sequential"), sized("single", "Ann"), ENOUGH])
    answer = await work(adaptive(ANN, BOB), steps)
    assert "- sequential: failed. Bob: the model failed." in steps.decided[1].question
    assert answer.text == "Ann's answer"


async def test_a_pattern_that_was_tried_is_objected_to() -> None:
    again = sized("single", "Bob")
    steps = ScriptedSteps(decisions=[sized("single", "Ann"), NOT_ENOUGH, again, sized("sequential"), ENOUGH])
    await work(adaptive(ANN, BOB), steps)
    assert [asked.agent for asked in steps.asked] == ["Ann", "Ann", "Bob"]


async def test_after_two_new_plans_the_last_answer_is_the_run_s_and_it_is_said_that_it_does_not_do() -> None:
    plans = [sized("single", "Ann"), NOT_ENOUGH, sized("sequential"), NOT_ENOUGH, sized("parallel"), NOT_ENOUGH]
    steps = ScriptedSteps({"Ann": ["1", "2", "3"]}, decisions=plans)
    await work(adaptive(ANN, BOB), steps)
    assert [note[1] for note in decisions(steps) if note[0] == "pattern"] == ["single", "sequential", "parallel"]
    assert decisions(steps)[-1] == ("sufficiency", "insufficient", False)


async def test_an_insufficient_answer_is_better_than_a_failure() -> None:
    plans = [sized("single", "Ann"), NOT_ENOUGH, sized("sequential"), sized("parallel")]
    steps = ScriptedSteps({"Bob": [gives_up("Bob")]}, decisions=plans)
    answer = await work(adaptive(ANN, BOB), steps)
    assert answer.text == "Ann's answer"


async def test_where_every_pattern_fails_the_run_fails() -> None:
    steps = ScriptedSteps(
        {"Ann": [gives_up("Ann")], "Bob": [gives_up("Bob")]},
        decisions=[sized("single", "Ann"), sized("sequential"), sized("parallel")],
    )
    with pytest.raises(StepFailedError):
        await work(adaptive(ANN, BOB), steps)
    assert [decided.form for decided in steps.decided] == ["Sizing"] * 3


async def test_without_a_valid_first_choice_a_team_without_supervisor_works_in_sequence() -> None:
    steps = ScriptedSteps(decisions=[NO_CHOICE, ENOUGH])
    await work(adaptive(ANN, BOB), steps)
    assert [(asked.agent, asked.after) for asked in steps.asked] == [("Ann", []), ("Bob", ["Ann"])]
    assert decisions(steps)[0] == ("pattern", "sequential", True)


async def test_without_a_valid_first_choice_an_enabled_supervisor_leads() -> None:
    steps = ScriptedSteps(decisions=[NO_CHOICE, ENOUGH])
    await work(adaptive(ANN, BOB, enabled=True, decision_strategy="round_robin"), steps)
    assert decisions(steps)[:2] == [("pattern", "hierarchical", True), ("next", "Ann", False)]


@pytest.mark.parametrize("problem", [NO_CHOICE, gives_up("Supervisor")])
async def test_where_no_other_pattern_can_be_chosen_the_answer_there_is_stays(problem: Exception) -> None:
    steps = ScriptedSteps(decisions=[sized("single", "Ann"), NOT_ENOUGH, problem])
    answer = await work(adaptive(ANN, BOB), steps)
    assert answer.text == "Ann's answer"
    assert decisions(steps)[-1] == ("pattern", "none", True)


@pytest.mark.parametrize("problem", [NO_CHOICE, gives_up("Supervisor")])
async def test_an_answer_that_cannot_be_judged_stays(problem: Exception) -> None:
    steps = ScriptedSteps(decisions=[sized("single", "Ann"), problem])
    answer = await work(adaptive(ANN, BOB), steps)
    assert answer.text == "Ann's answer"
    assert decisions(steps)[-1] == ("sufficiency", "not judged", True)


async def test_a_supervisor_that_gives_up_before_anything_was_done_fails_the_run() -> None:
    steps = ScriptedSteps(decisions=[gives_up("Supervisor")])
    with pytest.raises(StepFailedError, match="Supervisor"):
        await work(adaptive(ANN, BOB), steps)
    assert steps.asked == []


async def test_a_team_of_one_has_nothing_to_choose() -> None:
    steps = ScriptedSteps()
    await work(adaptive(ANN), steps)
    assert [asked.agent for asked in steps.asked] == ["Ann"]
    assert steps.decided == []
    assert [note[:2] for note in decisions(steps)] == [("pattern", "single")]
