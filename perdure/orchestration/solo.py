"""A team without agents: its supervisor answers alone."""

from perdure.domain.flows import Agentflow
from perdure.domain.teams import Agent
from perdure.orchestration.steps import Answer, Steps
from perdure.orchestration.supervisor import acting


def supervisor(flow: Agentflow) -> Agent:
    """The supervisor as an agent, with its own model where it names one."""
    return acting(flow, "You have no agents to delegate to: do the task yourself.")


async def run(flow: Agentflow, steps: Steps) -> Answer:
    """Ask the supervisor."""
    return await steps.ask(supervisor(flow), after=())
