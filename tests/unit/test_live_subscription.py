"""What a watcher is handed, whatever the order in which stored and live rows come in."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.live import End, LiveFrame, StepStarted, Token, TooSlowError, subscription
from perdure.live.ends import end_writer
from perdure.live.frames import AttemptFailed, decode, encode
from perdure.live.notices import CancelNotice, EndNotice, RowsNotice, parse_notice
from perdure.live.subscription import Position, Row, Subscription

AT = datetime(2026, 11, 22, tzinfo=UTC)


def row(writer: int, seq: int) -> Row:
    return Row(writer, seq, Token(node_id=str(writer), attempt=1, index=seq, text=""))


def taken(subscription: Subscription) -> list[tuple[str, int]]:
    frames: list[tuple[str, int]] = []
    while (each := subscription.next_row()) is not None:
        assert isinstance(each.frame, Token)
        frames.append((each.frame.node_id, each.frame.index))
    return frames


def test_live_rows_wait_behind_the_stored_ones() -> None:
    watcher = Subscription()
    watcher.add_live(row(1, 3))
    assert taken(watcher) == []
    watcher.add_page([row(1, 1)], Position(AT, 1, 1))
    assert taken(watcher) == [("1", 1)]
    watcher.add_page([row(1, 2), row(1, 3)], None)
    assert taken(watcher) == [("1", 2), ("1", 3)]


@given(
    st.lists(st.integers(1, 3), max_size=40),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(1, 5),
    st.lists(st.integers(0, 40), max_size=3),
)
def test_every_row_comes_once_and_in_its_writers_order(
    writers: list[int], stored: int, overlap: int, page: int, lost: list[int]
) -> None:
    """Rows are stored, some of them heard as well, the rest heard; at some points everything is read again."""
    seqs: dict[int, int] = {}
    rows: list[Row] = []
    for writer in writers:
        seqs[writer] = seqs.get(writer, 0) + 1
        rows.append(row(writer, seqs[writer]))
    watcher = Subscription()
    out: list[tuple[str, int]] = []

    def read_pages(upto: int) -> None:
        while watcher.has_more_stored:
            begin = watcher.after.seq if watcher.after else 0
            chunk = rows[begin : min(begin + page, upto)]
            more = begin + page < upto
            watcher.add_page(chunk, Position(AT, 0, begin + page) if more else None)
            out.extend(taken(watcher))

    for each in rows[max(stored - overlap, 0) : stored]:
        watcher.add_live(each)
    read_pages(stored)
    for position, each in enumerate(rows[stored:], stored):
        watcher.add_live(each)
        if position in lost:
            watcher.read_again()
            read_pages(position + 1)
    out.extend(taken(watcher))
    assert len(out) == len(set(out))
    for writer, last in seqs.items():
        assert [index for name, index in out if name == str(writer)] == list(range(1, last + 1))


def test_what_was_heard_before_a_crash_emptied_the_table_is_not_lost() -> None:
    watcher = Subscription()
    watcher.add_page([row(1, 1)], None)
    watcher.add_live(row(1, 2))
    watcher.read_again()
    watcher.add_page([], None)
    watcher.add_live(row(1, 3))
    assert taken(watcher) == [("1", 1), ("1", 2), ("1", 3)]


def test_nothing_comes_after_the_end() -> None:
    watcher = Subscription()
    watcher.add_page([Row(-1, 1, End(status="failed"))], None)
    last = watcher.next_row()
    assert last is not None
    assert last.frame == End(status="failed")
    assert watcher.ended


def test_falling_behind_is_an_error_not_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "FRAMES_QUEUED", 2)
    watcher = Subscription()
    watcher.add_page([], None)
    for seq in (1, 2, 3):
        watcher.add_live(row(1, seq))
    with pytest.raises(TooSlowError):
        watcher.next_row()


@pytest.mark.parametrize(
    "frame",
    [
        Token(node_id="a", attempt=2, index=3, text="ä"),
        StepStarted(node_id="a", attempt=1),
        AttemptFailed(node_id="a", attempt=1, error="no"),
        End(status="completed"),
    ],
)
def test_every_kind_of_frame_comes_back_as_it_was(frame: LiveFrame) -> None:
    assert decode(frame.kind, encode(frame)) == frame


def test_a_frame_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="kind"):
        decode("tool_called", "{}")


@given(st.uuids())
def test_notices_are_read_as_they_were_written(execution_id: UUID) -> None:
    ended = EndNotice(execution_id, "completed")
    assert parse_notice(str(ended)) == ended
    assert -(2**63) <= end_writer(execution_id) < 0
    rows = RowsNotice(2**62, 1, 7)
    assert parse_notice(str(rows)) == rows
    cancelled = CancelNotice(execution_id)
    assert parse_notice(str(cancelled)) == cancelled


@pytest.mark.parametrize("payload", ["", "rows:1", "rows:a:b:c", "end:nobody:x", "cancel:nobody", "other:1"])
def test_a_notice_of_another_version_is_refused(payload: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_notice(payload)
