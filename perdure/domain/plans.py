"""The stages a team would run in, said without running it."""

from pydantic import BaseModel, ConfigDict, Field

from perdure.domain.flows import AgentflowFields, OrchestrationType
from perdure.domain.teams import Agent, in_sequence, in_waves, resolve_dependencies

_KNOWN_BEFORE = frozenset({OrchestrationType.SEQUENTIAL, OrchestrationType.PARALLEL})


class PlannedAgent(BaseModel):
    """An agent in its place."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    role: str | None
    priority: int
    dependencies: list[str] = Field(description="Ids of the agents it waits for, whether it named ids or names.")


class PlanStage(BaseModel):
    """Agents that run together once the stages before are done."""

    model_config = ConfigDict(frozen=True)

    stage: int = Field(ge=1, description="1 goes first.")
    agents: list[PlannedAgent]


class ExecutionPlan(BaseModel):
    """The order of a team."""

    model_config = ConfigDict(frozen=True)

    orchestration_type: OrchestrationType
    dynamic: bool = Field(
        description="Whether the run itself decides who works next; the stages then say only what needs what."
    )
    stages: list[PlanStage]


def plan(flow: AgentflowFields) -> ExecutionPlan:
    """Say who runs when: one agent a stage for a sequential team, else all whose dependencies are met."""
    needs = resolve_dependencies(flow.agents)

    def placed(agent: Agent) -> PlannedAgent:
        return PlannedAgent(
            id=agent.id,
            name=agent.name,
            role=agent.role,
            priority=agent.priority,
            dependencies=[other.id for other in flow.agents if other.id in needs[agent.id]],
        )

    if flow.orchestration_type is OrchestrationType.SEQUENTIAL:
        waves = [[agent] for agent in in_sequence(flow.agents)]
    else:
        waves = in_waves(flow.agents)
    return ExecutionPlan(
        orchestration_type=flow.orchestration_type,
        dynamic=flow.orchestration_type not in _KNOWN_BEFORE,
        stages=[
            PlanStage(stage=number, agents=[placed(agent) for agent in wave]) for number, wave in enumerate(waves, 1)
        ],
    )
