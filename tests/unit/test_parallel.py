"""The parallel strategy: who is at work beside whom, knowing what, and what becomes of failures."""

import pytest

from perdure.domain.flows import Agentflow
from perdure.domain.notes import AgentLeftOut, DecisionMade
from perdure.domain.teams import Agent
from perdure.orchestration import work
from perdure.orchestration.steps import StepFailedError, UndecidedError
from tests.support.scripted_steps import ScriptedSteps, gives_up
from tests.support.teams import team

A, B, C = Agent(id="a", name="A"), Agent(id="b", name="B"), Agent(id="c", name="C")
D = Agent(id="d", name="D", dependencies=["A"])


def parallel(*agents: Agent, **settings: object) -> Agentflow:
    supervisor = settings.pop("supervisor_config", {})
    return team(
        *agents, orchestration_type="parallel", supervisor_config=supervisor, orchestration_config=dict(settings)
    )


async def test_independent_agents_work_at_once_and_know_nothing_of_each_other() -> None:
    steps = ScriptedSteps()
    answer = await work(parallel(A, B, C), steps)
    assert [(asked.agent, asked.task, asked.after, asked.beside) for asked in steps.asked] == [
        ("A", None, [], []),
        ("B", None, [], ["A"]),
        ("C", None, [], ["A", "B"]),
    ]
    assert answer.text == "## A\n\nA's answer\n\n## B\n\nB's answer\n\n## C\n\nC's answer"
    assert (answer.label, answer.ref) == ("Team", None)


async def test_an_agent_starts_when_exactly_those_it_depends_on_are_done() -> None:
    steps = ScriptedSteps(slow={"B": 3})
    after_both = Agent(id="e", name="E", dependencies=["b", "D"])
    await work(parallel(A, B, D, after_both), steps)
    by_name = {asked.agent: asked for asked in steps.asked}
    assert by_name["D"].after == ["A"]
    assert by_name["D"].beside == ["B"]  # no wave: B, which D does not need, is still at work
    assert by_name["E"].after == ["B", "D"]
    assert by_name["E"].beside == []


async def test_the_lower_priority_number_goes_first_when_places_are_short() -> None:
    steps = ScriptedSteps()
    late = Agent(name="Late", priority=9)
    first = Agent(name="First", priority=1)
    then = Agent(name="Then", priority=2, dependencies=["First"])
    await work(parallel(late, first, then, max_parallel=1), steps)
    assert [(asked.agent, asked.beside) for asked in steps.asked] == [("First", []), ("Then", []), ("Late", [])]


async def test_no_more_than_max_parallel_work_at_once() -> None:
    steps = ScriptedSteps()
    await work(parallel(*(Agent(name=f"{number}") for number in range(50)), max_parallel=7), steps)
    assert max(len(asked.beside) for asked in steps.asked) == 6
    assert len(steps.asked) == 50


async def test_one_final_answer_stays_as_it_is() -> None:
    steps = ScriptedSteps()
    answer = await work(parallel(A, D), steps)
    assert (answer.label, answer.text) == ("D", "D's answer")
    assert answer.ref is not None


async def test_an_enabled_supervisor_makes_the_one_answer_of_the_final_ones() -> None:
    steps = ScriptedSteps({"Supervisor": ["Both."]})
    answer = await work(parallel(A, B, D, supervisor_config={"enabled": True}), steps)
    assert (steps.asked[-1].agent, steps.asked[-1].after) == ("Supervisor", ["B", "D"])
    assert (answer.agent_id, answer.text) == ("supervisor", "Both.")


async def test_by_default_a_failure_fails_the_run_and_stops_the_others() -> None:
    steps = ScriptedSteps({"A": [gives_up("A")]}, slow={"B": 100})
    with pytest.raises(StepFailedError, match="A: the model failed"):
        await work(parallel(A, B, D), steps)
    assert [asked.agent for asked in steps.asked] == ["A", "B"]
    assert steps.stopped == ["B"]


