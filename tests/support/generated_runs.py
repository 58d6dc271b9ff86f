"""Any run's events, for property tests: it starts, works, asks people, is sent back or goes on anew, and may end."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from perdure.domain.events import (
    FLOW,
    TOOL,
    CancelRequested,
    EngineTrouble,
    EventUnreadable,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionContinued,
    ExecutionEvent,
    ExecutionEventData,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionTerminated,
    ExecutionTimedOut,
    PlannedNode,
    RunReset,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepReused,
    StepScheduled,
    StepStarted,
)
from perdure.domain.notes import (
    AgentLeftOut,
    ApprovalClosed,
    ApprovalCounted,
    ApprovalRequested,
    DecisionMade,
    HandedOver,
    ModelFellBack,
    VotesCounted,
)
from tests.support.generated import instances

AT = datetime(2026, 11, 26, tzinfo=UTC)
PLANNED = ("one", "two")
STEPS = (*PLANNED, "one:2", "one:3", "one/1-tool", "two/1-flow")
"""Model calls, a tool call and a flow that is called as a tool."""
LEAST_MOVES, MOST_MOVES = 10, 24
"""Not from 0: the shorter runs are prefixes of these, and a generator left to itself makes hardly any long ones."""


@dataclass(frozen=True)
class MadeRun:
    """A run that was made up."""

    events: list[ExecutionEvent]
    counting: list[ExecutionEvent]
    """Those that count in it at its end: no reset has left them behind."""


@st.composite
def made_runs(draw: st.DrawFn) -> MadeRun:
    """A run over resets and continuations, its events in a possible order; no step is done twice in one line."""
    run = _Run()
    run.say(
        ExecutionStarted(
            flow_id="f",
            flow_type="agentflow",
            flow_name="F",
            flow_version=1,
            input_data={},
            session_id=None,
            nodes=[PlannedNode(node_id=name, node_type="agent", node_label=name) for name in PLANNED],
        )
    )
    for kind in draw(st.lists(st.sampled_from(_MOVES), min_size=LEAST_MOVES, max_size=MOST_MOVES)):
        run.move(draw, kind)
    return MadeRun(run.events, run.line)


class _Run:
    """A run as it is made up, with the line of events that count in each of its runs in Temporal's sense."""

    def __init__(self) -> None:
        self.events: list[ExecutionEvent] = []
        self._run_id = "run 1"
        self._lines: dict[str, list[ExecutionEvent]] = {self._run_id: []}

    def say(self, data: ExecutionEventData) -> None:
        number = len(self.events) + 1
        event = ExecutionEvent(
            version=number,
            timestamp=AT + timedelta(seconds=number),
            run_id=self._run_id,
            history_event_id=number,
            data=data,
        )
        self.events.append(event)
        if not isinstance(data, RunReset):
            self._lines[self._run_id].append(event)

    def move(self, draw: st.DrawFn, kind: str) -> None:
        """Let one more thing happen; to a run that has ended only a reset does."""
        if kind == "reset":
            self._send_back(draw)
        elif isinstance(self.line[-1].data, _ENDINGS):
            return
        elif kind == "step":
            self._step(draw)
        elif kind == "approval":
            self._approval(draw)
        elif kind == "anew":
            new = f"run {len(self._lines) + 1}"
            self.say(ExecutionContinued(new_run_id=new))
            self._lines[new] = list(self.line)
            self._run_id = new
        else:
            self.say(draw(_OTHERS[kind]))

    @property
    def line(self) -> list[ExecutionEvent]:
        """The events that count."""
        return self._lines[self._run_id]

    def _send_back(self, draw: st.DrawFn) -> None:
        base = draw(st.sampled_from(sorted(self._lines)))
        kept = self._lines[base][: draw(st.integers(1, len(self._lines[base])))]
        while isinstance(kept[-1].data, _ENDINGS):
            kept = kept[:-1]
        self._run_id = f"run {len(self._lines) + 1}"
        self._lines[self._run_id] = list(kept)
        self.say(RunReset(base_run_id=base, reason=None, to_version=kept[-1].version))

    def _step(self, draw: st.DrawFn) -> None:
        """Begin a step that has not begun, or end it; history tells of its attempt when that is over."""
        last = {str(step_id): event.data for event in self.line if (step_id := getattr(event.data, "step_id", None))}
        left = [step_id for step_id in STEPS if isinstance(last.get(step_id), StepScheduled | None)]
        if not left:
            return
        step_id = draw(st.sampled_from(left))
        kind = FLOW if step_id.endswith("flow") else TOOL if "/" in step_id else "agent"
        if step_id not in last:
            scheduled = StepScheduled(step_id=step_id, node_id="n", node_type=kind, node_label=step_id, input={})
            self.say(draw(st.sampled_from([st.just(scheduled)] * 4 + [_reused(scheduled)]).flatmap(lambda said: said)))
        else:
            attempt = draw(st.integers(1, 4))
            self.say(StepStarted(step_id=step_id, attempt=attempt, last_error=None, worker="w"))
            self.say(draw(_step_ends(step_id, kind, attempt)))

    def _approval(self, draw: st.DrawFn) -> None:
        told = [event.data for event in self.line if event.data.type.startswith("Approval")]
        approval_id = draw(st.sampled_from("ab"))
        known = [data for data in told if getattr(data, "approval_id", None) == approval_id]
        if not known:
            asked = draw(instances(ApprovalRequested))
            self.say(asked.model_copy(update={"approval_id": approval_id}))
        elif not isinstance(known[-1], ApprovalClosed):
            answer = draw(instances(ApprovalCounted) | instances(ApprovalClosed))
            self.say(answer.model_copy(update={"approval_id": approval_id}))


