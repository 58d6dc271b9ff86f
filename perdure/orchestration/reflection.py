"""One agent drafts, another judges; the first revises until the draft passes or the rounds are used up."""

import re
from collections.abc import Sequence

from pydantic import Field

from perdure.domain.flows import Agentflow
from perdure.domain.notes import DecisionMade
from perdure.domain.teams import Agent, in_sequence
from perdure.orchestration.forms import Sheet
from perdure.orchestration.steps import Answer, Steps, UndecidedError
from perdure.orchestration.supervisor import acting

CRITIC_WORDS = frozenset({"critic", "critique"})
INSTRUCTIONS = "You are the critic of the team's drafts. You do not write yourself."
QUESTION = (
    "Judge the draft above: does it do the task? Let it pass if nothing important is wrong or missing. "
    "Otherwise say what has to change."
)
REVISION = "A critic has read your draft. What has to change:\n\n{changes}\n\nWrite the whole answer anew, changed so."


class Verdict(Sheet):
    """Whether a draft passes."""

    changes: str = Field(description="What has to change, briefly. Empty if the draft passes.")
    passes: bool = Field(description="true if the draft passes, false if it has to change.")


def pair(flow: Agentflow) -> tuple[Agent, Agent]:
    """Who drafts and who judges.

    The critic is the first in sequence whose capabilities or role say so, else the second agent; in a team of one the
    supervisor. The drafter is the first of the others.
    """
    team = in_sequence(flow.agents)
    if len(team) == 1:
        return team[0], acting(flow, INSTRUCTIONS)
    critic = next((agent for agent in team if _is_critic(agent)), team[1])
    return next(agent for agent in team if agent.id != critic.id), critic


async def run(flow: Agentflow, steps: Steps) -> Answer:
    """Draft, and revise after each objection; the last draft is the run's answer, whether it passed or not."""
    drafter, critic = pair(flow)
    rounds = flow.orchestration_config.max_rounds
    draft = await steps.ask(drafter)
    for _ in range(rounds):
        shown = draft.model_copy(update={"label": "Draft"})
        try:
            verdict = await steps.decide(critic, QUESTION, Verdict, after=[shown], check=_objection)
        except UndecidedError as error:
            await steps.note(_note(critic.name, "not judged", str(error), is_fallback=True))
            return draft
        if verdict.passes:
            await steps.note(_note(critic.name, "passed", verdict.changes or "Nothing has to change."))
            return draft
        await steps.note(_note(critic.name, "revise", verdict.changes))
        draft = await steps.ask(drafter, question=REVISION.format(changes=verdict.changes), after=[shown])
    reason = f"{critic.name} wanted changes {rounds} times; the answer is the last revision, not judged any more."
    await steps.note(_note("max_rounds", "not passed", reason, is_fallback=True))
    return draft


def _is_critic(agent: Agent) -> bool:
    words: Sequence[str] = re.findall(r"\w+", " ".join([agent.role or "", *agent.capabilities]).casefold())
    return not CRITIC_WORDS.isdisjoint(words)


def _objection(verdict: Verdict) -> str | None:
    return None if verdict.passes or verdict.changes.strip() else "changes: say what has to change."


def _note(by: str, choice: str, reason: str, *, is_fallback: bool = False) -> DecisionMade:
    others = {"passed": ["revise"], "revise": ["passed"]}
    return DecisionMade(
        by=by,
        about="verdict",
        choice=choice,
        alternatives=others.get(choice, []),
        reason=reason,
        is_fallback=is_fallback,
    )