async def test_continue_goes_on_without_it_and_says_so_to_those_who_need_it_and_in_the_output() -> None:
    steps = ScriptedSteps({"A": [gives_up("A")]})
    answer = await work(parallel(A, B, D, on_agent_failure="continue"), steps)
    by_name = {asked.agent: asked for asked in steps.asked}
    assert by_name["D"].after == ["A (no answer)"]
    assert steps.notes == [AgentLeftOut(node_id="a", node_label="A", reason="A: the model failed.")]
    assert answer.text == "## B\n\nB's answer\n\n## D\n\nD's answer\n\n(Left out, because of a failure: A.)"
    assert not steps.decided


async def test_the_supervisor_is_told_who_was_left_out_and_the_output_says_so_whatever_it_writes() -> None:
    steps = ScriptedSteps({"B": [gives_up("B")], "Supervisor": ["All."]})
    flow = parallel(A, B, on_agent_failure="continue", supervisor_config={"enabled": True})
    answer = await work(flow, steps)
    assert steps.asked[-1].after == ["A", "B (no answer)"]
    assert answer.text == "All.\n\n(Left out, because of a failure: B.)"


async def test_an_answer_that_only_a_failed_agent_needed_is_a_final_one() -> None:
    steps = ScriptedSteps({"D": [gives_up("D")]})
    answer = await work(parallel(A, D, on_agent_failure="continue"), steps)
    assert answer.text == "A's answer\n\n(Left out, because of a failure: D.)"


async def test_when_all_fail_the_run_fails() -> None:
    steps = ScriptedSteps({"A": [gives_up("A")], "B": [gives_up("B")]})
    with pytest.raises(StepFailedError, match="No agent of 'Team' gave an answer"):
        await work(parallel(A, B, on_agent_failure="continue"), steps)


async def test_the_supervisor_may_have_it_tried_again_once() -> None:
    steps = ScriptedSteps({"A": [gives_up("A"), "at last"]}, decisions=[{"choice": "retry", "reason": "It may pass."}])
    answer = await work(parallel(A, B, on_agent_failure="ask_supervisor"), steps)
    assert [asked.agent for asked in steps.asked] == ["A", "B", "A"]
    assert "at last" in answer.text
    assert "A has failed" in steps.decided[0].question.replace("The agent ", "")
    assert steps.notes == [
        DecisionMade(
            by="Supervisor",
            about="failure",
            choice="retry",
            alternatives=["go_on", "stop"],
            reason="It may pass.",
        )
    ]


async def test_a_second_retry_is_objected_to() -> None:
    steps = ScriptedSteps(
        {"A": [gives_up("A")]},
        decisions=[{"choice": "retry"}, {"choice": "retry"}, {"choice": "go_on", "reason": "Enough."}],
    )
    answer = await work(parallel(A, B, on_agent_failure="ask_supervisor"), steps)
    assert [asked.agent for asked in steps.asked] == ["A", "B", "A"]
    assert answer.text == "B's answer\n\n(Left out, because of a failure: A.)"
    choices = [note.choice for note in steps.notes if isinstance(note, DecisionMade)]
    assert choices == ["retry", "go_on"]
    assert "retry" not in steps.decided[1].question


@pytest.mark.parametrize("decision", [{"choice": "stop", "reason": "No use."}, UndecidedError("No choice.")])
async def test_stop_fails_the_run_and_so_does_a_supervisor_that_makes_no_valid_choice(
    decision: dict[str, str] | UndecidedError,
) -> None:
    steps = ScriptedSteps({"A": [gives_up("A")]}, decisions=[decision])
    with pytest.raises(StepFailedError, match="A: the model failed"):
        await work(parallel(A, B, on_agent_failure="ask_supervisor"), steps)
    note = steps.notes[0]
    assert isinstance(note, DecisionMade)
    assert (note.choice, note.is_fallback) == ("stop", isinstance(decision, UndecidedError))


async def test_the_same_team_in_sequence_is_asked_one_after_another() -> None:
    steps = ScriptedSteps()
    await work(team(A, B, C), steps)
    assert [(asked.agent, asked.beside) for asked in steps.asked] == [("A", []), ("B", []), ("C", [])]
