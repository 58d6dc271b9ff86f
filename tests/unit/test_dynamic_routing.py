"""Dynamic routing: one choice, one agent, nobody else."""

import pytest

from perdure.domain.flows import Agentflow, OrchestrationType
from perdure.domain.notes import DecisionMade
from perdure.domain.teams import Agent
from perdure.orchestration import work
from perdure.orchestration.steps import StepFailedError
from tests.support.scripted_steps import ScriptedSteps, gives_up
from tests.support.teams import team

BILLING = Agent(id="b", name="Billing", role="clerk", description="Knows invoices.", capabilities=["invoices"])
TECH = Agent(id="t", name="Tech", dependencies=["Billing"])
SALES = Agent(id="s", name="Sales")


def routing(*agents: Agent, fallback: str | None = None) -> Agentflow:
    return team(
        *agents, orchestration_type=OrchestrationType.DYNAMIC_ROUTING, supervisor_config={"fallback_agent_id": fallback}
    )


def route(agent: str) -> dict[str, str]:
    return {"agent": agent, "reason": "It fits."}


async def test_exactly_the_chosen_agent_is_asked_and_the_choice_is_noted() -> None:
    steps = ScriptedSteps(decisions=[route("Tech")])
    answer = await work(routing(BILLING, TECH, SALES), steps)
    assert [(asked.agent, asked.task, asked.after) for asked in steps.asked] == [("Tech", None, [])]
    assert answer.text == "Tech's answer"
    assert steps.notes == [
        DecisionMade(
            by="Supervisor", about="route", choice="Tech", alternatives=["Billing", "Sales"], reason="It fits."
        )
    ]


async def test_the_supervisor_is_shown_what_each_agent_is_for() -> None:
    steps = ScriptedSteps(decisions=[route("Sales")])
    await work(routing(BILLING, TECH, SALES), steps)
    [decided] = steps.decided
    assert decided.judge == "Supervisor"
    assert "- Billing: clerk – Knows invoices. – Can: invoices.\n- Tech\n- Sales" in decided.question


@pytest.mark.parametrize("said", ["tech", " Tech ", "t"])
async def test_a_name_counts_without_regard_to_case_and_so_does_an_id(said: str) -> None:
    steps = ScriptedSteps(decisions=[route(said)])
    await work(routing(BILLING, TECH), steps)
    assert [asked.agent for asked in steps.asked] == ["Tech"]


async def test_an_unknown_agent_is_objected_to_and_mended() -> None:
    steps = ScriptedSteps(decisions=[route("Nobody"), route("Tech")])
    await work(routing(BILLING, TECH), steps)
    assert [asked.agent for asked in steps.asked] == ["Tech"]


@pytest.mark.parametrize("fallback", ["s", "Sales"])
async def test_without_a_valid_choice_the_fallback_agent_is_asked(fallback: str) -> None:
    steps = ScriptedSteps(decisions=[route("Nobody"), route("Nobody")])
    await work(routing(BILLING, TECH, SALES, fallback=fallback), steps)
    assert [asked.agent for asked in steps.asked] == ["Sales"]
    [note] = steps.notes
    assert isinstance(note, DecisionMade)
    assert (note.by, note.choice, note.is_fallback) == ("fallback_agent_id", "Sales", True)
    assert "There is no agent 'Nobody'" in note.reason


@pytest.mark.parametrize("fallback", [None, "Gone"])
async def test_without_choice_and_fallback_the_run_fails_with_advice(fallback: str | None) -> None:
    steps = ScriptedSteps(decisions=[route("Nobody"), route("Nobody")])
    with pytest.raises(StepFailedError, match=r"Set supervisor_config\.fallback_agent_id"):
        await work(routing(BILLING, TECH, fallback=fallback), steps)
    assert steps.asked == []


async def test_agents_of_one_name_are_told_apart_by_id() -> None:
    twins = (Agent(id="1", name="Twin"), Agent(id="2", name="Twin"))
    steps = ScriptedSteps(decisions=[route("Twin"), route("Twin (2)")])
    answer = await work(routing(*twins), steps)
    assert answer.agent_id == "2"


async def test_the_chosen_agent_s_failure_is_the_run_s() -> None:
    steps = ScriptedSteps({"Tech": [gives_up("Tech")]}, decisions=[route("Tech")])
    with pytest.raises(StepFailedError, match="Tech"):
        await work(routing(BILLING, TECH, fallback="Billing"), steps)
    assert [asked.agent for asked in steps.asked] == ["Tech"]


async def test_a_team_of_one_needs_no_choice() -> None:
    steps = ScriptedSteps()
    await work(routing(SALES), steps)
    assert steps.decided == []
    assert [asked.agent for asked in steps.asked] == ["Sales"]
    [note] = steps.notes
    assert isinstance(note, DecisionMade)
    assert (note.by, note.choice, note.alternatives) == ("dynamic_routing", "Sales", [])
