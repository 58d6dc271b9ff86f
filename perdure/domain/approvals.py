"""Decisions of people that runs wait for."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from json import dumps
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Verdict = Literal["approve", "reject", "edit"]
ApprovalKind = Literal["agent", "tool"]

DECIDE = "decide"
"""The update of a run by which people decide what it asks them."""

NOT_FOUND = "ApprovalNotFound"
CLOSED = "ApprovalClosed"
REPEATED = "ApprovalRepeated"
CHANGED = "ApprovalChanged"
NOT_ENTITLED = "ApprovalNotEntitled"
BAD_EDIT = "ApprovalBadEdit"
"""Why a decision does not count: the types of the errors that a run refuses one with."""


class ApprovalStatus(StrEnum):
    """Where an approval stands. `cancelled`: its run, or the part of it that asked, has ended undecided."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EDITED = "edited"
    CANCELLED = "cancelled"


def revision_of(arguments: Mapping[str, JsonValue]) -> str:
    """A name for what is asked: the same for the same arguments, another once somebody has edited them."""
    return sha256(dumps(arguments, sort_keys=True).encode()).hexdigest()[:16]


class ApprovalDecision(BaseModel):
    """What somebody decided about one approval, as the run is told."""

    model_config = ConfigDict(frozen=True)

    approval_id: str
    decision: Verdict
    user_id: int
    email: str
    comment: str | None = None
    edited_arguments: dict[str, JsonValue] | None = None
    revision: str | None = Field(default=None, description="Of the arguments it is about; it counts for no others.")


class ApprovalStanding(BaseModel):
    """Where an approval stands after a decision that counts."""

    model_config = ConfigDict(frozen=True)

    approval_id: str
    status: ApprovalStatus = Field(description="`pending`: more people have to agree.")
    arguments: dict[str, JsonValue]
    revision: str
    approved_by: list[str]
    decided_by: list[str]
    comment: str | None
    decided_at: datetime | None


class Approval(BaseModel):
    """One approval as people see it."""

    model_config = ConfigDict(frozen=True)

    execution_id: UUID
    approval_id: str
    user_id: int = Field(description="Who started the run.")
    flow_name: str | None
    kind: ApprovalKind
    node_id: str = Field(description="The agent that is to begin, or to call a tool.")
    title: str
    arguments: dict[str, JsonValue] = Field(description="A tool's arguments, or an agent's `task`, as they now stand.")
    revision: str = Field(description="Changes when somebody edits the arguments.")
    approvers: list[str] = Field(description="Email addresses; empty: whoever started the run.")
    quorum: int = Field(description="So many must approve; one rejection rejects.")
    approved_by: list[str] = Field(description="Who has approved these arguments so far.")
    deadline: datetime | None
    default_decision: Literal["approve", "reject"] = Field(description="At the deadline.")
    status: ApprovalStatus
    decided_by: list[str] = Field(description="Empty while it is pending, and where the deadline decided.")
    comment: str | None
    created_at: datetime
    decided_at: datetime | None
