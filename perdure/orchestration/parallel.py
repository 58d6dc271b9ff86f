"""Agents at the same time, each as soon as those it depends on have answered; then one answer is made of theirs.

An agent sees the task and the answers of those it depends on, nothing else.
"""

from collections.abc import Sequence

from perdure.domain.flows import Agentflow
from perdure.domain.teams import Agent, resolve_dependencies
from perdure.orchestration import supervisor
from perdure.orchestration.failures import answer_or_none, left_out
from perdure.orchestration.steps import Answer, StepFailedError, Steps
from perdure.orchestration.turns import in_turn

TEAM = "Team"
"""The label of an answer that was put together from several."""


async def run(flow: Agentflow, steps: Steps) -> Answer:
    """Ask every agent when its turn has come and join the final answers, by the supervisor where it is enabled."""
    answers = await _answers(flow, steps)
    final = _final(flow, answers)
    if not final:
        msg = f"No agent of '{flow.name}' gave an answer: see the errors of its steps."
        raise StepFailedError(msg)
    missing = [agent for agent in flow.agents if answers[agent.id] is None]
    if flow.supervisor_config.enabled:
        joined = await steps.ask(supervisor.writer(flow), after=(*final, *map(left_out, missing)))
    else:
        joined = join(final)
    return supervisor.naming(missing, joined)


def join(answers: Sequence[Answer]) -> Answer:
    """One answer made of several, each under its agent's name; a single one stays as it is."""
    if len(answers) == 1:
        return answers[0]
    text = "\n\n".join(f"## {answer.label}\n\n{answer.text}" for answer in answers)
    return Answer(agent_id="team", label=TEAM, text=text)


async def _answers(flow: Agentflow, steps: Steps) -> dict[str, Answer | None]:
    """Each agent's answer by its id, None for those that were left out."""
    needs = resolve_dependencies(flow.agents)
    given: dict[str, Answer | None] = {}

    def before(agent: Agent) -> list[Answer]:
        return [given[other.id] or left_out(other) for other in flow.agents if other.id in needs[agent.id]]

    async def work(agent: Agent) -> None:
        given[agent.id] = await answer_or_none(flow, steps, agent, lambda: steps.ask(agent, after=before(agent)))

    by_rank = sorted(flow.agents, key=lambda agent: agent.priority)
    await in_turn(
        {agent.id: lambda agent=agent: work(agent) for agent in by_rank},
        at_most=flow.orchestration_config.max_parallel,
        needs=needs,
    )
    return given


def _final(flow: Agentflow, answers: dict[str, Answer | None]) -> list[Answer]:
    """The answers that no other answer was built on, in the order of the agents."""
    needs = resolve_dependencies(flow.agents)
    used = frozenset[str]().union(*(needs[agent_id] for agent_id, answer in answers.items() if answer))
    found = (answers[agent.id] for agent in flow.agents if agent.id not in used)
    return [answer for answer in found if answer is not None]
