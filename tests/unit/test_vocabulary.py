"""One vocabulary for all events: every type has its schema, and nothing that Temporal may record breaks the mapping."""

from datetime import UTC, datetime

import pytest
from jsonschema import Draft202012Validator, validate
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from perdure.domain.events import CancelRequested, Event, ExecutionEvent
from perdure.domain.vocabulary import CHANGE_EVENTS, EXECUTION_EVENTS, event_schema, typed
from perdure.record.changes import fold_changes
from perdure.record.mapping import to_events
from perdure.record.reading import Recorded
from tests.contracts.checkout import ROOT

AT = datetime(2026, 11, 25, tzinfo=UTC)


def change(version: int, event_type: str, **data: object) -> Event:
    return Event.model_validate(
        {
            "aggregate_id": "7",
            "aggregate_type": "User",
            "event_type": event_type,
            "event_data": data,
            "user_id": 7,
            "metadata": {},
            "timestamp": AT,
            "version": version,
        }
    )


def test_every_type_has_a_branch_of_the_schema() -> None:
    schema = event_schema()
    Draft202012Validator.check_schema(schema)
    branches = schema["oneOf"]
    assert isinstance(branches, list)
    assert {str(branch["title"]) for branch in branches if isinstance(branch, dict)} == {
        *EXECUTION_EVENTS,
        *CHANGE_EVENTS,
    }


def test_an_event_fits_the_schema_and_comes_back_from_its_envelope() -> None:
    event = ExecutionEvent(version=1, timestamp=AT, run_id="r", history_event_id=5, data=CancelRequested(reason="no"))
    envelope = event.to_event("e", 7)
    validate(envelope.model_dump(mode="json"), event_schema(), Draft202012Validator)
    assert ExecutionEvent.of(envelope) == event
    assert typed(envelope) == event.data


@pytest.mark.parametrize("number", [*EventType.values(), 9_999])
def test_no_kind_of_history_event_breaks_the_mapping(number: int) -> None:
    event = HistoryEvent(event_id=1)
    # As a newer server would send it.
    event.MergeFromString(b"\x18" + _varint(number))
    assert len(to_events([Recorded(event)], "run")) <= 1


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + _varint(number // 128)


def test_any_prefix_of_a_user_s_events_is_a_state() -> None:
    events = [
        change(1, "UserCreated", email="ada@example.com"),
        change(2, "ApiKeyCreated", api_key_id="k", name="CI"),
        change(3, "SomethingOfTomorrow", anything=1),
        change(4, "ApiKeyDeleted", api_key_id="k"),
    ]
    states = [fold_changes(events[:cut]) for cut in range(1, 5)]
    assert [state.version for state in states] == [1, 2, 3, 4]
    assert [getattr(state, "api_keys", None) for state in states] == [{}, {"k": "CI"}, {"k": "CI"}, {}]


def test_the_page_on_events_lists_every_one() -> None:
    page = (ROOT / "docs" / "events.md").read_text()
    listed = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert listed == {*EXECUTION_EVENTS, *CHANGE_EVENTS}
