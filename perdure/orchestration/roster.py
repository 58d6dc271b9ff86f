"""The team as models are told of it: what its agents are called, what each is for, whom a name means."""

from collections import Counter
from collections.abc import Sequence

from perdure.domain.teams import Agent
from perdure.orchestration.steps import StepFailedError

LINE_CHARACTERS = 300
"""What is shown of one agent: enough to choose by, short enough for small models."""


def ranked(agents: Sequence[Agent]) -> list[Agent]:
    """The agents by priority, then in the order given. Dependencies do not count."""
    return sorted(agents, key=lambda agent: agent.priority)


def names_of(agents: Sequence[Agent]) -> dict[str, str]:
    """What each agent is called, by id: its name, with its id behind it where another one has the same name."""
    held = Counter(agent.name for agent in agents)
    return {agent.id: agent.name if held[agent.name] == 1 else f"{agent.name} ({agent.id})" for agent in agents}


def listing(agents: Sequence[Agent]) -> str:
    """The team as a list, a line an agent: what it is called, its role, what it does and can."""
    names = names_of(agents)
    return "\n".join(_line(names[agent.id], agent) for agent in agents)


def _line(name: str, agent: Agent) -> str:
    abilities = f"Can: {', '.join(agent.capabilities)}." if agent.capabilities else ""
    parts = [part for part in (agent.role, agent.description, abilities) if part]
    line = f"- {name}: {' '.join(' – '.join(parts).split())}" if parts else f"- {name}"
    return line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]}…"


def find(reference: str, agents: Sequence[Agent]) -> Agent | None:
    """The agent that is called so, or has this id; None where there is none. Case and space around do not count."""
    wanted = reference.strip().casefold()
    names = names_of(agents)
    called = [agent for agent in agents if wanted in (agent.id.casefold(), names[agent.id].casefold())]
    return called[0] if called else None


def stranger(reference: str, agents: Sequence[Agent]) -> str | None:
    """What is said to who named an agent that is not of the team; None where it is."""
    if find(reference, agents) is not None:
        return None
    return f"There is no agent '{reference}'. The agents are: {', '.join(names_of(agents).values())}."


def member(reference: str, agents: Sequence[Agent]) -> Agent:
    """The agent that is called so. Raises StepFailedError where there is none."""
    found = find(reference, agents)
    if found is None:
        raise StepFailedError(stranger(reference, agents))
    return found
