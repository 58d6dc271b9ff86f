"""Where a watcher stands: what it has had of a run's events and of the words of the steps under way. No I/O."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple, Self

_FORM = re.compile(r"([0-9]{1,9})(-end)?((?:_[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,10}){0,1000})")

FAILED = 2**32
"""The `pieces` of an attempt that has failed: nothing of it comes after that."""


class BadPlaceError(ValueError):
    """A text that is the id of no frame."""


class Spot(NamedTuple):
    """How far the words of a step have come. A later one is greater."""

    take: int
    """From 0; how often its attempts have begun from 1 again because the run was sent back."""
    attempt: int
    pieces: int
    """0 when the attempt has begun, `index` + 1 with each of its tokens, `FAILED` when it has failed."""


@dataclass
class Place:
    """What a watcher has had. Written as the `id` of each frame: what to send after it, from any process.

    Steps are named by the version of their `StepScheduled`. Those that are over need no entry: their last event has the
    whole text.
    """

    version: int = 0
    """Of the last event had; 0 before the first."""
    ended: bool = False
    """Whether the last event has been had."""
    had: dict[int, Spot] = field(default_factory=dict[int, Spot])

    def __str__(self) -> str:
        words = "".join(f"_{step}.{spot.take}.{spot.attempt}.{spot.pieces}" for step, spot in self.had.items())
        return f"{self.version}{'-end' if self.ended else ''}{words}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a frame's id.

        Raises:
            BadPlaceError: it is none.
        """
        form = _FORM.fullmatch(text)
        if form is None:
            raise BadPlaceError(text)
        version, ended, words = form.groups()
        had: dict[int, Spot] = {}
        for step in filter(None, words.split("_")):
            scheduled, take, attempt, pieces = map(int, step.split("."))
            had[scheduled] = Spot(take, attempt, pieces)
        return cls(int(version), bool(ended), had)
