"""A team without agents: its supervisor answers alone."""

from perdure.domain.flows import Agentflow
from perdure.domain.teams import Agent
from perdure.orchestration.steps import Answer, Steps


def supervisor(flow: Agentflow) -> Agent:
    """The supervisor as an agent, with its own model where it names one."""
    config = flow.supervisor_config
    return Agent(
        id="supervisor",
        name="Supervisor",
        llm_provider=config.llm_provider,
        llm_model=config.llm_model,
        system_prompt=f"You are the supervisor of the team '{flow.name}'."
        + (f" {flow.description}" if flow.description else "")
        + " You have no agents to delegate to: do the task yourself.",
    )


async def run(flow: Agentflow, steps: Steps) -> Answer:
    """Ask the supervisor."""
    return await steps.ask(supervisor(flow), after=())
