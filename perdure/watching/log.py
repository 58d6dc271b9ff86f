"""A run's events and the words of its steps as one order of frames, which all who watch it share. No I/O.

Words stand between their step's `StepScheduled` and the event that closes the step, in the order of attempts and
tokens. What comes too late is left out: the closing event has the whole text.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from perdure.domain.events import Event, RunReset, StepCancelled, StepCompleted, StepFailed, StepScheduled
from perdure.live import AttemptFailed, Row, StepStarted, Token
from perdure.watching.place import FAILED, Place, Spot

EVENT_FRAME = "execution_update"
_WORDS = (Token, StepStarted, AttemptFailed)
"""What is told before history tells it. Ends, tool calls and sources are told by the run's events."""
WORDS_KEPT_BYTES = 16 * 2**20
"""How much of a run's words a process keeps for those who come later: some 60,000 tokens."""

_FRAME_BYTES = 200
"""About what a frame costs beside its data."""
_WAITING_ROWS = 10_000
_SCHEDULED = StepScheduled.model_fields["type"].default
_RESET = RunReset.model_fields["type"].default
_CLOSING = frozenset(event.model_fields["type"].default for event in (StepCompleted, StepFailed, StepCancelled))


def closes_step(event: Event) -> bool:
    """Whether a step is over with this event."""
    return event.event_type in _CLOSING


@dataclass(slots=True)
class Frame:
    """What is sent at once: a recorded event, or a word of a step."""

    type: str
    data: bytes
    """JSON."""
    version: int
    """Of an event its own; of a word that of its step's `StepScheduled`."""
    spot: Spot | None = None
    """Of a word where it stands in its step."""
    closes: int | None = None
    """Of an event the step that is over with it, by the version of its `StepScheduled`."""
    last: bool = False
    """Of an event whether it is the run's last."""


_NOTHING = Spot(take=0, attempt=0, pieces=0)


@dataclass(slots=True)
class _Step:
    """One scheduling of a step."""

    version: int
    run_id: str
    words_of: str | None = None
    """The run in Temporal's sense whose attempts the words are from, as far as their workers say so."""
    spot: Spot = _NOTHING


def _pieces(frame: Token | StepStarted | AttemptFailed) -> int:
    match frame:
        case StepStarted():
            return 0
        case Token(index=index):
            return index + 1
        case AttemptFailed():
            return FAILED


@dataclass(slots=True)
class _Held:
    """A row, and the run that its worker works for."""

    row: Row
    run_id: str | None


