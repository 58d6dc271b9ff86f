"""How a team works together: one file a strategy, each a plain async function over the `Steps` protocol."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from perdure.domain.flows import Agentflow, Chatflow, OrchestrationType
from perdure.domain.runs import ASSISTANT
from perdure.orchestration import (
    adaptive,
    consensus_building,
    dynamic_routing,
    hierarchical,
    parallel,
    reflection,
    sequential,
    solo,
    swarm,
)
from perdure.orchestration.steps import Answer, Steps

Strategy = Callable[[Agentflow, Steps], Awaitable[Answer]]

STRATEGIES: Mapping[OrchestrationType, Strategy] = MappingProxyType(
    {
        OrchestrationType.SEQUENTIAL: sequential.run,
        OrchestrationType.PARALLEL: parallel.run,
        OrchestrationType.HIERARCHICAL: hierarchical.run,
        OrchestrationType.ADAPTIVE: adaptive.run,
        OrchestrationType.CONSENSUS_BUILDING: consensus_building.run,
        OrchestrationType.REFLECTION: reflection.run,
        OrchestrationType.DYNAMIC_ROUTING: dynamic_routing.run,
        OrchestrationType.SWARM: swarm.run,
    }
)
"""The orchestration types that can run. A flow of another type can be kept, not executed."""


async def work(flow: Agentflow, steps: Steps) -> Answer:
    """Run the team by its own strategy."""
    strategy = STRATEGIES[flow.orchestration_type] if flow.agents else solo.run
    return await strategy(flow, steps)


def answering_step(flow: Agentflow | Chatflow) -> str | None:
    """The step whose first words are already the run's answer; None where that shows only at the end.

    Who has tools speaks before it calls them, and a team's strategy may choose late who answers.
    """
    if isinstance(flow, Chatflow):
        return None if flow.tools else ASSISTANT
    if not flow.agents:
        return solo.supervisor(flow).id
    if flow.orchestration_type is not OrchestrationType.SEQUENTIAL:
        return None
    last = sequential.plan(flow)[-1]
    return None if last.tools or last.output_schema else last.id
