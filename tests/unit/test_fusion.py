"""Fusing lists by rank, and choosing what is near and new."""

import pytest

from perdure.retrieval.fusion import diversify, fuse


def test_what_both_lists_put_first_scores_one() -> None:
    assert fuse([["a", "b"], ["a", "c"]])[0] == ("a", pytest.approx(1.0))


def test_what_both_lists_hold_wins_over_what_one_puts_first() -> None:
    fused = fuse([["a", "b", "c"], ["d", "b", "e"]])
    assert [key for key, _ in fused] == ["b", "a", "d", "c", "e"]
    assert all(0 < score < 1 for _, score in fused)


def test_a_list_without_entries_lowers_nothing() -> None:
    assert fuse([["a"], []]) == [("a", pytest.approx(1.0))]
    assert fuse([[], []]) == []


def test_a_near_copy_gives_way_to_something_new() -> None:
    query = [1.0, 0.2]
    candidates = [[1.0, 0.0], [1.0, 0.01], [0.6, 0.8]]
    assert diversify(query, candidates, 2) == [1, 2]


def test_all_are_chosen_once_where_more_are_wanted_than_there_are() -> None:
    assert sorted(diversify([1.0, 0.0], [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], 9)) == [0, 1, 2]
    assert diversify([1.0], [], 3) == []
