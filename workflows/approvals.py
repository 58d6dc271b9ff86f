"""People decide: what a run asks them, what they answer by an update, and what happens when nobody does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from perdure.domain.approvals import (
        CLOSED,
        NOT_ENTITLED,
        NOT_FOUND,
        REPEATED,
        ApprovalDecision,
        ApprovalStanding,
        Verdict,
    )
    from perdure.domain.notes import ApprovalClosed, ApprovalRequested, Note
    from perdure.domain.runs import RunInput
    from perdure.domain.tools import ApprovalPolicy


@dataclass
class _Case:
    """One approval: what is asked, who has agreed, and how it ended."""

    request: ApprovalRequested
    arguments: dict[str, JsonValue]
    approved_by: list[str] = field(default_factory=list[str])
    decision: Verdict | None = None
    decided_by: list[str] = field(default_factory=list[str])
    comment: str | None = None
    edited: bool = False


@dataclass(frozen=True)
class Outcome:
    """How an approval ended: `arguments` are what to go on with where it was not rejected."""

    approved: bool
    arguments: dict[str, JsonValue]
    told: str
    """A sentence that says who decided, and why where they said so."""


class Approvals:
    """All approvals of one run. Decisions come in by `decide`, the handler of the workflow's update."""

    def __init__(self, run: RunInput, note: Callable[[Note], Awaitable[None]]) -> None:
        self._run = run
        self._note = note
        self._cases: dict[str, _Case] = {}

    async def ask(self, request: ApprovalRequested, *, policy: ApprovalPolicy) -> Outcome:
        """Wait until enough people have agreed, one has rejected, or the deadline decides."""
        case = _Case(request, dict(request.arguments))
        self._cases[request.approval_id] = case
        await self._note(request)
        limit = None if policy.deadline_seconds is None else timedelta(seconds=policy.deadline_seconds)
        try:
            await workflow.wait_condition(
                lambda: case.decision is not None, timeout=limit, timeout_summary=f"deadline: {request.title}"
            )
        except TimeoutError:
            # A decision that came in the same moment has closed the case: it counts, the deadline does not.
            if case.decision is None:
                case.decision = policy.default_decision
                case.comment = "Nobody decided before the deadline."
        decision: Verdict = case.decision or policy.default_decision
        await self._note(
            ApprovalClosed(
                approval_id=request.approval_id, decision=decision, decided_by=case.decided_by, comment=case.comment
            )
        )
        who = ", ".join(case.decided_by) or "The deadline"
        verb = "rejected" if decision == "reject" else "approved"
        because = f": {case.comment}" if case.comment else "."
        return Outcome(decision != "reject", case.arguments, f"{who} {verb} this{because}")

    def decide(self, given: ApprovalDecision) -> ApprovalStanding:
        """Count a decision. Raises ApplicationError when it does not count; the attempt stays in history."""
        case = self._cases.get(given.approval_id)
        if case is None:
            raise _refusal("This run asks for no such approval: check its id.", NOT_FOUND)
        if not self._may_decide(given, case.request):
            raise _refusal("You are not among those who decide this.", NOT_ENTITLED)
        if case.decision is not None:
            raise _refusal("This has been decided already: nothing is changed.", CLOSED)
        if given.email in case.approved_by and given.decision == "approve":
            raise _refusal("You have approved this already: others have to agree.", REPEATED)
        _count(case, given)
        return ApprovalStanding(
            approval_id=given.approval_id,
            decision=case.decision,
            approved_by=case.approved_by,
            quorum=case.request.quorum,
        )

    def _may_decide(self, given: ApprovalDecision, request: ApprovalRequested) -> bool:
        if request.approvers:
            return given.email.lower() in {email.lower() for email in request.approvers}
        return given.user_id == self._run.user_id


def _count(case: _Case, given: ApprovalDecision) -> None:
    case.comment = given.comment or case.comment
    if given.decision == "reject":
        case.decision, case.decided_by, case.comment = "reject", [given.email], given.comment
        return
    if given.decision == "edit" and given.edited_arguments is not None:
        # Who agreed before agreed to something else.
        case.arguments, case.approved_by, case.edited = given.edited_arguments, [], True
    if given.email not in case.approved_by:
        case.approved_by = [*case.approved_by, given.email]
    if len(case.approved_by) >= case.request.quorum:
        case.decision, case.decided_by = "edit" if case.edited else "approve", case.approved_by


def _refusal(sentence: str, kind: str) -> ApplicationError:
    return ApplicationError(sentence, type=kind, non_retryable=True)
