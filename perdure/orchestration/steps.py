"""The protocol between a strategy and whatever carries its steps out: a workflow, or a test in milliseconds."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from perdure.domain.runs import StepRef
from perdure.domain.teams import Agent


class Answer(BaseModel):
    """What an agent answered, and where its words are kept."""

    model_config = ConfigDict(frozen=True)

    agent_id: str
    label: str
    text: str
    ref: StepRef


class Steps(Protocol):
    """What a strategy can have done for it."""

    async def ask(self, agent: Agent, *, after: Sequence[Answer]) -> Answer:
        """Give the agent the run's task and the answers that came before; return its own.

        Raises whatever ends the run when the agent gives up.
        """
        ...
