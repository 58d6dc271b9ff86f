"""The hierarchical strategy: what the supervisor decides, who is asked then, and how it ends."""

from typing import Any

import pytest

from perdure.domain.flows import Agentflow
from perdure.domain.notes import AgentLeftOut, DecisionMade
from perdure.domain.teams import Agent
from perdure.orchestration import work
from perdure.orchestration.delegation import NextStep
from perdure.orchestration.steps import StepFailedError, UndecidedError
from tests.support.scripted_steps import ScriptedSteps, gives_up
from tests.support.teams import team

WRITER = Agent(id="w", name="Writer", priority=2, role="writes", dependencies=["Critic"])
SCOUT = Agent(id="s", name="Scout", priority=3, capabilities=["facts"])
CRITIC = Agent(id="c", name="Critic", priority=1)


def hierarchical(**supervisor: object) -> Agentflow:
    orchestration = supervisor.pop("orchestration_config", {})
    return team(
        WRITER,
        SCOUT,
        CRITIC,
        orchestration_type="hierarchical",
        supervisor_config=supervisor,
        orchestration_config=orchestration,
    )


def gives(action: str, *tasks: tuple[str, str], answer: str = "") -> dict[str, Any]:
    assignments = [{"agent": agent, "task": task} for agent, task in tasks]
    return {"reason": f"To {action}.", "action": action, "assignments": assignments, "answer": answer}


def chosen(steps: ScriptedSteps) -> list[tuple[str, str]]:
    return [(note.by, note.choice) for note in steps.notes if isinstance(note, DecisionMade)]


async def test_the_supervisor_delegates_reads_results_and_finishes_with_its_answer() -> None:
    steps = ScriptedSteps(
        decisions=[
            gives("delegate", ("Scout", "Find facts."), ("Critic", "List doubts.")),
            gives("delegate", ("writer", "Write it.")),
            gives("finish", answer="Done."),
        ]
    )
    answer = await work(hierarchical(), steps)
    assert [(asked.agent, asked.task, asked.after, asked.beside) for asked in steps.asked] == [
        ("Critic", "List doubts.", [], []),  # both at once, the lower priority number first
        ("Scout", "Find facts.", [], ["Critic"]),
        ("Writer", "Write it.", ["Scout: Find facts.", "Critic: List doubts."], []),
    ]
    assert [decided.after for decided in steps.decided] == [
        [],
        ["Scout: Find facts.", "Critic: List doubts."],
        ["Scout: Find facts.", "Critic: List doubts.", "Writer: Write it."],
    ]
    assert {decided.judge for decided in steps.decided} == {"Supervisor"}
    assert (answer.label, answer.text, answer.ref) == ("Supervisor", "Done.", None)
    assert chosen(steps) == [
        ("Supervisor", "delegate: Scout, Critic"),
        ("Supervisor", "delegate: Writer"),
        ("Supervisor", "finish"),
    ]
    first = steps.notes[0]
    assert isinstance(first, DecisionMade)
    assert (first.reason, first.alternatives) == ("To delegate.", ["Writer", "finish"])


async def test_mending_shows_an_agent_its_own_former_answer_and_replaces_it() -> None:
    steps = ScriptedSteps(
        {"Writer": ["draft", "better"]},
        decisions=[
            gives("delegate", ("Writer", "Write it."), ("Scout", "Find facts.")),
            gives("mend", ("Writer", "Too long.")),
            gives("finish"),
        ],
    )
    await work(hierarchical(), steps)
    mended = steps.asked[2]
    assert (mended.agent, mended.after) == ("Writer", ["Writer"])
    assert mended.task is not None
    assert mended.task.startswith("Write it.")
    assert "Too long." in mended.task
    assert steps.asked[3].agent == "Supervisor"  # no answer came with the decision: it is written now
    assert steps.asked[3].after == ["Writer: Write it.", "Scout: Find facts."]
    assert "- mend:" not in steps.decided[0].question
    assert "- mend:" in steps.decided[1].question


