"""Agents hand the work over to each other: the first begins, whoever does not hand over has the answer."""

from collections.abc import Sequence

from perdure.domain.flows import Agentflow
from perdure.domain.notes import HandedOver
from perdure.domain.teams import Agent, in_sequence
from perdure.orchestration.roster import names_of
from perdure.orchestration.steps import Answer, Steps

GO_ON = "Go on with the task from there. Hand it over only if another agent suits what is left clearly better."
LAST = "The task cannot be handed over any more: finish it yourself, with what there is."


async def run(flow: Agentflow, steps: Steps) -> Answer:
    """Follow the work from agent to agent until one answers; after `max_handoffs` the agent that has it must."""
    team = in_sequence(flow.agents)
    names = names_of(team)
    by_id = {agent.id: agent for agent in team}
    holder = team[0]
    answers: list[Answer] = []
    handoffs: list[HandedOver] = []
    while True:
        is_last = len(handoffs) == flow.orchestration_config.max_handoffs
        answer = await steps.ask(
            holder,
            question=_question(handoffs, is_last=is_last),
            # Who hands over often says nothing beside it.
            after=[earlier for earlier in answers if earlier.text.strip()],
            may_hand_over_to=_others(team, holder, is_last=is_last),
        )
        if answer.handoff is None:
            return answer
        answers.append(answer)
        taker = by_id[answer.handoff.to]
        handoff = HandedOver(
            from_agent=names[holder.id],
            to_agent=names[taker.id],
            reason=answer.handoff.reason,
            hop=len(handoffs) + 1,
        )
        await steps.note(handoff)
        handoffs.append(handoff)
        holder = taker


def _others(team: Sequence[Agent], holder: Agent, *, is_last: bool) -> list[Agent]:
    return [] if is_last else [agent for agent in team if agent.id != holder.id]


def _question(handoffs: Sequence[HandedOver], *, is_last: bool) -> str:
    if not handoffs:
        return ""
    way = "\n".join(f"- {each.from_agent} gave it to {each.to_agent}: {each.reason}" for each in handoffs)
    return f"The task has come to you:\n{way}\n\n{LAST if is_last else GO_ON}"
