"""A supervisor gives its agents work until the task is done, by `decision_strategy`.

`llm_based`: a model plans, delegates, has work mended, and finishes. `round_robin` and `priority`: every agent once,
one after another, each seeing what came before. `rule_based`: one agent, chosen by words of the task. `dependencies`
hold for `round_robin` and `priority`; with the other two the supervisor alone says who works when.
"""

from collections.abc import Sequence

from perdure.domain.flows import Agentflow, DecisionStrategy
from perdure.domain.notes import DecisionMade
from perdure.domain.teams import Agent
from perdure.orchestration import delegation, supervisor
from perdure.orchestration.delegation import at_the_limit
from perdure.orchestration.failures import answer_or_none, left_out
from perdure.orchestration.steps import Answer, StepFailedError, Steps
from perdure.orchestration.supervisor import Choice


async def run(flow: Agentflow, steps: Steps) -> Answer:
    """Work by the supervisor's strategy."""
    strategy = flow.supervisor_config.decision_strategy
    match strategy:
        case DecisionStrategy.LLM_BASED:
            return await delegation.run(flow, steps)
        case DecisionStrategy.ROUND_ROBIN:
            choices = supervisor.by_turn(flow)
        case DecisionStrategy.PRIORITY:
            choices = supervisor.by_priority(flow)
        case DecisionStrategy.RULE_BASED:
            choices = [supervisor.by_rules(flow, steps.task)]
    return await _one_after_another(flow, steps, choices)


async def _one_after_another(flow: Agentflow, steps: Steps, choices: Sequence[Choice]) -> Answer:
    at_most = flow.supervisor_config.max_iterations
    answers: list[Answer] = []
    told: list[Answer] = []
    missing: list[Agent] = []
    left = list(flow.agents)
    for choice in choices[:at_most]:
        left.remove(choice.agent)
        await steps.note(_chosen(flow, choice, left))
        answer = await _ask(flow, steps, choice.agent, tuple(told))
        if answer is None:
            missing.append(choice.agent)
            told.append(left_out(choice.agent))
        else:
            answers.append(answer)
            told.append(answer)
    if choices[at_most:]:
        await steps.note(at_the_limit(at_most, [choice.agent for choice in choices[at_most:]]))
    if not answers:
        msg = f"No agent of '{flow.name}' gave an answer: see the errors of its steps."
        raise StepFailedError(msg)
    if flow.supervisor_config.enabled:
        return supervisor.naming(missing, await steps.ask(supervisor.writer(flow), after=told))
    return supervisor.naming(missing, answers[-1])


async def _ask(flow: Agentflow, steps: Steps, agent: Agent, after: Sequence[Answer]) -> Answer | None:
    return await answer_or_none(flow, steps, agent, lambda: steps.ask(agent, after=after))


def _chosen(flow: Agentflow, choice: Choice, others: Sequence[Agent]) -> DecisionMade:
    return DecisionMade(
        by=flow.supervisor_config.decision_strategy.value,
        about="next",
        choice=choice.agent.name,
        alternatives=[agent.name for agent in others],
        reason=choice.reason,
        is_fallback=choice.is_fallback,
    )
