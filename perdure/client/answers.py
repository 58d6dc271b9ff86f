"""The pages of lists, and what is sent to make or change a flow. All else are the domain's models."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from perdure.domain.approvals import Approval
from perdure.domain.executions import Execution
from perdure.domain.flows import AgentflowView, ChatflowView

FlowViews = AgentflowView | ChatflowView
FlowFields = Mapping[str, JsonValue]
"""Fields of a flow as the API takes them; those left out take their defaults, or stay as they are."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class ExecutionPage(_Answer):
    """Executions, and how many there are in all."""

    executions: Sequence[Execution]
    total: int


class ApprovalPage(_Answer):
    """Approvals, and how many there are in all."""

    approvals: Sequence[Approval]
    total: int


class Deleted(_Answer):
    """What was deleted."""

    success: bool
    id: UUID