@dataclass
class RunLog:
    """The frames of one run, from its first event on."""

    words_kept_bytes: int = WORDS_KEPT_BYTES
    frames: list[Frame] = field(default_factory=list[Frame])
    epoch: int = 0
    """Changes when frames are taken out: whoever walks along them starts over, and skips what it had."""
    version: int = 0
    """Of the last event."""

    def __post_init__(self) -> None:
        self._steps: defaultdict[str, list[_Step]] = defaultdict(list)
        self._closed: dict[int, int] = {}
        """The version of the event that closed a step, by the version of its `StepScheduled`."""
        self._voided: set[int] = set()
        """The versions of the `StepScheduled` that a reset has taken back."""
        self._waiting: defaultdict[str, list[_Held]] = defaultdict(list)
        self._waiting_rows = 0
        self._runs: dict[tuple[int, str], str | None] = {}
        """What run a worker (by its writer) makes its attempt at a step for."""
        self._words_bytes = 0

    def add_event(self, event: Event, *, last: bool = False) -> None:
        """Take the next event."""
        self.version = event.version
        data = event.model_dump_json().encode()
        step_id = event.event_data.get("step_id")
        closes = self._close(step_id, event.version) if closes_step(event) and isinstance(step_id, str) else None
        self.frames.append(Frame(EVENT_FRAME, data, event.version, closes=closes, last=last))
        if event.event_type == _RESET:
            self._void(event)
        if event.event_type == _SCHEDULED and isinstance(step_id, str):
            step = _Step(event.version, str(event.metadata.get("run_id")))
            self._steps[step_id].append(step)
            for held in self._waiting.pop(step_id, ()):
                self._waiting_rows -= 1
                self._add_word(step, held)

    def add_row(self, row: Row) -> None:
        """Take what a worker said. Words of a step that is not scheduled yet wait until it is."""
        frame = row.frame
        if not isinstance(frame, _WORDS):
            return
        if isinstance(frame, StepStarted):
            self._runs[row.writer, frame.node_id] = frame.run_id
        held = _Held(row, self._runs.get((row.writer, frame.node_id)))
        step = self._step_of(frame.node_id, held.run_id)
        if step is not None:
            self._add_word(step, held)
        elif self._waiting_rows < _WAITING_ROWS:
            self._waiting[frame.node_id].append(held)
            self._waiting_rows += 1

    def has(self, place: Place, frame: Frame) -> bool:
        """Whether somebody who stands there has had this frame, or does not need it any more."""
        if frame.spot is None:
            return frame.version <= place.version
        closed = self._closed.get(frame.version)
        if closed is not None and closed <= place.version:
            return True
        had = place.had.get(frame.version)
        return had is not None and frame.spot <= had

    def _close(self, step_id: str, version: int) -> int | None:
        steps = self._steps.get(step_id)
        if not steps or steps[-1].version in self._closed:
            return None
        self._closed[steps[-1].version] = version
        return steps[-1].version

    def _void(self, reset: Event) -> None:
        """Close what was under way and is no part of the run any more."""
        kept = reset.event_data.get("to_version")
        if isinstance(kept, int):
            for steps in self._steps.values():
                if steps and steps[-1].version > kept:
                    self._closed.setdefault(steps[-1].version, reset.version)
                    self._voided.add(steps[-1].version)

    def _step_of(self, step_id: str, run_id: str | None) -> _Step | None:
        steps = self._steps.get(step_id)
        if not steps:
            return None
        own = next((step for step in reversed(steps) if step.run_id == run_id), None)
        if own is None and run_id is not None and steps[-1].version in self._voided:
            return None  # the run that was sent back does the step again, and says so before history does
        return own or steps[-1]

    def _add_word(self, step: _Step, held: _Held) -> None:
        frame = held.row.frame
        if not isinstance(frame, _WORDS) or step.version in self._closed:
            return
        take = step.spot.take
        if held.run_id is not None and held.run_id != step.words_of:
            if not isinstance(frame, StepStarted):
                return  # still said by a worker that another run's attempt has taken the step from
            take += step.words_of is not None
            step.words_of = held.run_id
        spot = Spot(take, frame.attempt, _pieces(frame))
        if spot <= step.spot:
            return
        step.spot = spot
        data = frame.model_dump_json(exclude={"kind"}).encode()
        self.frames.append(Frame(frame.kind, data, step.version, spot))
        self._words_bytes += len(data) + _FRAME_BYTES
        if self._words_bytes > self.words_kept_bytes:
            self._forget_words()

    def _forget_words(self) -> None:
        """Let go of half of the words: those of steps that are over before others, and the oldest first."""
        words = [frame for frame in self.frames if frame.spot is not None]
        forgotten: set[int] = set()
        for frame in sorted(words, key=lambda frame: frame.version not in self._closed):
            if self._words_bytes <= self.words_kept_bytes // 2:
                break
            self._words_bytes -= len(frame.data) + _FRAME_BYTES
            forgotten.add(id(frame))
        self.frames = [frame for frame in self.frames if id(frame) not in forgotten]
        self.epoch += 1


class Walk:
    """One watcher's way along a log."""

    def __init__(self, log: RunLog, place: Place) -> None:
        self.place = place
        self._log = log
        self._epoch = log.epoch
        self._next = 0
        self._joined = len(log.frames)

    def step(self) -> Frame | None:
        """The next frame that the watcher has not had; None when it has had all there are."""
        if self._log.epoch != self._epoch:
            self._epoch, self._next, self._joined = self._log.epoch, 0, len(self._log.frames)
        frames = self._log.frames
        while self._next < len(frames):
            frame = frames[self._next]
            self._next += 1
            if not self._log.has(self.place, frame):
                self._enter(frame)
                return frame
        return None

    @property
    def behind(self) -> int:
        """How many frames have come and were not taken, but for those that were there when it began."""
        return len(self._log.frames) - max(self._next, self._joined)

    def _enter(self, frame: Frame) -> None:
        if frame.spot is not None:
            self.place.had[frame.version] = frame.spot
            return
        self.place.version, self.place.ended = frame.version, frame.last
        if frame.closes is not None:
            self.place.had.pop(frame.closes, None)


def rest_of(log: RunLog, place: Place) -> Iterator[tuple[str, Frame]]:
    """What somebody who stands there is still to be sent, each frame with its id."""
    walk = Walk(log, Place(place.version, place.ended, dict(place.had)))
    while (frame := walk.step()) is not None:
        yield str(walk.place), frame


def log_of(events: Iterable[Event], rows: Iterable[Row]) -> RunLog:
    """The log of a run that is over."""
    log = RunLog()
    for row in rows:
        log.add_row(row)
    *but_last, last = events
    for event in but_last:
        log.add_event(event)
    log.add_event(last, last=True)
    return log
