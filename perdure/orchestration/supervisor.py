"""What a supervisor is, what it is told, and how it chooses where no model does: in turn, by priority, by rules."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perdure.domain.flows import Agentflow
from perdure.domain.teams import Agent, in_sequence
from perdure.orchestration.steps import Answer, StepFailedError

NAME = "Supervisor"


@dataclass(frozen=True)
class Choice:
    """The agent that was chosen, and why."""

    agent: Agent
    reason: str
    is_fallback: bool = False


def acting(flow: Agentflow, duty: str) -> Agent:
    """The supervisor as an agent with one duty, with its own model where it names one."""
    config = flow.supervisor_config
    about = f" {flow.description}" if flow.description else ""
    return Agent(
        id="supervisor",
        name=NAME,
        llm_provider=config.llm_provider,
        llm_model=config.llm_model,
        system_prompt=f"You are the supervisor of the team '{flow.name}'.{about} {duty}",
    )


def judge(flow: Agentflow) -> Agent:
    """The supervisor when it decides."""
    return acting(flow, "You decide what the team does next. Your agents do the work.")


def writer(flow: Agentflow) -> Agent:
    """The supervisor when it makes one answer of what the team has done."""
    return acting(
        flow,
        "Your agents have done their parts. Write the final answer to the task from their work. "
        "Keep what matters, leave out what is said twice, and where they disagree, say so. "
        "Give the answer itself and do not speak of the agents.",
    )


def roster(agents: Iterable[Agent]) -> str:
    """The team as a model is told of it: one line an agent."""
    lines: list[str] = []
    for agent in agents:
        what = " ".join(f"{part.strip().rstrip('.')}." for part in (agent.role, agent.description) if part)
        able = f" Good at: {', '.join(agent.capabilities)}." if agent.capabilities else ""
        lines.append(f"- {agent.name}: {what or 'no description.'}{able}")
    return "\n".join(lines)


def find(agents: Sequence[Agent], reference: str) -> Agent | None:
    """The agent of that id, else of that name, else of that name in other letters' case."""
    wanted = reference.strip()
    by_id = [agent for agent in agents if agent.id == wanted]
    by_name = [agent for agent in agents if agent.name == wanted]
    by_any_case = [agent for agent in agents if agent.name.casefold() == wanted.casefold()]
    return next(iter((*by_id, *by_name, *by_any_case)), None)


def naming(missing: Sequence[Agent], answer: Answer) -> Answer:
    """The answer with a line that names the agents it had to do without; itself where none is missing."""
    if not missing:
        return answer
    names = ", ".join(agent.name for agent in missing)
    text = f"{answer.text}\n\n(Left out, because of a failure: {names}.)"
    return answer.model_copy(update={"text": text, "ref": None})


def fallback(flow: Agentflow) -> Agent | None:
    """The agent of `fallback_agent_id`, None where it is not set. Raises StepFailedError when it names nobody."""
    reference = flow.supervisor_config.fallback_agent_id
    return None if reference is None else _named(flow, reference, "supervisor_config.fallback_agent_id")


def by_turn(flow: Agentflow) -> list[Choice]:
    """round_robin: every agent once, in the order of the flow; those it depends on before it."""
    by_id = {agent.id: agent for agent in flow.agents}
    alike = [agent.model_copy(update={"priority": 1}) for agent in flow.agents]
    return [Choice(by_id[agent.id], "It is next in turn.") for agent in in_sequence(alike)]


def by_priority(flow: Agentflow) -> list[Choice]:
    """priority: every agent once, the lowest number first; those it depends on before it."""
    return [Choice(agent, f"Its priority is {agent.priority}, and 1 goes first.") for agent in in_sequence(flow.agents)]


def by_rules(flow: Agentflow, task: str) -> Choice:
    """rule_based: one agent for the task.

    The first rule one of whose words stands in the task; else the agent most of whose capabilities stand in it; else
    the fallback; else the first by priority. Raises StepFailedError when a rule or the fallback names nobody.
    """
    for number, rule in enumerate(flow.supervisor_config.rules, 1):
        word = next((word for word in rule.when if _stands_in(word, task)), None)
        if word is not None:
            agent = _named(flow, rule.agent, f"rule {number} of supervisor_config.rules")
            return Choice(agent, f"Rule {number}: the task has '{word}'.")
    ranked = sorted(flow.agents, key=lambda agent: agent.priority)
    matches = {agent.id: [word for word in agent.capabilities if _stands_in(word, task)] for agent in ranked}
    best = max(ranked, key=lambda agent: len(matches[agent.id]))
    if matches[best.id]:
        return Choice(best, f"Its capabilities fit the task: {', '.join(matches[best.id])}.")
    last_resort = fallback(flow)
    if last_resort is not None:
        return Choice(last_resort, "No rule and no capability fits the task: the fallback.", is_fallback=True)
    return Choice(ranked[0], "No rule and no capability fits the task: the first by priority.", is_fallback=True)


def _named(flow: Agentflow, reference: str, setting: str) -> Agent:
    agent = find(flow.agents, reference)
    if agent is None:
        msg = f"'{reference}' in {setting} is no id or name of an agent of this flow: correct it."
        raise StepFailedError(msg)
    return agent


def _stands_in(word: str, task: str) -> bool:
    """Whether the word, or the words, stand in the task, whatever their case.

    «art» does not stand in «party»; languages that write without blanks, or put endings on words, are matched within.
    """
    words = r"\s+".join(map(re.escape, word.casefold().split()))
    return bool(words) and re.search(rf"(?<![a-z0-9_]){words}(?![a-z0-9_])", task.casefold()) is not None