async def test_at_max_iterations_the_supervisor_must_finish_with_what_it_has() -> None:
    again = gives("delegate", ("Scout", "More."))
    steps = ScriptedSteps({"Supervisor": ["What I have."]}, decisions=[again, again])
    answer = await work(hierarchical(max_iterations=2), steps)
    assert [asked.agent for asked in steps.asked] == ["Scout", "Scout", "Supervisor"]
    assert answer.text == "What I have."
    assert chosen(steps)[-1] == ("max_iterations", "finish")
    assert "1 more times" in steps.decided[0].question
    assert "your last decision" in steps.decided[1].question


@pytest.mark.parametrize(
    "wrong",
    [
        gives("delegate", ("Nobody", "Go.")),
        gives("delegate"),
        gives("delegate", ("Scout", " ")),
        gives("mend", ("Scout", "Better.")),
    ],
)
async def test_a_wrong_decision_is_objected_to(wrong: dict[str, Any]) -> None:
    steps = ScriptedSteps(decisions=[wrong, gives("finish", answer="Done.")])
    assert (await work(hierarchical(), steps)).text == "Done."
    assert not steps.asked


async def test_one_agent_is_not_asked_to_mend_two_things_at_once() -> None:
    steps = ScriptedSteps(
        decisions=[
            gives("delegate", ("Scout", "Go.")),
            gives("mend", ("Scout", "A."), ("Scout", "B.")),
            gives("finish", answer="Done."),
        ]
    )
    await work(hierarchical(), steps)
    assert chosen(steps) == [("Supervisor", "delegate: Scout"), ("Supervisor", "finish")]


async def test_without_a_valid_decision_the_fallback_finishes_knowing_what_was_done() -> None:
    steps = ScriptedSteps(decisions=[gives("delegate", ("Scout", "Find.")), UndecidedError("No valid choice.")])
    answer = await work(hierarchical(fallback_agent_id="Writer"), steps)
    assert (steps.asked[-1].agent, steps.asked[-1].task, steps.asked[-1].after) == ("Writer", None, ["Scout: Find."])
    assert answer.agent_id == "w"
    note = steps.notes[-1]
    assert isinstance(note, DecisionMade)
    assert (note.choice, note.is_fallback, note.reason) == ("Writer", True, "No valid choice.")


async def test_without_a_fallback_the_run_fails_with_advice() -> None:
    with pytest.raises(StepFailedError, match="fallback_agent_id"):
        await work(hierarchical(), ScriptedSteps(decisions=[UndecidedError("No valid choice.")]))


async def test_a_delegation_that_fails_fails_the_run_or_is_left_out() -> None:
    decisions = [gives("delegate", ("Scout", "Find."), ("Critic", "Doubt.")), gives("finish", answer="Done.")]
    with pytest.raises(StepFailedError, match="Scout"):
        await work(hierarchical(), ScriptedSteps({"Scout": [gives_up("Scout")]}, decisions=decisions))
    steps = ScriptedSteps({"Scout": [gives_up("Scout")]}, decisions=decisions)
    answer = await work(hierarchical(orchestration_config={"on_agent_failure": "continue"}), steps)
    assert steps.decided[1].after == ["Scout (no answer)", "Critic: Doubt."]
    assert answer.text == "Done.\n\n(Left out, because of a failure: Scout.)"
    assert [type(note) for note in steps.notes] == [DecisionMade, AgentLeftOut, DecisionMade]


async def test_work_that_cannot_be_mended_stays_as_it_was() -> None:
    steps = ScriptedSteps(
        {"Scout": ["facts", gives_up("Scout")]},
        decisions=[gives("delegate", ("Scout", "Find.")), gives("mend", ("Scout", "More.")), gives("finish")],
    )
    answer = await work(hierarchical(orchestration_config={"on_agent_failure": "continue"}), steps)
    assert steps.asked[-1].after == ["Scout: Find."]
    assert answer.text == "Supervisor's answer"


