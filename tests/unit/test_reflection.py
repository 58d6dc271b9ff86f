"""Reflection: draft, judge, revise."""

import pytest

from perdure.domain.flows import Agentflow, OrchestrationType
from perdure.domain.notes import DecisionMade
from perdure.domain.teams import Agent
from perdure.orchestration import work
from perdure.orchestration.reflection import pair
from perdure.orchestration.steps import StepFailedError, UndecidedError
from tests.support.scripted_steps import ScriptedSteps, gives_up
from tests.support.teams import team

WRITER, READER, THIRD = Agent(name="Writer"), Agent(name="Reader"), Agent(name="Third")
PASSES = {"changes": "", "passes": True}


def reflection(*agents: Agent, max_rounds: int = 3) -> Agentflow:
    return team(
        *agents, orchestration_type=OrchestrationType.REFLECTION, orchestration_config={"max_rounds": max_rounds}
    )


def objects(changes: str) -> dict[str, object]:
    return {"changes": changes, "passes": False}


def verdicts(steps: ScriptedSteps) -> list[tuple[str, str, bool]]:
    return [(note.by, note.choice, note.is_fallback) for note in steps.notes if isinstance(note, DecisionMade)]


async def test_a_draft_that_passes_is_the_answer() -> None:
    steps = ScriptedSteps(decisions=[PASSES])
    answer = await work(reflection(WRITER, READER, THIRD), steps)
    assert [(asked.agent, asked.question) for asked in steps.asked] == [("Writer", "")]
    assert [(decided.judge, decided.after) for decided in steps.decided] == [("Reader", ["Draft"])]
    assert verdicts(steps) == [("Reader", "passed", False)]
    assert (answer.text, answer.label) == ("Writer's answer", "Writer")


async def test_the_drafter_revises_with_draft_and_critique_until_it_passes() -> None:
    steps = ScriptedSteps({"Writer": ["v1", "v2", "v3"]}, decisions=[objects("Shorter."), objects("Funnier."), PASSES])
    answer = await work(reflection(WRITER, READER), steps)
    assert [(asked.agent, asked.after) for asked in steps.asked] == [
        ("Writer", []),
        ("Writer", ["Draft"]),
        ("Writer", ["Draft"]),
    ]
    assert "Shorter." in steps.asked[1].question
    assert "Funnier." in steps.asked[2].question
    assert "Shorter." not in steps.asked[2].question
    assert [note[1] for note in verdicts(steps)] == ["revise", "revise", "passed"]
    assert (answer.text, answer.label) == ("v3", "Writer")


async def test_after_the_last_round_the_last_revision_is_the_answer_and_it_is_said_that_it_did_not_pass() -> None:
    steps = ScriptedSteps({"Writer": ["v1", "v2", "v3"]}, decisions=[objects("a"), objects("b")])
    answer = await work(reflection(WRITER, READER, max_rounds=2), steps)
    assert answer.text == "v3"
    assert verdicts(steps) == [
        ("Reader", "revise", False),
        ("Reader", "revise", False),
        ("max_rounds", "not passed", True),
    ]


async def test_an_objection_must_say_what_to_change() -> None:
    steps = ScriptedSteps(decisions=[objects(" "), objects("Shorter."), PASSES])
    await work(reflection(WRITER, READER), steps)
    assert [note[1] for note in verdicts(steps)] == ["revise", "passed"]


async def test_a_critic_without_a_valid_verdict_leaves_the_draft_as_it_is_and_that_is_said() -> None:
    steps = ScriptedSteps(decisions=[UndecidedError("no JSON")])
    answer = await work(reflection(WRITER, READER), steps)
    assert answer.text == "Writer's answer"
    assert verdicts(steps) == [("Reader", "not judged", True)]


@pytest.mark.parametrize(
    ("agents", "drafter", "critic"),
    [
        ([WRITER, READER, Agent(name="C", capabilities=["Critique"])], "Writer", "C"),
        ([WRITER, READER, Agent(name="C", role="Literary critic.")], "Writer", "C"),
        ([Agent(name="C", role="critic"), WRITER], "Writer", "C"),
        ([WRITER, READER, THIRD], "Writer", "Reader"),
        ([Agent(name="Late", priority=2), Agent(name="Early")], "Early", "Late"),
        ([WRITER], "Writer", "Supervisor"),
        ([Agent(name="C", role="critic")], "C", "Supervisor"),
    ],
)
def test_who_drafts_and_who_judges(agents: list[Agent], drafter: str, critic: str) -> None:
    assert tuple(agent.name for agent in pair(reflection(*agents))) == (drafter, critic)


async def test_a_drafter_that_gives_up_fails_the_run_before_anybody_judges() -> None:
    steps = ScriptedSteps({"Writer": [gives_up("Writer")]})
    with pytest.raises(StepFailedError, match="Writer"):
        await work(reflection(WRITER, READER), steps)
    assert steps.decided == []
