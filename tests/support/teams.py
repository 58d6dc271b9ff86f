"""Agentflows of unit tests, without a database."""

from datetime import UTC, datetime
from uuid import UUID

from perdure.domain.flows import Agentflow
from perdure.domain.teams import Agent

ID = UUID(int=1)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def team(*agents: Agent, **fields: object) -> Agentflow:
    """An agentflow of these agents."""
    return Agentflow.model_validate(
        {
            "id": ID,
            "user_id": 1,
            "version": 1,
            "created_at": NOW,
            "updated_at": NOW,
            "name": "Team",
            "agents": list(agents),
            **fields,
        }
    )
