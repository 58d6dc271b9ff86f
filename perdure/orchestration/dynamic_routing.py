"""One agent does the task: the supervisor chooses which, and nobody else is asked."""

from pydantic import Field

from perdure.domain.flows import Agentflow
from perdure.domain.notes import DecisionMade
from perdure.domain.teams import Agent
from perdure.orchestration.forms import Sheet, limited
from perdure.orchestration.roster import find, listing, member, names_of, stranger
from perdure.orchestration.steps import Answer, StepFailedError, Steps, UndecidedError
from perdure.orchestration.supervisor import acting

INSTRUCTIONS = "You choose which one agent of the team does a task. You do not do the task yourself."
QUESTION = "Choose the one agent that suits the task above best.\n\nThe agents:\n{roster}"


class Route(Sheet):
    """Which agent does the task."""

    reason: str = Field(description="Why this agent, in one sentence.")
    agent: str = Field(description="The agent's name, as it stands in the list.")


async def run(flow: Agentflow, steps: Steps) -> Answer:
    """Ask the agent that was chosen."""
    chosen, note = await _route(flow, steps)
    await steps.note(note)
    return await steps.ask(chosen)


async def _route(flow: Agentflow, steps: Steps) -> tuple[Agent, DecisionMade]:
    supervisor = acting(flow, INSTRUCTIONS)
    if len(flow.agents) == 1:
        [only] = flow.agents
        return only, _note(flow, only, by="dynamic_routing", reason="It is the only agent of the team.")
    try:
        route = await steps.decide(
            supervisor,
            QUESTION.format(roster=listing(flow.agents)),
            limited(Route, {"agent": list(names_of(flow.agents).values())}),
            check=lambda form: stranger(form.agent, flow.agents),
        )
    except UndecidedError as error:
        agent = _fallback(flow, error)
        return agent, _note(flow, agent, by="fallback_agent_id", reason=str(error), is_fallback=True)
    chosen = member(route.agent, flow.agents)
    return chosen, _note(flow, chosen, by=supervisor.name, reason=route.reason)


def _fallback(flow: Agentflow, error: UndecidedError) -> Agent:
    wanted = flow.supervisor_config.fallback_agent_id
    agent = find(wanted, flow.agents) if wanted else None
    if agent is None:
        said = f" {stranger(wanted, flow.agents)}" if wanted else ""
        msg = f"{error}{said} Set supervisor_config.fallback_agent_id to the agent that shall be asked then."
        raise StepFailedError(msg) from error
    return agent


def _note(flow: Agentflow, chosen: Agent, *, by: str, reason: str, is_fallback: bool = False) -> DecisionMade:
    names = names_of(flow.agents)
    return DecisionMade(
        by=by,
        about="route",
        choice=names[chosen.id],
        alternatives=[name for agent_id, name in names.items() if agent_id != chosen.id],
        reason=reason,
        is_fallback=is_fallback,
    )
