"""What a team does when one of its agents has given up: `orchestration_config.on_agent_failure`."""

from collections.abc import Awaitable, Callable
from typing import Literal

from pydantic import Field

from perdure.domain.flows import Agentflow, OnAgentFailure
from perdure.domain.notes import AgentLeftOut, DecisionMade
from perdure.domain.teams import Agent
from perdure.orchestration.forms import Sheet
from perdure.orchestration.steps import Answer, StepFailedError, Steps, UndecidedError
from perdure.orchestration.supervisor import NAME, judge


class FailureChoice(Sheet):
    """What the supervisor makes of a failure."""

    reason: str = Field(default="", description="Why, in one sentence.")
    choice: Literal["retry", "go_on", "stop"] = Field(
        description="retry: ask the agent again. go_on: finish without its answer. stop: end the run as failed."
    )


def left_out(agent: Agent) -> Answer:
    """What stands in the place of the answer of an agent that the team goes on without."""
    return Answer(
        agent_id=agent.id,
        label=f"{agent.name} (no answer)",
        text=f"{agent.name} could not finish this part. Go on without it, and do not make up what it would have said.",
    )


async def answer_or_none(
    flow: Agentflow, steps: Steps, agent: Agent, ask: Callable[[], Awaitable[Answer]]
) -> Answer | None:
    """The agent's answer, None where the team goes on without it. Raises StepFailedError where the run shall fail."""
    may_retry = True
    while True:
        try:
            return await ask()
        except StepFailedError as error:
            failure = error
        match flow.orchestration_config.on_agent_failure:
            case OnAgentFailure.FAIL:
                raise failure
            case OnAgentFailure.CONTINUE:
                choice = "go_on"
            case OnAgentFailure.ASK_SUPERVISOR:
                choice = await _supervisors_choice(flow, steps, agent, failure, may_retry=may_retry)
        if choice == "stop":
            raise failure
        if choice == "go_on":
            await steps.note(AgentLeftOut(node_id=agent.id, node_label=agent.name, reason=str(failure)))
            return None
        may_retry = False


async def _supervisors_choice(
    flow: Agentflow, steps: Steps, agent: Agent, failure: StepFailedError, *, may_retry: bool
) -> str:
    options = ["retry", "go_on", "stop"] if may_retry else ["go_on", "stop"]

    def check(filled: FailureChoice) -> str | None:
        return None if filled.choice in options else f"{agent.name} was asked again already: choose go_on or stop."

    try:
        filled = await steps.decide(judge(flow), _question(agent, failure, options), FailureChoice, check=check)
        choice, reason, fallback = filled.choice, filled.reason, False
    except UndecidedError as error:
        choice, reason, fallback = "stop", str(error), True
    await steps.note(
        DecisionMade(
            by=NAME,
            about="failure",
            choice=choice,
            alternatives=[option for option in options if option != choice],
            reason=reason,
            is_fallback=fallback,
        )
    )
    return choice


def _question(agent: Agent, failure: StepFailedError, options: list[str]) -> str:
    meanings = {
        "retry": "retry: ask it once more.",
        "go_on": "go_on: finish the task without its answer.",
        "stop": "stop: end the run as failed.",
    }
    role = f" ({agent.role})" if agent.role else ""
    return "\n".join(
        [
            f"The agent {agent.name}{role} has failed: {failure}",
            "What shall the team do? Choose one:",
            *(f"- {meanings[option]}" for option in options),
            'Answer with one JSON object: {"reason": "why, in one sentence", "choice": "' + options[0] + '"}',
        ]
    )
