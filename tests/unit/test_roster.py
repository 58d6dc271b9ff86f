"""Forms that models can be held to, and what the agents of a team are called."""

import pytest
from pydantic import BaseModel

from perdure.domain.teams import Agent
from perdure.orchestration.adaptive import Review, Sizing
from perdure.orchestration.consensus_building import Vote
from perdure.orchestration.dynamic_routing import Route
from perdure.orchestration.forms import limited
from perdure.orchestration.reflection import Verdict
from perdure.orchestration.roster import LINE_CHARACTERS, find, listing, names_of


@pytest.mark.parametrize("form", [Review, Sizing, Vote, Route, Verdict, limited(Route, {"agent": ["A"]})])
def test_strict_schemas_take_every_form(form: type[BaseModel]) -> None:
    schema = form.model_json_schema()
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"])
    assert "$defs" not in schema
    for field in schema["properties"].values():
        assert field["type"] in {"string", "boolean", "array"}
        assert field["description"]
        assert "default" not in field


def test_a_limited_form_has_the_options_in_its_schema_and_reads_what_it_is_given() -> None:
    form = limited(Route, {"agent": ["Ann", "Bob"]})
    schema = form.model_json_schema()
    assert schema["properties"]["agent"]["enum"] == ["Ann", "Bob"]
    assert list(schema["properties"]) == ["reason", "agent"]
    assert schema["description"] == Route.__doc__
    assert form(reason="", agent="Nobody").agent == "Nobody"


def test_fields_that_nobody_asked_for_are_passed_over() -> None:
    assert Route.model_validate({"reason": "r", "agent": "a", "confidence": 1}).agent == "a"


@pytest.mark.parametrize(("said", "label"), [(2, "Answer 2"), (" 2 ", "Answer 2"), ("Answer 2", "Answer 2")])
def test_a_vote_is_a_label_or_its_number(said: object, label: str) -> None:
    assert Vote.model_validate({"reason": "", "answer": said}).label == label


def test_agents_are_found_by_id_and_by_a_name_that_is_theirs_alone() -> None:
    agents = [Agent(id="1", name="Twin"), Agent(id="2", name="Twin"), Agent(id="3", name="Ann")]
    assert names_of(agents) == {"1": "Twin (1)", "2": "Twin (2)", "3": "Ann"}
    assert find("ann ", agents) == agents[2]
    assert find("2", agents) == agents[1]
    assert find("twin (1)", agents) == agents[0]
    assert find("Twin", agents) is None


def test_the_roster_has_a_short_line_for_each_agent() -> None:
    lines = listing([Agent(name="Ann", description="word\n" * 1000), Agent(name="Bob")]).splitlines()
    assert len(lines) == 2
    assert len(lines[0]) == LINE_CHARACTERS + 1
    assert lines[1] == "- Bob"
