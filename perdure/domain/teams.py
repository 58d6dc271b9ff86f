"""The agents of an agentflow and the order their dependencies give them."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Annotated
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from perdure.domain.generation import ModelRef
from perdure.domain.schemas import check_schema
from perdure.domain.tools import ApprovalPolicy, RequiresApproval, policy_of

Temperature = Annotated[float, Field(ge=0, le=2)]
MaxTokens = Annotated[int, Field(ge=1, le=10_000_000)]
Prompt = Annotated[str, Field(max_length=1_000_000)]
ToolReference = str | dict[str, JsonValue]


class Agent(BaseModel):
    """One member of a team. Without a model of its own it uses the supervisor's, else the default model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(default_factory=lambda: str(uuid4()), min_length=1, max_length=255)
    agent_id: str | None = Field(default=None, max_length=255, description="A reference to an agent kept elsewhere.")
    name: str = Field(min_length=1, max_length=255, pattern=r"\S")
    role: str | None = Field(default=None, max_length=10_000)
    description: str | None = Field(default=None, max_length=100_000)
    system_prompt: Prompt | None = None
    llm_provider: str | None = Field(default=None, max_length=100)
    llm_model: str | None = Field(default=None, max_length=255)
    temperature: Temperature | None = None
    max_tokens: MaxTokens | None = None
    tools: list[ToolReference] = Field(default_factory=list[ToolReference], max_length=100)
    capabilities: list[str] = Field(default_factory=list[str], max_length=100)
    priority: int = Field(default=1, ge=1, le=1_000_000, description="1 goes first.")
    max_retries: int = Field(default=3, ge=0, le=100, description="Further attempts after a failure that may pass.")
    timeout_seconds: float = Field(default=60.0, gt=0, le=86_400, description="For one attempt of a model call.")
    dependencies: list[str] = Field(
        default_factory=list[str], max_length=200, description="Ids or names of agents of this flow that go before."
    )
    fallback_models: list[str] = Field(
        default_factory=list[str],
        max_length=10,
        description="`provider:model`, asked in this order when the one before has given up.",
    )
    output_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON Schema of an object that the answer must be; checked, and mended once."
    )
    max_steps: int = Field(default=10, ge=1, le=100, description="Model calls that one answer with tools may take.")
    requires_approval: RequiresApproval = Field(default=False, description="Whether people decide before it begins.")

    @field_validator("fallback_models")
    @classmethod
    def _name_models(cls, names: list[str]) -> list[str]:
        for name in names:
            ModelRef.parse(name)
        return names

    @field_validator("output_schema")
    @classmethod
    def _is_a_schema(cls, schema: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        if schema is not None:
            check_schema(schema)
        return schema

    @property
    def approval(self) -> ApprovalPolicy | None:
        """Who must agree before it begins, None where nobody need."""
        return policy_of(self.requires_approval)


def resolve_dependencies(agents: Sequence[Agent]) -> dict[str, frozenset[str]]:
    """Map each agent's id to the ids of the agents it waits for.

    Raises ValueError with a sentence for the caller when ids repeat, a name is unknown or ambiguous, or there is a
    cycle.
    """
    by_id = {agent.id: agent for agent in agents}
    if len(by_id) != len(agents):
        msg = "Give every agent an id of its own: two agents of this flow share one."
        raise ValueError(msg)
    ids_by_name: dict[str, list[str]] = {}
    for agent in agents:
        ids_by_name.setdefault(agent.name, []).append(agent.id)
    resolved: dict[str, frozenset[str]] = {}
    for agent in agents:
        resolved[agent.id] = frozenset(
            reference if reference in by_id else _id_for_name(agent, reference, ids_by_name)
            for reference in agent.dependencies
        )
    _refuse_cycle(resolved, by_id)
    return resolved


def _id_for_name(agent: Agent, name: str, ids_by_name: dict[str, list[str]]) -> str:
    ids = ids_by_name.get(name, [])
    if not ids:
        msg = f"Agent '{agent.name}' depends on '{name}', which is no id or name of an agent of this flow."
        raise ValueError(msg)
    if len(ids) > 1:
        msg = f"Agent '{agent.name}' depends on '{name}', a name that several agents have: use the agent's id."
        raise ValueError(msg)
    return ids[0]


def _refuse_cycle(dependencies: dict[str, frozenset[str]], by_id: dict[str, Agent]) -> None:
    left = dict(dependencies)
    while ready := [agent_id for agent_id, needs in left.items() if not needs & left.keys()]:
        for agent_id in ready:
            del left[agent_id]
    if left:
        names = ", ".join(f"'{by_id[agent_id].name}'" for agent_id in left)
        msg = f"The dependencies of {names} go round in a circle: remove one of them."
        raise ValueError(msg)


def in_sequence(agents: Sequence[Agent]) -> list[Agent]:
    """Order the agents for running one after another: dependencies first, then priority, then the order given."""
    needs = {agent_id: set(before) for agent_id, before in resolve_dependencies(agents).items()}
    rank = {agent.id: (agent.priority, position) for position, agent in enumerate(agents)}
    by_id = {agent.id: agent for agent in agents}
    ready = [(*rank[agent_id], agent_id) for agent_id, before in needs.items() if not before]
    heapify(ready)
    ordered: list[Agent] = []
    while ready:
        done = heappop(ready)[-1]
        ordered.append(by_id[done])
        for agent_id, before in needs.items():
            if done in before:
                before.discard(done)
                if not before:
                    heappush(ready, (*rank[agent_id], agent_id))
    return ordered


def in_waves(agents: Sequence[Agent]) -> list[list[Agent]]:
    """Group the agents into waves: each needs only agents of earlier waves. Within a wave: by priority, then order."""
    left = resolve_dependencies(agents)
    rank = {agent.id: (agent.priority, position) for position, agent in enumerate(agents)}
    by_id = {agent.id: agent for agent in agents}
    waves: list[list[Agent]] = []
    while left:
        ready = sorted((agent_id for agent_id, needs in left.items() if not needs & left.keys()), key=rank.__getitem__)
        waves.append([by_id[agent_id] for agent_id in ready])
        for agent_id in ready:
            del left[agent_id]
    return waves
