"""A team without agents: its supervisor answers alone."""

from perdure.domain.flows import Agentflow
from perdure.domain.teams import Agent
from perdure.orchestration.steps import Answer, Steps

ALONE = "You have no agents to delegate to: do the task yourself."


def supervisor(flow: Agentflow, part: str = ALONE) -> Agent:
    """The supervisor as an agent, with its own model where it names one; `part` says what it is to do."""
    config = flow.supervisor_config
    return Agent(
        id="supervisor",
        name="Supervisor",
        llm_provider=config.llm_provider,
        llm_model=config.llm_model,
        system_prompt=f"You are the supervisor of the team '{flow.name}'."
        + (f" {flow.description}" if flow.description else "")
        + f" {part}",
    )


async def run(flow: Agentflow, steps: Steps) -> Answer:
    """Ask the supervisor."""
    return await steps.ask(supervisor(flow), after=())
