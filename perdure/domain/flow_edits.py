"""How a kept flow changes: some of its fields, or one agent of its team."""

from collections.abc import Mapping
from typing import cast

from pydantic import JsonValue, ValidationError

from perdure.domain.errors import ConflictError, NotFoundError
from perdure.domain.flows import (
    READ_ONLY_FIELDS,
    Agentflow,
    AgentflowCreate,
    Chatflow,
    ChatflowCreate,
    FlowCreate,
)
from perdure.domain.teams import Agent, resolve_dependencies
from perdure.domain.validation import unprocessable


def settable_fields(flow: Agentflow | Chatflow | FlowCreate) -> dict[str, JsonValue]:
    """What callers may set on a flow, as JSON values."""
    return cast("dict[str, JsonValue]", flow.model_dump(mode="json", exclude=set(READ_ONLY_FIELDS)))


def overlay(flow: Agentflow | Chatflow, given: Mapping[str, JsonValue]) -> FlowCreate:
    """Lay the given top-level fields over the flow's own.

    Raises:
        UnprocessableError: the result would not be a flow of the same kind.
    """
    model = AgentflowCreate if isinstance(flow, Agentflow) else ChatflowCreate
    try:
        return model.model_validate({**settable_fields(flow), **given})
    except ValidationError as error:
        raise unprocessable(error) from error


def add_agent(flow: Agentflow, agent: Mapping[str, JsonValue]) -> FlowCreate:
    """Put one more agent at the end of the team.

    Raises:
        ConflictError: an agent of the team has this id.
        UnprocessableError: the agent, or the team with it, does not validate.
    """
    newcomer = _agent(agent)
    if any(member.id == newcomer.id for member in flow.agents):
        raise ConflictError("An agent of this flow has this id already: leave the id out, or change that agent.")
    return _with_team(flow, [*flow.agents, newcomer])


def change_agent(flow: Agentflow, agent_id: str, given: Mapping[str, JsonValue]) -> FlowCreate:
    """Lay the given fields over one agent's own; its id stays.

    Raises:
        NotFoundError: the team has no such agent.
        UnprocessableError: the agent, or the team with it, does not validate.
    """
    member = _member(flow, agent_id)
    changed = _agent({**member.model_dump(mode="json"), **given, "id": agent_id})
    return _with_team(flow, [changed if agent.id == agent_id else agent for agent in flow.agents])


def remove_agent(flow: Agentflow, agent_id: str) -> FlowCreate:
    """Take one agent out of the team.

    Raises:
        NotFoundError: the team has no such agent.
        ConflictError: other agents depend on it.
    """
    member = _member(flow, agent_id)
    needs = resolve_dependencies(flow.agents)
    dependants = [f"'{agent.name}'" for agent in flow.agents if agent_id in needs[agent.id]]
    if dependants:
        raise ConflictError(
            f"{', '.join(dependants)} depend on agent '{member.name}': change their dependencies first."
            if len(dependants) > 1
            else f"{dependants[0]} depends on agent '{member.name}': change its dependencies first."
        )
    return _with_team(flow, [agent for agent in flow.agents if agent.id != agent_id])


def _agent(fields: Mapping[str, object]) -> Agent:
    try:
        return Agent.model_validate(fields)
    except ValidationError as error:
        raise unprocessable(error) from error


def _member(flow: Agentflow, agent_id: str) -> Agent:
    for agent in flow.agents:
        if agent.id == agent_id:
            return agent
    raise NotFoundError("This flow has no agent with this id.")


def _with_team(flow: Agentflow, agents: list[Agent]) -> FlowCreate:
    return overlay(flow, {"agents": [agent.model_dump(mode="json") for agent in agents]})
