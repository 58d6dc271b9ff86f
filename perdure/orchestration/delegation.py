"""A supervisor that is a model: it plans, gives agents tasks, reads their results, has them mended, and finishes."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import orjson
from pydantic import Field

from perdure.domain.flows import Agentflow
from perdure.domain.notes import DecisionMade
from perdure.domain.teams import Agent
from perdure.orchestration import supervisor
from perdure.orchestration.failures import answer_or_none, left_out
from perdure.orchestration.forms import Sheet
from perdure.orchestration.steps import Answer, StepFailedError, Steps, UndecidedError
from perdure.orchestration.turns import in_turn

ASSIGNMENTS_AT_ONCE = 50
"""What one decision may hand out; a model that wants more is going round in circles."""

LABEL_CHARACTERS = 80


class Assignment(Sheet):
    """One agent's task."""

    agent: str = Field(description="The agent's name.")
    task: str = Field(description="All that the agent must know, and what it shall give back.")


class NextStep(Sheet):
    """What the supervisor wants done next."""

    reason: str = Field(default="", description="What is still missing and why this is next, in one sentence.")
    action: Literal["delegate", "mend", "finish"] = Field(
        description="delegate: give tasks. mend: have former answers improved. finish: the work is done."
    )
    assignments: list[Assignment] = Field(
        default_factory=list[Assignment], description="For delegate and mend; empty for finish."
    )
    answer: str = Field(default="", description="For finish: the whole answer to the task; else empty.")


Task = tuple[Agent, str]
Ask = Callable[[], Awaitable[Answer | None]]


@dataclass
class Piece:
    """What an agent was given to do, and its answer; None where it gave up."""

    agent: Agent
    task: str
    answer: Answer | None

    def shown(self) -> Answer:
        """The answer under its agent's name and task."""
        if self.answer is None:
            return left_out(self.agent)
        task = " ".join(self.task.split())
        cut = task if len(task) <= LABEL_CHARACTERS else f"{task[: LABEL_CHARACTERS - 1]}…"
        return self.answer.model_copy(update={"label": f"{self.agent.name}: {cut}"})


async def run(flow: Agentflow, steps: Steps) -> Answer:
    """Let the supervisor decide up to `max_iterations` times; then it answers with what there is."""
    at_most = flow.supervisor_config.max_iterations
    pieces: list[Piece] = []
    for number in range(1, at_most + 1):
        question = _question(flow, pieces, left=at_most - number)
        shown = [piece.shown() for piece in pieces]
        check = partial(_complaint, flow=flow, pieces=pieces)
        try:
            step = await steps.decide(supervisor.judge(flow), question, NextStep, after=shown, check=check)
        except UndecidedError as error:
            return await _fall_back(flow, steps, shown, str(error))
        await steps.note(_decided(flow, step))
        if step.action == "finish":
            return await _finish(flow, steps, pieces, step.answer)
        carry_out = _mend if step.action == "mend" else _delegate
        await carry_out(flow, steps, _tasks(flow, step), pieces)
    await steps.note(at_the_limit(at_most, []))
    return await _finish(flow, steps, pieces, "")


def at_the_limit(at_most: int, unasked: Sequence[Agent]) -> DecisionMade:
    """The note that the team has to finish with what it has."""
    return DecisionMade(
        by="max_iterations",
        about="next",
        choice="finish",
        alternatives=[agent.name for agent in unasked],
        reason=f"max_iterations is {at_most}, and that many choices were made.",
    )


async def _delegate(flow: Agentflow, steps: Steps, tasks: Sequence[Task], pieces: list[Piece]) -> None:
    """Have all tasks done at the same time; each agent sees what was done before."""
    shown = tuple(piece.shown() for piece in pieces)
    done = await _at_once(flow, [(agent, partial(_ask, flow, steps, agent, task, shown)) for agent, task in tasks])
    pieces.extend(Piece(agent, task, answer) for (agent, task), answer in zip(tasks, done, strict=True))


async def _mend(flow: Agentflow, steps: Steps, tasks: Sequence[Task], pieces: Sequence[Piece]) -> None:
    """Have the last answers of these agents improved, all at the same time; each agent sees its own alone."""
    former = [(piece, wish) for agent, wish in tasks if (piece := _latest(agent, pieces)) is not None]

    def mended(piece: Piece, wish: str) -> Awaitable[Answer | None]:
        task = f"{piece.task}\n\nYou have done this before; your answer is below. Improve it: {wish}\n"
        own = () if piece.answer is None else (piece.answer,)
        return _ask(flow, steps, piece.agent, f"{task}Give the whole answer again.", own)

    done = await _at_once(flow, [(piece.agent, partial(mended, piece, wish)) for piece, wish in former])
    for (piece, _), answer in zip(former, done, strict=True):
        # What could not be mended is still there as it was.
        piece.answer = answer or piece.answer


async def _at_once(flow: Agentflow, works: Sequence[tuple[Agent, Ask]]) -> list[Answer | None]:
    order = sorted(range(len(works)), key=lambda index: works[index][0].priority)
    at_most = flow.orchestration_config.max_parallel
    done = await in_turn({index: works[index][1] for index in order}, at_most=at_most)
    return [done[index] for index in range(len(works))]


