"""How a supervisor chooses without a model, and what it is told."""

import pytest

from perdure.domain.flows import Agentflow
from perdure.domain.generation import ModelRef
from perdure.domain.teams import Agent
from perdure.orchestration import supervisor
from perdure.orchestration.models import model_of_agent
from perdure.orchestration.steps import Answer, StepFailedError
from tests.support.teams import team

BILLING = Agent(id="b", name="Billing", priority=3, capabilities=["invoice", "refund"])
TECH = Agent(id="t", name="Tech", priority=2, capabilities=["error", "log in"], role="fixes things")
FRONT = Agent(id="f", name="Front", priority=1)


def desk(**config: object) -> Agentflow:
    return team(BILLING, TECH, FRONT, supervisor_config=config, description="Helps customers.")


@pytest.mark.parametrize(
    ("task", "agent", "reason"),
    [
        ("I want a REFUND.", "Billing", "refund"),
        ("An error on the invoice, and no refund", "Billing", "invoice, refund"),
        ("I get an error on the invoice", "Tech", "error"),
        ("I cannot log  in", "Tech", "log in"),
    ],
)
def test_capabilities_are_matched_with_the_words_of_the_task(task: str, agent: str, reason: str) -> None:
    choice = supervisor.by_rules(desk(), task)
    assert choice.agent.name == agent
    assert choice.reason.endswith(f": {reason}.")
    assert not choice.is_fallback


def test_rules_go_before_capabilities_and_the_first_that_fits_counts() -> None:
    rules = [
        {"when": ["lawyer", "court"], "agent": "f"},
        {"when": ["Refund"], "agent": "Tech"},
        {"when": ["refund"], "agent": "Billing"},
    ]
    choice = supervisor.by_rules(desk(rules=rules), "A refund, please.")
    assert (choice.agent.name, choice.reason) == ("Tech", "Rule 2: the task has 'Refund'.")
    assert supervisor.by_rules(desk(rules=rules), "See you in court, refund!").agent.name == "Front"


@pytest.mark.parametrize(
    ("word", "task", "fits"),
    [
        ("art", "a party", False),
        ("art", "Art.", True),
        ("번역", "이 글을 번역해 주세요", True),
        ("c++", "My C++ code", True),
        ("log", "log_in", False),
        (" ", "any task", False),
    ],
)
def test_words_stand_in_a_task_as_words(word: str, task: str, fits: bool) -> None:
    flow = desk(rules=[{"when": [word], "agent": "Tech"}])
    assert (supervisor.by_rules(flow, task).agent.name == "Tech") is fits


def test_where_nothing_fits_the_fallback_is_asked_else_the_first_by_priority() -> None:
    named = supervisor.by_rules(desk(fallback_agent_id="tech"), "Hello")
    assert (named.agent.name, named.is_fallback) == ("Tech", True)
    first = supervisor.by_rules(desk(), "Hello")
    assert (first.agent.name, first.is_fallback) == ("Front", True)


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        ({"fallback_agent_id": "Gone"}, "supervisor_config.fallback_agent_id"),
        ({"rules": [{"when": ["hello"], "agent": "Gone"}]}, "rule 1 of supervisor_config.rules"),
    ],
)
def test_a_setting_that_names_nobody_fails_with_its_name(config: dict[str, object], setting: str) -> None:
    with pytest.raises(StepFailedError, match=f"'Gone' in {setting}"):
        supervisor.by_rules(desk(**config), "Hello")


def test_turns_go_by_the_order_of_the_flow_and_priority_by_the_number() -> None:
    assert [choice.agent.name for choice in supervisor.by_turn(desk())] == ["Billing", "Tech", "Front"]
    assert [choice.agent.name for choice in supervisor.by_priority(desk())] == ["Front", "Tech", "Billing"]
    assert [choice.agent.priority for choice in supervisor.by_turn(desk())] == [3, 2, 1]


def test_an_agent_is_found_by_id_before_name_before_other_case() -> None:
    agents = [Agent(id="B", name="A"), Agent(id="x", name="B"), Agent(id="y", name="b")]
    assert [getattr(supervisor.find(agents, said), "id", None) for said in ("B", "b", " a ", "c")] == [
        "B",
        "y",
        "B",
        None,
    ]


def test_what_the_supervisor_is_told() -> None:
    flow = desk(llm_provider="openai", llm_model="large")
    judge = supervisor.judge(flow)
    assert judge.system_prompt == (
        "You are the supervisor of the team 'Team'. Helps customers. "
        "You decide what the team does next. Your agents do the work."
    )
    assert model_of_agent(judge, flow, None) == ModelRef(provider="openai", name="large")
    assert supervisor.roster(flow.agents) == (
        "- Billing: no description. Good at: invoice, refund.\n"
        "- Tech: fixes things. Good at: error, log in.\n"
        "- Front: no description."
    )


def test_an_answer_names_who_was_left_out() -> None:
    answer = Answer(agent_id="a", label="A", text="Done.")
    assert supervisor.naming([], answer) is answer
    assert supervisor.naming([BILLING, TECH], answer).text == (
        "Done.\n\n(Left out, because of a failure: Billing, Tech.)"
    )
