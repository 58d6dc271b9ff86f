"""Strategies as pure functions: who is asked, in what order, knowing what."""

import pytest

from perdure.domain.flows import Agentflow, MemoryType, OrchestrationType
from perdure.domain.generation import ModelRef
from perdure.domain.teams import Agent
from perdure.orchestration import STRATEGIES, answering_step, work
from perdure.orchestration.models import NoModelError, model_of_agent
from perdure.orchestration.prompts import system_prompt, task_of, with_context
from perdure.orchestration.steps import StepFailedError
from tests.support.scripted_steps import ScriptedSteps, gives_up
from tests.support.teams import team


async def test_sequential_asks_dependencies_first_then_by_priority_and_shows_what_came_before() -> None:
    steps = ScriptedSteps()
    flow = team(
        Agent(id="w", name="Writer", priority=1, dependencies=["Researcher"]),
        Agent(id="c", name="Critic", priority=3),
        Agent(id="r", name="Researcher", priority=2),
    )
    answer = await work(flow, steps)
    assert [(asked.agent, asked.after) for asked in steps.asked] == [
        ("Researcher", []),
        ("Writer", ["Researcher"]),
        ("Critic", ["Researcher", "Writer"]),
    ]
    assert answer.text == "Critic's answer"


async def test_sequential_stops_at_the_agent_that_gives_up() -> None:
    steps = ScriptedSteps({"A": [gives_up("A")]})
    with pytest.raises(StepFailedError, match="A"):
        await work(team(Agent(name="A"), Agent(name="B")), steps)
    assert [asked.agent for asked in steps.asked] == ["A"]


async def test_a_team_without_agents_lets_its_supervisor_answer_alone() -> None:
    steps = ScriptedSteps()
    answer = await work(team(), steps)
    assert [asked.agent for asked in steps.asked] == ["Supervisor"]
    assert answer.agent_id == "supervisor"


def test_only_types_with_code_of_their_own_can_run() -> None:
    assert set(STRATEGIES) == {
        OrchestrationType.SEQUENTIAL,
        OrchestrationType.PARALLEL,
        OrchestrationType.HIERARCHICAL,
        OrchestrationType.ADAPTIVE,
        OrchestrationType.CONSENSUS_BUILDING,
        OrchestrationType.REFLECTION,
        OrchestrationType.DYNAMIC_ROUTING,
        OrchestrationType.SWARM,
    }
    assert MemoryType.BUFFER in __import__("perdure.memory", fromlist=["MEMORIES"]).MEMORIES


OWN = Agent(name="A", llm_provider="anthropic", llm_model="claude")
NONE = Agent(name="A")
HALF = Agent(name="A", llm_provider="anthropic")
DEFAULT = ModelRef(provider="local", name="small")


@pytest.mark.parametrize(
    ("agent", "supervisor", "expected"),
    [
        (OWN, {}, "anthropic:claude"),
        (NONE, {"llm_provider": "openai", "llm_model": "gpt-4"}, "openai:gpt-4"),
        (NONE, {}, "local:small"),
    ],
)
def test_an_agent_uses_its_own_model_else_the_supervisors_else_the_default(
    agent: Agent, supervisor: dict[str, str], expected: str
) -> None:
    assert str(model_of_agent(agent, team(agent, supervisor_config=supervisor), DEFAULT)) == expected


def test_half_a_model_is_refused_instead_of_guessed() -> None:
    with pytest.raises(NoModelError, match="Agent 'A' names 'anthropic' but no llm_model"):
        model_of_agent(HALF, team(HALF), DEFAULT)
    with pytest.raises(NoModelError, match="PERDURE_LLM__DEFAULT_MODEL"):
        model_of_agent(NONE, team(NONE), None)


def test_the_task_is_the_message_or_the_whole_input() -> None:
    assert task_of({"message": "Do it.", "more": 1}) == "Do it."
    assert task_of({"topic": "ships"}) == '{"topic":"ships"}'


def test_prompts() -> None:
    assert system_prompt(Agent(name="Ann", role="editor", description="Cuts words.")) == (
        "You are Ann, editor. Cuts words."
    )
    assert system_prompt(Agent(name="Ann", system_prompt="Be brief.")) == "Be brief."
    assert with_context("Task", []) == "Task"
    assert with_context("Task", [("Ann", "Hello")]).endswith("### Ann\nHello")


@pytest.mark.parametrize(
    ("flow", "step"),
    [
        (team(), "supervisor"),
        (team(Agent(id="a", name="A")), "a"),
        (team(Agent(id="b", name="B", dependencies=["A"]), Agent(id="a", name="A")), "b"),
        (team(Agent(id="a", name="A", output_schema={"type": "object"})), None),
        (team(Agent(id="a", name="A", tools=["http_request"])), None),
        (team(Agent(id="a", name="A"), orchestration_type=OrchestrationType.PARALLEL), None),
    ],
)
def test_whose_words_are_the_answer_is_known_before_the_run_or_not(flow: Agentflow, step: str | None) -> None:
    assert answering_step(flow) == step
