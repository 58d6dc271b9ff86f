"""The rules of one approval: who may decide, what counts, and when it is over. Pure: the clock is an argument."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from perdure.domain.approvals import (
    BAD_EDIT,
    CHANGED,
    CLOSED,
    NOT_ENTITLED,
    REPEATED,
    ApprovalDecision,
    ApprovalStanding,
    ApprovalStatus,
    revision_of,
)
from perdure.domain.notes import ApprovalClosed, ApprovalCounted, ApprovalRequested
from perdure.domain.states import PendingApproval

Ending = Literal["approve", "reject", "edit", "withdraw"]
STATUS_OF: dict[Ending, ApprovalStatus] = {
    "approve": ApprovalStatus.APPROVED,
    "reject": ApprovalStatus.REJECTED,
    "edit": ApprovalStatus.EDITED,
    "withdraw": ApprovalStatus.CANCELLED,
}


class RefusedError(Exception):
    """A decision does not count; the message is a sentence for whoever made it."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind
        """One of the constants of `perdure.domain.approvals`."""


@dataclass(frozen=True)
class Outcome:
    """How an approval ended: `arguments` are what to go on with where it was not rejected."""

    approved: bool
    arguments: dict[str, JsonValue]
    told: str
    """A sentence that says who decided, and why where they said so."""


class Case:
    """One approval: what is asked, who has agreed, and how it ended."""

    def __init__(self, request: ApprovalRequested, *, owner_id: int) -> None:
        self.request = request
        self.counted = 0
        """How many decisions have counted."""
        self._owner_id = owner_id
        self._arguments = request.arguments
        self._revision = request.revision
        self._approved_by: dict[int, str] = {}
        self._edited = False
        self._ending: Ending | None = None
        self._decided_by: list[str] = []
        self._comment: str | None = None
        self._decided_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it waits for decisions."""
        return self._ending is None

    def decide(self, given: ApprovalDecision, at: datetime) -> ApprovalStanding:
        """Count a decision. Raises RefusedError when it does not count; nothing is changed then."""
        self._check(given)
        self.counted += 1
        self._comment = given.comment or self._comment
        if given.decision == "reject":
            self._comment = given.comment
            self._close("reject", [given.email], at)
            return self.standing()
        if given.decision == "edit" and given.edited_arguments is not None:
            # Who agreed before agreed to something else.
            self._arguments, self._approved_by, self._edited = given.edited_arguments, {}, True
            self._revision = revision_of(given.edited_arguments)
        self._approved_by[given.user_id] = given.email
        if len(self._approved_by) >= self.request.quorum:
            self._close("edit" if self._edited else "approve", list(self._approved_by.values()), at)
        return self.standing()

    def expire(self, at: datetime) -> None:
        """Let the deadline decide, unless somebody has."""
        if self.is_open:
            self._comment = "Nobody decided before the deadline."
            if self._approved_by:
                self._comment = f"{len(self._approved_by)} of {self.request.quorum} approved before the deadline."
            if self._edited:
                # An edit on which too few agreed is no part of what the deadline approves.
                self._arguments, self._revision = self.request.arguments, self.request.revision
                self._approved_by = {}
            self._close(self.request.default_decision, [], at)

    def withdraw(self, at: datetime) -> None:
        """End it undecided: what asked for it is no longer there."""
        if self.is_open:
            self._close("withdraw", [], at)

    def standing(self) -> ApprovalStanding:
        """Where it stands."""
        return ApprovalStanding(
            approval_id=self.request.approval_id,
            status=ApprovalStatus.PENDING if self._ending is None else STATUS_OF[self._ending],
            arguments=self._arguments,
            revision=self._revision,
            approved_by=list(self._approved_by.values()),
            decided_by=self._decided_by,
            comment=self._comment,
            decided_at=self._decided_at,
        )

    def pending(self) -> PendingApproval:
        """What is asked, with the arguments as they stand and who has agreed to them."""
        said = self.request.model_dump() | self.progress().model_dump(include={"arguments", "revision", "approved_by"})
        return PendingApproval.model_validate(said)

    def progress(self) -> ApprovalCounted:
        """The note of a decision that counted without closing it."""
        return ApprovalCounted(
            approval_id=self.request.approval_id,
            arguments=self._arguments,
            revision=self._revision,
            approved_by=list(self._approved_by.values()),
            quorum=self.request.quorum,
            comment=self._comment,
        )

    def closing(self) -> ApprovalClosed:
        """The note of its end."""
        return ApprovalClosed(
            approval_id=self.request.approval_id,
            decision=self._ending or "withdraw",
            arguments=self._arguments,
            revision=self._revision,
            approved_by=list(self._approved_by.values()),
            decided_by=self._decided_by,
            comment=self._comment,
            decided_at=self._decided_at,
        )

    def outcome(self) -> Outcome:
        """What it means for whoever asked."""
        approved = self._ending in {"approve", "edit"}
        who = ", ".join(self._decided_by) or "The deadline"
        because = f": {self._comment}" if self._comment else "."
        return Outcome(approved, self._arguments, f"{who} {'approved' if approved else 'rejected'} this{because}")

    def _check(self, given: ApprovalDecision) -> None:
        if not self._may_decide(given):
            raise RefusedError(NOT_ENTITLED, "You are not among those who decide this.")
        if not self.is_open:
            raise RefusedError(CLOSED, "This has been decided already, or is no longer asked: nothing is changed.")
        if given.revision is not None and given.revision != self._revision:
            raise RefusedError(CHANGED, "What is asked has changed since you looked: read it again, then decide.")
        wrong = _edit_problem(self.request, given)
        if wrong is not None:
            raise RefusedError(BAD_EDIT, wrong)
        if given.decision == "approve" and given.user_id in self._approved_by:
            raise RefusedError(REPEATED, "You have approved this already: others have to agree.")

    def _may_decide(self, given: ApprovalDecision) -> bool:
        if self.request.approvers:
            return given.email.lower() in {email.lower() for email in self.request.approvers}
        return given.user_id == self._owner_id

    def _close(self, ending: Ending, decided_by: list[str], at: datetime) -> None:
        self._ending, self._decided_by, self._decided_at = ending, decided_by, at


def _edit_problem(request: ApprovalRequested, given: ApprovalDecision) -> str | None:
    """What is wrong with the edited arguments of a decision, None where nothing is."""
    edited = given.edited_arguments
    if (given.decision == "edit") != (edited is not None):
        return "Send edited_arguments with the decision `edit`, and with no other."
    if edited is None or request.kind == "tool":
        return None
    task = edited.get("task")
    if len(edited) == 1 and isinstance(task, str) and task.strip():
        return None
    return 'An agent is given a task: send edited_arguments as {"task": "…"}.'
