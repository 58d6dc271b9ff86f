"""The `Steps` of a strategy's unit tests: agents answer as scripted; who was asked what and when is written down."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from perdure.domain.notes import Note
from perdure.domain.runs import StepRef
from perdure.domain.teams import Agent
from perdure.orchestration.steps import Answer, Form, Handoff, StepFailedError, UndecidedError

Scripted = str | Handoff | tuple[str, Handoff] | Exception


@dataclass(frozen=True)
class Asked:
    """One question: whom, which task (None: the run's), after whose answers, and who was at work at that moment."""

    agent: str
    task: str | None
    after: list[str]
    beside: list[str]
    question: str = ""
    may_hand_over_to: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Decided:
    """One form that was to be filled in."""

    judge: str
    question: str
    form: str
    after: list[str]


@dataclass
class ScriptedSteps:
    """Answers from `answers` by agent name, one after another (the last repeats), else "NAME's answer".

    An answer that is an exception is raised; a handoff may have words beside it.
    `decisions` are filled-in forms as plain fields, or exceptions, in order; one that `check` objects to is
    mended by the next one, once, as a real model would be asked to.
    """

    answers: Mapping[str, Sequence[Scripted]] = field(default_factory=dict[str, Sequence[Scripted]])
    decisions: Sequence[Mapping[str, Any] | Exception] = ()
    asked: list[Asked] = field(default_factory=list[Asked])
    decided: list[Decided] = field(default_factory=list[Decided])
    notes: list[Note] = field(default_factory=list[Note])
    task: str = "The task."
    slow: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many times as long as the others an agent takes."""
    stopped: list[str] = field(default_factory=list[str])
    """Who was stopped at work."""

    def __post_init__(self) -> None:
        self._left = {name: deque(scripted) for name, scripted in self.answers.items()}
        self._decisions = deque(self.decisions)
        self._at_work: list[str] = []
        self._count: defaultdict[str, int] = defaultdict(int)

    async def ask(
        self,
        agent: Agent,
        *,
        task: str | None = None,
        question: str = "",
        after: Sequence[Answer] = (),
        may_hand_over_to: Sequence[Agent] = (),
    ) -> Answer:
        labels, others = [answer.label for answer in after], [other.name for other in may_hand_over_to]
        self.asked.append(Asked(agent.name, task, labels, list(self._at_work), question, others))
        self._at_work.append(agent.name)
        try:
            # Everybody who is asked at the same time is at work before the first answers.
            for _ in range(5 * self.slow.get(agent.name, 1)):
                await asyncio.sleep(0)
            return self._answer(agent)
        except asyncio.CancelledError:
            self.stopped.append(agent.name)
            raise
        finally:
            self._at_work.remove(agent.name)

    def _answer(self, agent: Agent) -> Answer:
        left = self._left.get(agent.name)
        said: Scripted = f"{agent.name}'s answer"
        if left:
            said = left[0] if len(left) == 1 else left.popleft()
        if isinstance(said, Exception):
            raise said
        text, handoff = said if isinstance(said, tuple) else (said, None) if isinstance(said, str) else ("", said)
        self._count[agent.id] += 1
        return Answer(
            agent_id=agent.id,
            label=agent.name,
            text=text,
            ref=StepRef(execution_id=UUID(int=1), run_id="r", step_id=f"{agent.id}:{self._count[agent.id]}"),
            handoff=handoff,
        )

    async def decide(
        self,
        judge: Agent,
        question: str,
        form: type[Form],
        *,
        after: Sequence[Answer] = (),
        check: Callable[[Form], str | None] | None = None,
    ) -> Form:
        self.decided.append(Decided(judge.name, question, form.__name__, [answer.label for answer in after]))
        wrong: str | None = "nothing was scripted"
        for _ in range(2):
            if not self._decisions:
                break
            scripted = self._decisions.popleft()
            if isinstance(scripted, Exception):
                raise scripted
            filled = form.model_validate(scripted)
            wrong = check(filled) if check else None
            if wrong is None:
                return filled
        raise UndecidedError(wrong or "")

    async def note(self, note: Note) -> None:
        self.notes.append(note)


def gives_up(name: str) -> StepFailedError:
    """What asking an agent raises that has given up."""
    return StepFailedError(f"{name}: the model failed.")