async def _ask(flow: Agentflow, steps: Steps, agent: Agent, task: str, after: Sequence[Answer]) -> Answer | None:
    return await answer_or_none(flow, steps, agent, lambda: steps.ask(agent, task=task, after=after))


async def _finish(flow: Agentflow, steps: Steps, pieces: Sequence[Piece], answer: str) -> Answer:
    """The supervisor's answer: what it said with its decision, else what it now writes from the results."""
    missing = [agent for agent in flow.agents if _given_up(agent, pieces)]
    if answer.strip():
        return supervisor.naming(missing, Answer(agent_id="supervisor", label=supervisor.NAME, text=answer))
    if pieces and all(piece.answer is None for piece in pieces):
        msg = f"No agent of '{flow.name}' gave an answer: see the errors of its steps."
        raise StepFailedError(msg)
    shown = [piece.shown() for piece in pieces]
    return supervisor.naming(missing, await steps.ask(supervisor.writer(flow), after=shown))


async def _fall_back(flow: Agentflow, steps: Steps, shown: Sequence[Answer], why: str) -> Answer:
    """Give the task, and what was done so far, to the fallback; its answer is the run's."""
    agent = supervisor.fallback(flow)
    if agent is None:
        msg = f"{why} Name an agent in supervisor_config.fallback_agent_id, or use a larger model."
        raise StepFailedError(msg)
    await steps.note(
        DecisionMade(
            by=supervisor.NAME,
            about="next",
            choice=agent.name,
            alternatives=[other.name for other in flow.agents if other.id != agent.id],
            reason=why,
            is_fallback=True,
        )
    )
    return await steps.ask(agent, after=shown)


def _question(flow: Agentflow, pieces: Sequence[Piece], *, left: int) -> str:
    mend = ["- mend: have an agent improve its last answer. Its task says what is wrong."] if pieces else []
    name = orjson.dumps(flow.agents[0].name).decode()
    assignment = f'{{"agent": {name}, "task": "what it shall do"}}'
    return "\n".join(
        [
            "You lead this team:",
            supervisor.roster(flow.agents),
            "",
            "Decide what comes next. Choose one action:",
            "- delegate: give one or more agents a task each. They work at the same time.",
            *mend,
            "- finish: give the answer, when the work above is enough for it.",
            f"You can decide {left} more times after this."
            if left
            else "This is your last decision: what you delegate now must complete the work.",
            "An agent knows only its own task and the work above, so a task says all else that it must know.",
            "",
            "Answer with one JSON object:",
            f'{{"reason": "why, in one sentence", "action": "delegate", "assignments": [{assignment}], "answer": ""}}',
            "To finish, leave assignments empty and put the whole answer into answer.",
        ]
    )


def _decided(flow: Agentflow, step: NextStep) -> DecisionMade:
    chosen = [] if step.action == "finish" else _tasks(flow, step)
    names = list(dict.fromkeys(agent.name for agent, _ in chosen))
    others = [agent.name for agent in flow.agents if agent.name not in names]
    return DecisionMade(
        by=supervisor.NAME,
        about="next",
        choice=f"{step.action}: {', '.join(names)}" if names else step.action,
        alternatives=others if step.action == "finish" else [*others, "finish"],
        reason=step.reason or "It gave no reason.",
    )


def _complaint(step: NextStep, *, flow: Agentflow, pieces: Sequence[Piece]) -> str | None:
    """What is wrong with a decision, in a sentence for the model that made it."""
    if step.action == "finish":
        return None
    if not 1 <= len(step.assignments) <= ASSIGNMENTS_AT_ONCE:
        return f"'{step.action}' needs 1 to {ASSIGNMENTS_AT_ONCE} assignments: each an agent and its task."
    complaints = (_objection(each, step.action, flow.agents, pieces) for each in step.assignments)
    wrong = next((complaint for complaint in complaints if complaint is not None), None)
    if wrong is None and step.action == "mend":
        ids = [agent.id for agent, _ in _tasks(flow, step)]
        wrong = None if len(ids) == len({*ids}) else "Name each agent once, with all that it shall mend."
    return wrong


def _objection(each: Assignment, action: str, agents: Sequence[Agent], pieces: Sequence[Piece]) -> str | None:
    agent = supervisor.find(agents, each.agent)
    if agent is None:
        return f"There is no agent '{each.agent}'. The agents: {', '.join(other.name for other in agents)}."
    if not each.task.strip():
        return f"Give {agent.name} a task."
    if action == "mend" and _latest(agent, pieces) is None:
        return f"{agent.name} has no answer yet that it could mend: use delegate."
    return None


def _tasks(flow: Agentflow, step: NextStep) -> list[Task]:
    """The assignments with the agents that they name."""
    found = ((supervisor.find(flow.agents, each.agent), each.task) for each in step.assignments)
    return [(agent, task) for agent, task in found if agent is not None]


def _given_up(agent: Agent, pieces: Sequence[Piece]) -> bool:
    """Whether the agent was asked and never answered."""
    answers = [piece.answer for piece in pieces if piece.agent.id == agent.id]
    return bool(answers) and not any(answers)


def _latest(agent: Agent, pieces: Sequence[Piece]) -> Piece | None:
    """The last piece that the agent has answered."""
    return next((piece for piece in reversed(pieces) if piece.agent.id == agent.id and piece.answer is not None), None)
