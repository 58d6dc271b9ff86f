"""Decisions of people that runs wait for."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Verdict = Literal["approve", "reject", "edit"]

NOT_FOUND = "ApprovalNotFound"
CLOSED = "ApprovalClosed"
REPEATED = "ApprovalRepeated"
NOT_ENTITLED = "ApprovalNotEntitled"
"""Why a decision does not count: the types of the errors that a run refuses one with."""


class ApprovalDecision(BaseModel):
    """What somebody decided about one approval, as the run is told."""

    model_config = ConfigDict(frozen=True)

    approval_id: str
    decision: Verdict
    user_id: int
    email: str
    comment: str | None = None
    edited_arguments: dict[str, JsonValue] | None = None


class ApprovalStanding(BaseModel):
    """Where an approval stands after a decision that counts."""

    model_config = ConfigDict(frozen=True)

    approval_id: str
    decision: Verdict | None = Field(description="None: more people have to agree.")
    approved_by: list[str]
    quorum: int
