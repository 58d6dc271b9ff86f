"""What watchers of a run are sent, wherever they stood before and whatever came late."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.events import Event
from perdure.live import AttemptFailed, End, LiveFrame, Row, StepStarted, Token
from perdure.watching import BadPlaceError, Frame, Place, RunLog
from perdure.watching.log import Walk, rest_of
from perdure.watching.place import FAILED, Spot

STEPS = st.dictionaries(
    st.integers(1, 10**9 - 1),
    st.builds(Spot, st.integers(0, 9), st.integers(1, 10**9 - 1), st.integers(0, FAILED)),
    max_size=5,
)


def event(version: int, kind: str, step: str | None = None, *, run: str = "r", **data: int | str) -> Event:
    return Event(
        aggregate_id="e",
        aggregate_type="Execution",
        event_type=kind,
        event_data={**({"step_id": step} if step else {}), **data},
        user_id=1,
        metadata={"run_id": run, "history_event_id": version},
        timestamp=datetime(2026, 11, 25, tzinfo=UTC),
        version=version,
    )


def token(step: str, index: int, *, attempt: int = 1) -> Token:
    return Token(node_id=step, attempt=attempt, index=index, text=f"{step}{attempt}.{index}")


def began(step: str, *, attempt: int = 1, run: str | None = None) -> StepStarted:
    return StepStarted(node_id=step, attempt=attempt, run_id=run)


def filled(happened: Sequence[Event | LiveFrame], *, writer: int = 1) -> RunLog:
    log = RunLog()
    for number, each in enumerate(happened, 1):
        if isinstance(each, Event):
            log.add_event(each, last=each.event_type == "ExecutionCompleted")
        else:
            log.add_row(Row(writer, number, each))
    return log


def told(log: RunLog, place: Place | None = None) -> list[str]:
    return [_short(frame) for _, frame in rest_of(log, place or Place())]


def _short(frame: Frame) -> str:
    return (
        str(frame.version)
        if frame.spot is None
        else f"{frame.type[0]}{frame.version}.{frame.spot.attempt}.{_at(frame)}"
    )


def _at(frame: Frame) -> str:
    assert frame.spot is not None
    return "x" if frame.spot.pieces == FAILED else str(frame.spot.pieces)


RUN: list[Event | LiveFrame] = [
    event(1, "ExecutionStarted"),
    event(2, "StepScheduled", "a"),
    began("a"),
    token("a", 0),
    AttemptFailed(node_id="a", attempt=1, error="It broke."),
    event(3, "StepScheduled", "b"),
    began("b"),
    began("a", attempt=2),
    token("b", 0),
    token("a", 0, attempt=2),
    token("a", 1, attempt=2),
    event(4, "StepCompleted", "a"),
    token("b", 1),
    event(5, "StepCompleted", "b"),
    event(6, "ExecutionCompleted"),
]


@given(st.integers(0, 10**9 - 1), st.booleans(), STEPS)
def test_the_id_of_a_frame_is_read_as_it_was_written(version: int, ended: bool, had: dict[int, Spot]) -> None:
    assert Place.parse(str(Place(version, ended, had))) == Place(version, ended, had)


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "1-", "1-end_", "1_2", "1_2.3", "1_1.1.1.1.1", "٣", "1 ", "1\n", "1" * 10, "1_1.1.1.12345678901"],
)
def test_what_is_the_id_of_no_frame_is_refused(text: str) -> None:
    with pytest.raises(BadPlaceError):
        Place.parse(text)


def test_words_stand_between_the_events_of_their_step_and_attempts_follow_each_other() -> None:
    words = " ".join(told(filled(RUN)))
    assert words == "1 2 s2.1.0 t2.1.1 a2.1.x 3 s3.1.0 s2.2.0 t3.1.1 t2.2.1 t2.2.2 4 t3.1.2 5 6"


def test_from_every_frame_on_the_rest_comes_also_where_the_frames_came_in_another_order() -> None:
    here = filled(RUN)
    # As a process sees it that begins later: all words first, then all events.
    there = filled(
        [each for each in RUN if not isinstance(each, Event)] + [each for each in RUN if isinstance(each, Event)]
    )
    whole = list(rest_of(here, Place()))
    for position, (identity, _) in enumerate(whole):
        had = [_short(frame) for _, frame in whole[: position + 1]]
        assert had + told(here, Place.parse(identity)) == told(here)
        rest = [frame for _, frame in rest_of(there, Place.parse(identity))]
        assert not set(had) & set(map(_short, rest))
        closed = {"2" for each in had if each == "4"} | {"3" for each in had if each == "5"}
        missing = set(told(here)) - set(had) - set(map(_short, rest))
        # Words that a closing event made superfluous are all that may be left out.
        assert all(each[1:].split(".")[0] in closed for each in missing)


@given(st.data())
def test_words_and_events_come_once_and_in_order_whatever_is_late(data: st.DataObject) -> None:
    events = [each for each in RUN if isinstance(each, Event)]
    rows = [each for each in RUN if not isinstance(each, Event)]
    log = RunLog()
    walk = Walk(log, Place())
    taken: list[Frame] = []
    number = 0
    while events or rows:
        if events and (not rows or data.draw(st.booleans())):
            each = events.pop(0)
            log.add_event(each, last=not events)
        else:
            number += 1
            log.add_row(Row(1, number, rows.pop(0)))
            if data.draw(st.booleans()):
                log.add_row(Row(1, number, token("a", 0)))  # somebody's late repetition
        while (frame := walk.step()) is not None:
            taken.append(frame)
    assert [frame.version for frame in taken if frame.spot is None] == [1, 2, 3, 4, 5, 6]
    for step in (2, 3):
        spots = [frame.spot for frame in taken if frame.spot and frame.version == step]
        assert spots == sorted(set(spots))
        positions = [taken.index(frame) for frame in taken if frame.spot and frame.version == step]
        assert all(taken[position - 1].version >= 2 for position in positions)
    assert str(walk.place) == "6-end"


def test_who_asks_for_a_version_gets_the_words_of_the_steps_that_were_not_over_by_then() -> None:
    assert told(filled(RUN), Place(4)) == ["s3.1.0", "t3.1.1", "t3.1.2", "5", "6"]
    assert told(filled(RUN), Place(6)) == []


def test_a_run_that_was_sent_back_says_the_words_of_the_new_attempt() -> None:
    log = filled(
        [
            event(1, "ExecutionStarted", run="r1"),
            event(2, "StepScheduled", "a", run="r1"),
            began("a", run="r1"),
            token("a", 0),
            token("a", 1),
            event(3, "RunReset", run="r2", base_run_id="r1"),
            began("a", run="r2"),
            token("a", 0),
            event(4, "StepScheduled", "b", run="r2"),
        ]
    )
    # What the worker still says that works for the former run.
    log.add_row(Row(2, 1, began("a", run="r1")))
    assert told(log)[:8] == ["1", "2", "s2.1.0", "t2.1.1", "t2.1.2", "3", "s2.1.0", "t2.1.1"]
    (spots,) = [[frame.spot for _, frame in rest_of(log, Place()) if frame.spot and frame.version == 2]]
    assert [spot.take for spot in spots][:5] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("ended", [True, False])
def test_words_of_a_step_that_is_done_again_wait_until_history_says_so(ended: bool) -> None:
    log = filled(
        [
            event(1, "ExecutionStarted", run="r1"),
            event(2, "StepScheduled", "a", run="r1"),
            began("a", run="r1"),
            token("a", 0),
            *([event(3, "StepFailed", "a", run="r1")] if ended else []),
            event(4, "RunReset", run="r2", base_run_id="r1", to_version=1),
            began("a", run="r2"),
            token("a", 0),
        ]
    )
    before = ["1", "2", "s2.1.0", "t2.1.1", *(["3"] if ended else []), "4"]
    assert told(log) == before
    log.add_event(event(5, "StepScheduled", "a", run="r2"))
    log.add_row(Row(2, 1, began("a", run="r1")))
    log.add_row(Row(2, 2, token("a", 1)))
    assert told(log) == [*before, "5", "s5.1.0", "t5.1.1"]


def test_old_words_are_let_go_of_and_the_walk_goes_on() -> None:
    log = RunLog(words_kept_bytes=10_000)
    walk = Walk(log, Place())
    log.add_event(event(1, "StepScheduled", "a"))
    for index in range(30):
        log.add_row(Row(1, index + 1, token("a", index)))
    log.add_event(event(2, "StepCompleted", "a"))
    log.add_event(event(3, "StepScheduled", "b"))
    seen = [frame for _ in range(5) if (frame := walk.step())]
    for index in range(20):
        log.add_row(Row(1, 100 + index, token("b", index)))
    while (frame := walk.step()) is not None:
        seen.append(frame)
    assert [frame.version for frame in seen if frame.spot is None] == [1, 2, 3]
    # Of the step that is over some words are gone; of the one under way none.
    assert [frame.spot.pieces for frame in seen if frame.spot and frame.version == 3] == list(range(1, 21))
    assert sum(len(frame.data) for frame in log.frames) < 10_000


def test_the_end_of_the_channel_is_no_frame() -> None:
    assert told(filled([event(1, "ExecutionStarted"), End(status="completed")])) == ["1"]


def test_who_is_behind_is_told_by_how_much_has_come_since_it_began() -> None:
    log = filled(RUN[:4])
    walk = Walk(log, Place())
    assert walk.behind == 0
    for index in range(1, 11):
        log.add_row(Row(1, 100 + index, token("a", index)))
    assert walk.behind == 10
    while walk.step():
        pass
    assert walk.behind == 0
