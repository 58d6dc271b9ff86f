"""The supervisor sizes the task up and picks the pattern that fits; where its result does not do, another one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from perdure.domain.flows import Agentflow
from perdure.domain.notes import DecisionMade
from perdure.domain.teams import Agent
from perdure.orchestration import hierarchical, parallel, sequential
from perdure.orchestration.forms import Sheet, limited
from perdure.orchestration.roster import listing, member, names_of, stranger
from perdure.orchestration.steps import Answer, StepFailedError, Steps, UndecidedError
from perdure.orchestration.supervisor import acting

Pattern = Literal["single", "sequential", "parallel", "hierarchical"]

MEANINGS: Mapping[Pattern, str] = MappingProxyType(
    {
        "single": "one agent does the whole task: the one you name.",
        "sequential": "the agents work one after another, each with the answers of those before it.",
        "parallel": "the agents work at the same time, each on its own, and their answers are put together.",
        "hierarchical": "you plan, give agents parts of the task, read what comes back, and go on until it is done.",
    }
)

TEAM_PATTERNS: Mapping[Pattern, Callable[[Agentflow, Steps], Awaitable[Answer]]] = MappingProxyType(
    {"sequential": sequential.run, "parallel": parallel.run, "hierarchical": hierarchical.run}
)

REPLANS = 2
"""How often another pattern is tried."""

PLANNER = "You decide how the team works on a task. You do not do the task yourself."
SIZE_UP = (
    "Size up the task above, and choose the simplest pattern that will do it well.\n\n"
    "The agents:\n{roster}\n\nThe patterns:\n{patterns}"
)
TRIED = "Tried already, without success:\n{outcomes}"
REVIEWER = "You judge whether a team's answer is good enough. You do not do the task yourself."
REVIEW = (
    "Judge the answer above: does it do the whole task? Small flaws do not matter. "
    "If it is not enough, say what is missing."
)


class Sizing(Sheet):
    """How big a task is, and how the team works on it."""

    complexity: Literal["simple", "moderate", "complex"] = Field(description="How hard the task is.")
    capabilities: list[str] = Field(description="What the task needs, in a few words.")
    reason: str = Field(description="Why this pattern, in one sentence.")
    pattern: Pattern = Field(description="How the team works.")
    agent: str = Field(description="The agent that suits the task best. In `single` it works alone.")


class Review(Sheet):
    """Whether an answer does."""

    reason: str = Field(description="Why, in one sentence.")
    sufficient: bool = Field(description="true if the answer does the whole task, false if not.")


@dataclass(frozen=True)
class Plan:
    """A pattern, for `single` with its agent, and the note of why it was chosen."""

    pattern: Pattern
    note: DecisionMade
    agent: Agent | None = None


async def run(flow: Agentflow, steps: Steps) -> Answer:
    """Plan, work, judge; plan anew at most twice. Without success the last answer is the run's, else the failure.

    A team of one has nothing to choose between: its agent answers.
    """
    if len(flow.agents) == 1:
        await steps.note(_note("single", by="adaptive", reason="The team has one agent."))
        return await steps.ask(flow.agents[0])
    tried: dict[Pattern, str] = {}
    answers: list[Answer] = []
    failures: list[StepFailedError] = []
    while len(tried) <= REPLANS:
        plan = await _plan(flow, steps, tried)
        if plan is None:
            break
        try:
            answer = await _carry_out(plan, flow, steps)
        except StepFailedError as error:
            failures.append(error)
            tried[plan.pattern] = f"failed. {error}"
            continue
        review = await _review(answer, flow, steps)
        if review is None or review.sufficient:
            return answer
        answers.append(answer)
        tried[plan.pattern] = f"not enough. {review.reason}"
    if answers:
        return answers[-1]
    raise failures[-1]


async def _plan(flow: Agentflow, steps: Steps, tried: Mapping[Pattern, str]) -> Plan | None:
    """The pattern to go on with, noted; None where another one was wanted and nobody could say which."""
    try:
        plan = await _sized_up(flow, steps, tried)
    except UndecidedError as error:
        if tried:
            await _note_end(steps, tried, error)
            return None
        pattern: Pattern = "hierarchical" if flow.supervisor_config.enabled else "sequential"
        note = _note(pattern, by="adaptive", reason=str(error), alternatives=tuple(MEANINGS), is_fallback=True)
        plan = Plan(pattern, note)
    except StepFailedError as error:
        if not tried:
            raise
        await _note_end(steps, tried, error)
        return None
    await steps.note(plan.note)
    return plan


async def _sized_up(flow: Agentflow, steps: Steps, tried: Mapping[Pattern, str]) -> Plan:
    left: list[Pattern] = [pattern for pattern in MEANINGS if pattern not in tried]
    question = SIZE_UP.format(
        roster=listing(flow.agents), patterns="\n".join(f"- {pattern}: {MEANINGS[pattern]}" for pattern in left)
    )
    if tried:
        outcomes = "\n".join(f"- {pattern}: {outcome}" for pattern, outcome in tried.items())
        question = f"{question}\n\n{TRIED.format(outcomes=outcomes)}"
    supervisor = acting(flow, PLANNER)

    def objection(form: Sizing) -> str | None:
        if form.pattern not in left:
            return f"pattern: '{form.pattern}' was tried already. Choose one of: {', '.join(left)}."
        return stranger(form.agent, flow.agents) if form.pattern == "single" else None

    form = limited(Sizing, {"pattern": left, "agent": list(names_of(flow.agents).values())})
    sizing = await steps.decide(supervisor, question, form, check=objection)
    agent = member(sizing.agent, flow.agents) if sizing.pattern == "single" else None
    reason = _reason(sizing, names_of(flow.agents)[agent.id] if agent else None)
    note = _note(sizing.pattern, by=supervisor.name, reason=reason, alternatives=left)
    return Plan(sizing.pattern, note, agent)


async def _carry_out(plan: Plan, flow: Agentflow, steps: Steps) -> Answer:
    if plan.agent is not None:
        return await steps.ask(plan.agent)
    return await TEAM_PATTERNS[plan.pattern](flow, steps)


async def _review(answer: Answer, flow: Agentflow, steps: Steps) -> Review | None:
    """What the supervisor says of an answer; None where it could not say, which keeps the answer."""
    supervisor = acting(flow, REVIEWER)
    try:
        review = await steps.decide(supervisor, REVIEW, Review, after=[answer])
    except (UndecidedError, StepFailedError) as error:
        await steps.note(
            DecisionMade(by="adaptive", about="sufficiency", choice="not judged", reason=str(error), is_fallback=True)
        )
        return None
    choice, other = ("sufficient", "insufficient") if review.sufficient else ("insufficient", "sufficient")
    await steps.note(
        DecisionMade(by=supervisor.name, about="sufficiency", choice=choice, alternatives=[other], reason=review.reason)
    )
    return review


def _reason(sizing: Sizing, agent: str | None) -> str:
    needs = f" that needs {', '.join(sizing.capabilities)}" if sizing.capabilities else ""
    alone = f" {agent} does it." if agent else ""
    return f"A {sizing.complexity} task{needs}.{alone} {sizing.reason}"


async def _note_end(steps: Steps, tried: Mapping[Pattern, str], error: Exception) -> None:
    left: list[Pattern] = [pattern for pattern in MEANINGS if pattern not in tried]
    await steps.note(_note("none", by="adaptive", reason=str(error), alternatives=left, is_fallback=True))


def _note(
    choice: str, *, by: str, reason: str, alternatives: Sequence[Pattern] = (), is_fallback: bool = False
) -> DecisionMade:
    return DecisionMade(
        by=by,
        about="pattern",
        choice=choice,
        alternatives=[pattern for pattern in alternatives if pattern != choice],
        reason=reason,
        is_fallback=is_fallback,
    )