async def test_round_robin_asks_every_agent_once_in_the_order_of_the_flow() -> None:
    steps = ScriptedSteps()
    answer = await work(hierarchical(decision_strategy="round_robin"), steps)
    assert [(asked.agent, asked.task, asked.after) for asked in steps.asked] == [
        ("Scout", None, []),  # the writer stands first, but waits for the critic
        ("Critic", None, ["Scout"]),
        ("Writer", None, ["Scout", "Critic"]),
    ]
    assert answer.label == "Writer"
    assert chosen(steps) == [("round_robin", "Scout"), ("round_robin", "Critic"), ("round_robin", "Writer")]
    assert [note.alternatives for note in steps.notes if isinstance(note, DecisionMade)] == [
        ["Writer", "Critic"],
        ["Writer"],
        [],
    ]
    assert not steps.decided


async def test_priority_asks_the_lowest_number_first() -> None:
    steps = ScriptedSteps()
    await work(hierarchical(decision_strategy="priority"), steps)
    assert [(asked.agent, asked.after) for asked in steps.asked] == [
        ("Critic", []),
        ("Writer", ["Critic"]),
        ("Scout", ["Critic", "Writer"]),
    ]
    assert chosen(steps)[0] == ("priority", "Critic")


async def test_rule_based_asks_the_one_agent_that_fits_the_task() -> None:
    steps = ScriptedSteps(task="Give me FACTS.")
    answer = await work(hierarchical(decision_strategy="rule_based"), steps)
    assert [(asked.agent, asked.task, asked.after) for asked in steps.asked] == [("Scout", None, [])]
    assert answer.label == "Scout"
    assert chosen(steps) == [("rule_based", "Scout")]


@pytest.mark.parametrize("strategy", ["round_robin", "priority", "rule_based"])
async def test_an_enabled_supervisor_makes_the_final_answer(strategy: str) -> None:
    steps = ScriptedSteps()
    answer = await work(hierarchical(decision_strategy=strategy, enabled=True), steps)
    assert steps.asked[-1].agent == "Supervisor"
    assert steps.asked[-1].after == [asked.agent for asked in steps.asked[:-1]]
    assert answer.label == "Supervisor"


async def test_max_iterations_bounds_how_many_are_asked_in_turn() -> None:
    steps = ScriptedSteps()
    await work(hierarchical(decision_strategy="round_robin", max_iterations=2), steps)
    assert [asked.agent for asked in steps.asked] == ["Scout", "Critic"]
    last = steps.notes[-1]
    assert isinstance(last, DecisionMade)
    assert (last.by, last.choice, last.alternatives) == ("max_iterations", "finish", ["Writer"])


async def test_in_turn_the_next_is_told_who_was_left_out_and_nobody_left_fails_the_run() -> None:
    settings: dict[str, Any] = {
        "decision_strategy": "priority",
        "orchestration_config": {"on_agent_failure": "continue"},
    }
    steps = ScriptedSteps({"Critic": [gives_up("Critic")]})
    answer = await work(hierarchical(**settings), steps)
    assert steps.asked[1].after == ["Critic (no answer)"]
    assert answer.text.endswith("(Left out, because of a failure: Critic.)")
    nobody = ScriptedSteps({name: [gives_up(name)] for name in ("Critic", "Writer", "Scout")})
    with pytest.raises(StepFailedError, match="No agent of 'Team'"):
        await work(hierarchical(**settings), nobody)


def test_the_form_suits_strict_structured_output() -> None:
    schema = NextStep.model_json_schema()
    assert schema["required"] == ["reason", "action", "assignments", "answer"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Assignment"]["additionalProperties"] is False
    assert "default" not in str(schema)
    assert "anyOf" not in str(schema)
    read = NextStep.model_validate_json('{"action": "finish", "mood": "good"}')
    assert (read.assignments, read.answer) == ([], "")
