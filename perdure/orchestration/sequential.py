"""Agents one after another: dependencies first, then priority. Each sees the task and every answer before it."""

from perdure.domain.flows import Agentflow
from perdure.domain.teams import Agent, in_sequence
from perdure.orchestration.steps import Answer, Steps


def plan(flow: Agentflow) -> list[Agent]:
    """Who is asked, in order."""
    return in_sequence(flow.agents)


async def run(flow: Agentflow, steps: Steps) -> Answer:
    """Ask every agent in its turn; the last one's answer is the run's."""
    answers: list[Answer] = []
    for agent in plan(flow):
        answers.append(await steps.ask(agent, after=tuple(answers)))
    return answers[-1]
