"""Agents answer independently, criticise each other's answers and revise their own, then vote for one of them."""

from collections.abc import Sequence

from pydantic import ConfigDict, Field

from perdure.domain.flows import Agentflow
from perdure.domain.notes import Ballot, VotesCounted
from perdure.domain.teams import Agent
from perdure.orchestration.forms import Sheet, limited
from perdure.orchestration.roster import names_of, ranked
from perdure.orchestration.steps import Answer, StepFailedError, Steps, UndecidedError, at_once

CRITIQUE = (
    "You see your own answer and those of your team. Look for what is wrong or missing in each of them, yours too. "
    "Then write your answer anew, better and complete, without a word about the others. "
    "If it needs no change, repeat it word for word."
)
VOTE = "Vote for the best of the answers above, and say why."
ABSTENTION = "abstention"


class Vote(Sheet):
    """A vote for one of the answers."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    reason: str = Field(description="Why this answer is the best, in one sentence.")
    answer: str = Field(description="The label of the best answer, such as `Answer 1`.")

    @property
    def label(self) -> str:
        """The label in full, where the model gave a number."""
        given = self.answer.strip()
        return f"Answer {given}" if given.isdecimal() else given


async def run(flow: Agentflow, steps: Steps) -> Answer:
    """Hold the vote after the rounds of critique; the winner's answer is the run's.

    A round in which no answer changes is the last. A team of one answers: there is nobody to agree with.
    """
    team = ranked(flow.agents)
    answers = await at_once(steps.ask(agent) for agent in team)
    if len(team) == 1:
        return answers[0]
    for _ in range(flow.orchestration_config.max_rounds):
        before = answers
        answers = await at_once(steps.ask(agent, question=CRITIQUE, after=_seen_by(agent, before)) for agent in team)
        if [answer.text.strip() for answer in answers] == [answer.text.strip() for answer in before]:
            break
    votes = await at_once(_vote(steps, voter, place, answers) for place, voter in enumerate(team))
    result = _count(team, votes)
    await steps.note(result)
    names = names_of(team)
    return next(answer for answer in answers if names[answer.agent_id] == result.winner)


def _seen_by(agent: Agent, answers: Sequence[Answer]) -> list[Answer]:
    """All answers, the agent's own first and marked as such."""
    own = [answer.model_copy(update={"label": "Your answer"}) for answer in answers if answer.agent_id == agent.id]
    return [*own, *(answer for answer in answers if answer.agent_id != agent.id)]


async def _vote(steps: Steps, voter: Agent, place: int, answers: Sequence[Answer]) -> tuple[int | None, str]:
    """The place of the answer that an agent votes for, None for an abstention, and the reason."""
    # Numbered without names, so that nobody votes for a name. Models prefer what they read first: each voter begins at
    # another answer, and reads its own last.
    labels = [f"Answer {number}" for number in range(1, len(answers) + 1)]
    shown = [answer.model_copy(update={"label": label}) for label, answer in zip(labels, answers, strict=True)]
    try:
        vote = await steps.decide(
            voter,
            VOTE,
            limited(Vote, {"answer": labels}),
            after=[*shown[place + 1 :], *shown[: place + 1]],
            check=lambda form: None if form.label in labels else f"answer: take one of {', '.join(labels)}.",
        )
    except (UndecidedError, StepFailedError) as error:
        return None, str(error)
    return labels.index(vote.label), vote.reason


def _count(team: Sequence[Agent], votes: Sequence[tuple[int | None, str]]) -> VotesCounted:
    """Count the votes of a ranked team; between equals the one that stands first in it wins."""
    names = list(names_of(team).values())
    counts = dict.fromkeys(names, 0)
    ballots: list[Ballot] = []
    for voter, (place, reason) in zip(names, votes, strict=True):
        choice = ABSTENTION if place is None else names[place]
        if place is not None:
            counts[choice] += 1
        ballots.append(Ballot(by=voter, choice=choice, reason=reason))
    most = max(counts.values())
    tied = [agent for agent, name in zip(team, names, strict=True) if counts[name] == most]
    tie_broken_by = None
    if len(tied) > 1:
        tie_broken_by = "priority" if tied[0].priority < tied[1].priority else "order"
    return VotesCounted(ballots=ballots, counts=counts, winner=names[team.index(tied[0])], tie_broken_by=tie_broken_by)
