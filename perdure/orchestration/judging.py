"""Decisions for a team: the supervisor as judge, how the team is shown to it, what all forms have in common."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

from perdure.domain.flows import Agentflow
from perdure.domain.teams import Agent
from perdure.orchestration import solo
from perdure.orchestration.steps import StepFailedError

AnyChoice = TypeVar("AnyChoice", bound="Choice")

LINE_CHARACTERS = 300
"""What is shown of one agent: enough to choose by, short enough for small models."""


class Choice(BaseModel):
    """A form that a model fills in: flat, every field required, so that small models and strict schemas manage it."""

    # Strict schemas forbid other fields; an answer of a model without them may bring some along.
    model_config = ConfigDict(
        frozen=True, coerce_numbers_to_str=True, json_schema_extra={"additionalProperties": False}
    )


def limited(form: type[AnyChoice], options: Mapping[str, Sequence[str]]) -> type[AnyChoice]:
    """The form with these options for each of these fields in its schema, so that a model held to it takes no other.

    Models that are not held to schemas answer what they like: `check` in `Steps.decide` is still needed.
    """
    fields: dict[str, Any] = {}
    for name, allowed in options.items():
        info = form.model_fields[name]
        fields[name] = (
            info.annotation,
            Field(description=info.description, json_schema_extra={"enum": list[JsonValue](allowed)}),
        )
    return create_model(form.__name__, __base__=form, __doc__=form.__doc__, **fields)


def judge(flow: Agentflow, instructions: str) -> Agent:
    """The supervisor as one who decides, with these instructions."""
    about = f" {flow.description}" if flow.description else ""
    prompt = f"You are the supervisor of the team '{flow.name}'.{about} {instructions}"
    return solo.supervisor(flow).model_copy(update={"system_prompt": prompt})


def ranked(agents: Sequence[Agent]) -> list[Agent]:
    """The agents by priority, then in the order given. Dependencies do not count."""
    return sorted(agents, key=lambda agent: agent.priority)


def names_of(agents: Sequence[Agent]) -> dict[str, str]:
    """What each agent is called, by id: its name, with its id behind it where another one has the same name."""
    held = Counter(agent.name for agent in agents)
    return {agent.id: agent.name if held[agent.name] == 1 else f"{agent.name} ({agent.id})" for agent in agents}


def roster(agents: Sequence[Agent]) -> str:
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