_MOVES = ("step",) * 8 + ("approval", "approval", "note", "trouble", "anew", "reset", "end")
"""What happens, steps more often than all else."""

_ENDINGS = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled, ExecutionTerminated, ExecutionTimedOut)

_OTHERS: dict[str, st.SearchStrategy[ExecutionEventData]] = {
    "note": st.one_of(
        [instances(note) for note in (DecisionMade, HandedOver, VotesCounted, ModelFellBack, AgentLeftOut)]
    ),
    "trouble": st.one_of([instances(told) for told in (CancelRequested, EngineTrouble, EventUnreadable)]),
    "end": st.one_of([instances(ending) for ending in _ENDINGS]),
}


def _reused(scheduled: StepScheduled) -> st.SearchStrategy[StepReused]:
    known = {**scheduled.model_dump(exclude={"type"}), "from_execution_id": "e", "edited": False}
    outcomes = ({"output": {"text": "x"}, "error": None}, {"output": None, "error": "It had failed."})
    return st.sampled_from([StepReused.model_validate(known | outcome) for outcome in outcomes])


def _step_ends(step_id: str, kind: str, attempt: int) -> st.SearchStrategy[ExecutionEventData]:
    is_tool = kind in {TOOL, FLOW}
    completed = st.builds(
        StepCompleted,
        step_id=st.just(step_id),
        attempt=st.just(attempt),
        text=st.just("x"),
        model=st.just(None if is_tool else "openai:gpt"),
        input_tokens=st.none() if is_tool else st.integers(0, 9),
        output_tokens=st.none() if is_tool else st.integers(0, 9),
        cost_usd=st.none() if is_tool else st.none() | st.floats(0, 1),
        memory=st.none() if is_tool else st.none() | st.just({"type": "buffer"}),
        finished_at=st.just(AT),
    )
    failed = StepFailed(step_id=step_id, attempt=attempt, error="no", kind="server", reason="MAXIMUM_ATTEMPTS_REACHED")
    others = st.just(failed) | st.just(StepCancelled(step_id=step_id))
    return st.sampled_from([completed, completed, completed, others]).flatmap(lambda ends: ends)
