"""What a run puts down while it works: decisions, handoffs, votes, fallbacks, approvals. Each is an event of the run.

Workflows record them as local activities, so that they stand in Temporal's history with a summary that people read.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class _Note(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DecisionMade(_Note):
    """Somebody chose how the run goes on."""

    type: Literal["DecisionMade"] = "DecisionMade"
    by: str = Field(description="Who chose: `Supervisor`, an agent, or a rule such as `round_robin`.")
    about: Literal["next", "pattern", "route", "sufficiency", "verdict", "failure"]
    choice: str
    alternatives: list[str] = Field(default_factory=list[str], description="What else could have been chosen.")
    reason: str
    is_fallback: bool = Field(default=False, description="Whether nobody chose validly and the fallback was taken.")

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"{self.by} chose {self.choice}: {self.reason}"


class HandedOver(_Note):
    """An agent gave the work to another."""

    type: Literal["HandedOver"] = "HandedOver"
    from_agent: str
    to_agent: str
    reason: str
    hop: int = Field(ge=1)

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"{self.from_agent} hands over to {self.to_agent}: {self.reason}"


class Ballot(_Note):
    """One vote."""

    by: str
    choice: str
    reason: str


class VotesCounted(_Note):
    """A vote was held."""

    type: Literal["VotesCounted"] = "VotesCounted"
    ballots: list[Ballot]
    counts: dict[str, int]
    winner: str
    tie_broken_by: str | None = Field(default=None, description="What decided between equals.")

    @property
    def summary(self) -> str:
        """One line for people."""
        counted = ", ".join(f"{choice} {count}" for choice, count in self.counts.items())
        return f"{self.winner} wins the vote ({counted})"


class ModelFellBack(_Note):
    """An agent's model gave up and the next of its models was asked."""

    type: Literal["ModelFellBack"] = "ModelFellBack"
    node_id: str
    node_label: str
    from_model: str
    to_model: str
    reason: str

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"{self.node_label} falls back to {self.to_model}"


class AgentLeftOut(_Note):
    """The team went on without an agent that had given up."""

    type: Literal["AgentLeftOut"] = "AgentLeftOut"
    node_id: str
    node_label: str
    reason: str

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"goes on without {self.node_label}"


class ApprovalRequested(_Note):
    """The run waits for people to decide."""

    type: Literal["ApprovalRequested"] = "ApprovalRequested"
    approval_id: str
    kind: Literal["agent", "tool"]
    node_id: str
    title: str = Field(description="What shall be done, for people: `Writer calls http_request`.")
    arguments: dict[str, JsonValue] = Field(description="What can be edited: a tool's arguments, or an agent's `task`.")
    revision: str = Field(description="Names these arguments; a decision may say which ones it is about.")
    approvers: list[str] = Field(description="Email addresses; empty: whoever started the run.")
    quorum: int
    deadline: datetime | None
    default_decision: Literal["approve", "reject"]

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"waits for approval: {self.title}"


class ApprovalCounted(_Note):
    """A decision counted, and more people have to agree."""

    type: Literal["ApprovalCounted"] = "ApprovalCounted"
    approval_id: str
    arguments: dict[str, JsonValue] = Field(description="What they have to agree to; edited, where somebody did.")
    revision: str
    approved_by: list[str] = Field(description="Email addresses.")
    quorum: int
    comment: str | None

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"approval: {len(self.approved_by)} of {self.quorum} by {', '.join(self.approved_by)}"


class ApprovalClosed(_Note):
    """People have decided, the time for it was over, or what asked is no longer there."""

    type: Literal["ApprovalClosed"] = "ApprovalClosed"
    approval_id: str
    decision: Literal["approve", "reject", "edit", "withdraw"]
    arguments: dict[str, JsonValue] = Field(description="What was decided on.")
    revision: str
    approved_by: list[str] = Field(description="Email addresses.")
    decided_by: list[str] = Field(description="Email addresses; empty: nobody did.")
    comment: str | None
    decided_at: datetime | None

    @property
    def summary(self) -> str:
        """One line for people."""
        nobody = "cancelled run" if self.decision == "withdraw" else "deadline"
        return f"approval: {self.decision} by {', '.join(self.decided_by) or nobody}"


Note = (
    DecisionMade
    | HandedOver
    | VotesCounted
    | ModelFellBack
    | AgentLeftOut
    | ApprovalRequested
    | ApprovalCounted
    | ApprovalClosed
)
AnyNote = Annotated[Note, Field(discriminator="type")]
