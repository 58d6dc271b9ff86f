"""Where a stream stands, and what is shown of words that begin anew."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.streaming import Phase, Place
from api.words import Reset, Speech, Words
from perdure.domain.errors import BadRequestError
from perdure.live import AttemptFailed, StepStarted, Token

EXECUTION = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
WRITERS = st.integers(-(2**63), 2**63 - 1)


def token(text: str, *, attempt: int = 1, index: int = 0, step: str = "a") -> Token:
    return Token(node_id=step, attempt=attempt, index=index, text=text)


@given(st.uuids(), st.dictionaries(WRITERS, st.integers(1, 2**63 - 1), max_size=5))
def test_the_id_of_a_frame_says_all_that_its_reader_has_had(execution_id: UUID, had: dict[int, int]) -> None:
    place = Place(execution_id, Phase.WORDS, had)
    assert Place.parse(str(place)) == place


@pytest.mark.parametrize("phase", list(Phase))
def test_the_id_of_a_frame_says_how_far_its_stream_is(phase: Phase) -> None:
    place = Place.parse(str(Place(EXECUTION, phase)))
    assert place.phase is phase
    assert [each for each in Phase if place.past(each)] == list(Phase)[: list(Phase).index(phase) + 1]


@pytest.mark.parametrize("rest", ["", ":", ":x", ":1.2_", ":1.2 ", ":-.1", ":1", ":1.2_3", ":" + "f" * 17 + ".1"])
def test_what_is_no_id_of_ours_is_refused(rest: str) -> None:
    with pytest.raises(BadRequestError):
        Place.parse(f"{EXECUTION}{rest}")


def test_a_higher_attempt_replaces_the_text_and_a_late_lower_one_is_not_shown() -> None:
    words = Words()
    assert words.take(StepStarted(node_id="a", attempt=1)) == []
    assert words.take(token("one")) == [token("one")]
    assert words.take(AttemptFailed(node_id="a", attempt=1, error="It broke.")) == []
    assert words.take(StepStarted(node_id="a", attempt=2)) == [Reset(node_id="a", attempt=2)]
    assert words.take(token(" late", index=1)) == []
    assert words.take(token("two", attempt=2)) == [token("two", attempt=2)]
    # The frame that says so may be lost.
    assert words.take(token("three", attempt=3)) == [Reset(node_id="a", attempt=3), token("three", attempt=3)]
    assert words.text("a") == "three"


def test_steps_are_apart_and_the_last_begun_is_known() -> None:
    words = Words()
    for frame in (token("x", step="a"), token("y", step="b"), token("z", index=1, step="a")):
        words.take(frame)
    assert (words.text("a"), words.text("b"), words.last) == ("xz", "y", "b")


def test_a_recorded_answer_is_completed_by_what_is_missing() -> None:
    words = Words()
    assert words.complete("a", "one two", attempt=1, seen=False) == [token("one two")]
    assert words.complete("a", "one two", attempt=2, seen=True) == [
        Reset(node_id="a", attempt=3),
        token("one two", attempt=3),
    ]
    words.take(token("one"))
    assert words.complete("a", "one", attempt=1, seen=True) == []
    assert words.complete("a", "one two", attempt=1, seen=True) == [
        Reset(node_id="a", attempt=2),
        token("one two", attempt=2),
    ]


@given(st.lists(st.lists(st.sampled_from(["a", "b", "ab"]), max_size=5), min_size=1, max_size=4))
def test_what_is_said_ends_with_the_last_attempt(attempts: list[list[str]]) -> None:
    speech = Speech()
    said = ""
    for number, pieces in enumerate(attempts):
        if number:
            speech.begin_anew()
        for piece in pieces:
            said += speech.add(piece)
    final = "".join(attempts[-1])
    said += speech.finish(final)
    assert said.split("\n\n")[-1] == final


def test_an_attempt_that_repeats_what_was_said_goes_on_from_there() -> None:
    speech = Speech()
    assert [speech.add("one"), speech.add(" two")] == ["one", " two"]
    speech.begin_anew()
    assert [speech.add("one"), speech.add(" two"), speech.add(" three"), speech.add("!")] == ["", "", " three", "!"]
    assert speech.finish("one two three!") == ""


def test_an_attempt_that_says_something_else_is_said_whole() -> None:
    speech = Speech()
    speech.add("one two")
    speech.begin_anew()
    assert [speech.add("one"), speech.add(" more")] == ["", "\n\none more"]
