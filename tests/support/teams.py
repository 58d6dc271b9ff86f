"""Teams of unit tests: agentflows as a run sees them, without a database."""

from datetime import UTC, datetime
from uuid import UUID

from perdure.domain.flows import Agentflow, OrchestrationType
from perdure.domain.teams import Agent

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def team(orchestration_type: OrchestrationType, *agents: Agent, **fields: object) -> Agentflow:
    """A flow of these agents."""
    return Agentflow.model_validate(
        {
            "id": UUID(int=1),
            "user_id": 1,
            "version": 1,
            "created_at": NOW,
            "updated_at": NOW,
            "name": "Team",
            "orchestration_type": orchestration_type,
            "agents": list(agents),
            **fields,
        }
    )
