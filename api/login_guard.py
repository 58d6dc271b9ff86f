"""Slows down those who guess passwords: by account and address, and by address alone."""

from math import ceil
from time import monotonic

from cachetools import TTLCache

from perdure.domain.errors import TooManyRequestsError

_REMEMBERED = 50_000
_REMEMBERED_SECONDS = 900
_FIRST_WAIT_SECONDS = 4.0
_LONGEST_WAIT_SECONDS = 300.0
_TRIES_AT_ACCOUNT = 5
_TRIES_FROM_ADDRESS = 50

_Key = tuple[str | None, str]


class LoginGuard:
    """Counts tries; after a handful each further one has to wait twice as long. One per process.

    Not by account alone: then anybody could lock others out.
    """

    def __init__(self) -> None:
        self._tries = TTLCache[_Key, tuple[int, float], float](_REMEMBERED, _REMEMBERED_SECONDS)

    def begin(self, email: str, address: str) -> None:
        """Count a try before it is checked, so that many at once are counted too.

        Raises:
            TooManyRequestsError: the next one is due later; `retry_after` says when.
        """
        now = monotonic()
        keys: tuple[tuple[_Key, int], ...] = (
            ((email.strip().lower()[:320], address), _TRIES_AT_ACCOUNT),
            ((None, address), _TRIES_FROM_ADDRESS),
        )
        for key, _ in keys:
            _, due = self._tries.get(key, (0, 0.0))
            if due > now:
                seconds = ceil(due - now)
                raise TooManyRequestsError(
                    f"Too many tries to log in: wait {seconds} s, then try again.", retry_after=seconds
                )
        for key, free in keys:
            tries = self._tries.get(key, (0, 0.0))[0] + 1
            wait = min(_FIRST_WAIT_SECONDS * 2.0 ** (tries - free), _LONGEST_WAIT_SECONDS) if tries >= free else 0.0
            self._tries[key] = (tries, now + wait)

    def succeed(self, email: str, address: str) -> None:
        """Forget the tries of somebody who knew the password."""
        self._tries.pop((email.strip().lower()[:320], address), None)
        tries, _ = self._tries.get((None, address), (0, 0.0))
        if tries:
            self._tries[None, address] = (tries - 1, 0.0)
