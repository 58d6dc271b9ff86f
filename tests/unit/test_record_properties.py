"""What holds of every event and of every run's events, whatever they say."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from perdure.domain.events import Event
from perdure.domain.vocabulary import CHANGE_EVENTS, EXECUTION_EVENTS, event_schema, typed
from perdure.record.fold import counting
from tests.support.generated import instances
from tests.support.generated_runs import MadeRun, made_runs
from tests.support.state_rules import check_folding_on, check_states, states_of

AT = datetime(2026, 11, 26, tzinfo=UTC)
SCHEMA = Draft202012Validator(event_schema())
MEMBERS: list[type[BaseModel]] = [*EXECUTION_EVENTS.values(), *CHANGE_EVENTS.values()]
ONCE = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])


def _envelope(data: BaseModel) -> Event:
    return Event(
        aggregate_id="a",
        aggregate_type=getattr(data, "aggregate_type", "Execution"),
        event_type=str(getattr(data, "type")),  # noqa: B009 - every member has one; their common type does not say so
        event_data=data.model_dump(mode="json", exclude={"type"}),
        user_id=7,
        metadata={"run_id": "r", "history_event_id": 5},
        timestamp=AT,
        version=1,
    )


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.__name__)
def test_every_event_survives_its_way_to_a_client_and_back(member: type[BaseModel]) -> None:
    @ONCE
    @given(instances(member))
    def holds(data: BaseModel) -> None:
        sent = _envelope(data).model_dump_json()
        received = Event.model_validate_json(sent)
        assert SCHEMA.is_valid(received.model_dump(mode="json"))  # pyright: ignore[reportUnknownMemberType] - its own types are partial
        assert typed(received) == data
        assert received.model_dump_json() == sent

    holds()


@given(made_runs())
@settings(deadline=None, max_examples=40)
def test_every_prefix_of_a_run_is_a_valid_state_and_what_is_done_stays_done(run: MadeRun) -> None:
    check_states(run.events)


@given(made_runs())
@settings(deadline=None, max_examples=10)
def test_folding_on_is_folding_from_the_beginning(run: MadeRun) -> None:
    check_folding_on(run.events)


@given(made_runs())
@settings(deadline=None, max_examples=40)
def test_a_state_over_resets_is_that_of_the_events_that_count(run: MadeRun) -> None:
    assert counting(run.events) == run.counting
    as_one_run = [event.model_copy(update={"run_id": "r"}) for event in run.counting]
    told, plain = states_of(run.events)[-1], states_of(as_one_run)[-1]
    last = {"version", "timestamp"}
    assert told.model_dump(exclude=last) == plain.model_dump(exclude=last)
