"""How often activities beat."""

import pytest

from activities.heartbeat import BEATS_PER_SECOND, LONGEST_SECONDS, SHORTEST_SECONDS, interval
from workflows.steps import HEARTBEAT_TIMEOUT


@pytest.mark.parametrize(("beating", "seconds"), [(1, 1.0), (100, 1.0), (200, 2.0), (10_000, LONGEST_SECONDS)])
def test_the_more_activities_a_worker_has_the_less_often_each_beats(beating: int, seconds: float) -> None:
    assert interval(beating) == seconds


def test_all_together_stay_within_the_budget_and_each_within_its_timeout() -> None:
    for beating in range(1, int(LONGEST_SECONDS * BEATS_PER_SECOND)):
        assert beating / interval(beating) <= BEATS_PER_SECOND * 1.001
    assert SHORTEST_SECONDS < LONGEST_SECONDS < HEARTBEAT_TIMEOUT.total_seconds() / 2
