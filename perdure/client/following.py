"""Watching a run: what comes over an event stream, and when to connect again. No I/O, so both clients share it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from perdure.client.errors import ApiError, UnreachableError
from perdure.domain.events import Event

_WAITS_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits before connecting again, while nothing comes; the last one repeats."""

READ_SECONDS = 45.0
"""A connection on which not even a heartbeat comes for so long is dead; the server sends one every 15 s."""

NO_CONTENT = 204
_PASSING = frozenset({429, 502, 503, 504})


class _Word(BaseModel):
    model_config = ConfigDict(frozen=True)

    node_id: str
    """The id of the step."""
    attempt: int


class StepStarted(_Word):
    """An attempt at a step has begun: what was shown of its words is void."""


class Token(_Word):
    """A piece of what a model is writing."""

    index: int
    text: str


class AttemptFailed(_Word):
    """An attempt at a step has failed."""

    error: str


@dataclass(frozen=True)
class Update:
    """One frame: an event as it was recorded, or a word as it was said. Watching goes on behind its `id`."""

    id: str
    data: Event | StepStarted | Token | AttemptFailed


_KINDS: dict[str, type[Event | StepStarted | Token | AttemptFailed]] = {
    "execution_update": Event,
    "step_started": StepStarted,
    "token": Token,
    "attempt_failed": AttemptFailed,
}


class Following:
    """Where somebody stands who watches a run, over as many connections as it takes."""

    def __init__(
        self, after: str | None, from_version: int, patience_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.over = False
        """Whether the last event has come."""
        self._id = after
        self._from_version = from_version
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._failures = 0
        self._heard_at = clock()
        self._line = b""
        self._fields: dict[str, str] = {}

    @property
    def headers(self) -> dict[str, str]:
        """What to send to go on behind the last frame."""
        own = {"Accept": "text/event-stream"}
        return {**own, "Last-Event-ID": self._id} if self._id else own

    @property
    def query(self) -> dict[str, str]:
        """The query of the same."""
        return {"from_version": str(self._from_version)} if self._from_version and not self._id else {}

    def feed(self, chunk: bytes) -> Iterator[Update]:
        """Take what has come over the connection; the frames that are whole by that."""
        self._heard_at, self._failures = self._clock(), 0
        *lines, self._line = (self._line + chunk).split(b"\n")
        for line in lines:
            update = self._take(line.rstrip(b"\r").decode(errors="replace"))
            if update is not None:
                yield update

    def wait(self, failure: Exception | None = None) -> float:
        """How many seconds to wait before connecting again: the connection ended, or there was none.

        Raises:
            UnreachableError: nothing has come for longer than the caller has patience.
            ApiError: the refusal that was the last answer.
        """
        self._line, self._fields = b"", {}
        if self._clock() - self._heard_at > self._patience_seconds:
            if isinstance(failure, ApiError):
                raise failure
            raise UnreachableError("The API stopped answering; the run goes on all the same.") from failure
        wait = _WAITS_SECONDS[min(self._failures, len(_WAITS_SECONDS) - 1)]
        self._failures += 1
        asked = failure.retry_after if isinstance(failure, ApiError) else None
        return max(wait, asked or 0)

    def _take(self, line: str) -> Update | None:
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        kind, identity = _KINDS.get(fields.get("event", "")), fields.get("id")
        if identity is None or "data" not in fields:
            return None
        self._id = identity
        self.over = self.over or identity.partition("_")[0].endswith("-end")
        # A newer server may tell more than this client knows.
        return Update(identity, kind.model_validate_json(fields["data"])) if kind else None


def passes(error: ApiError) -> bool:
    """Whether asking again may help."""
    return error.answered in _PASSING
