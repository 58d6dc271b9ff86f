"""People decide: what a run asks them, what they answer by an update, and what happens when nobody does."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from perdure.domain.approvals import NOT_FOUND, ApprovalDecision, ApprovalKind, ApprovalStanding, revision_of
    from perdure.domain.notes import ApprovalRequested, Note
    from perdure.domain.runs import RunInput
    from perdure.domain.states import PendingApproval
    from perdure.domain.tools import ApprovalPolicy
    from perdure.orchestration.approvals import Case, Outcome, RefusedError


class Approvals:
    """All approvals of one run. Decisions come in by `decide`, the handler of the workflow's update."""

    def __init__(self, run: RunInput, note: Callable[[Note], Awaitable[None]]) -> None:
        self._run = run
        self._note = note
        self._numbers = 0
        self._cases: dict[str, Case] = {}
        """Those that people can know of: they are noted."""
        self._is_over = False

    @property
    def pending(self) -> list[PendingApproval]:
        """Those that wait for people, in the order in which they were asked for."""
        return [case.pending() for case in self._cases.values() if case.is_open]

    def next_number(self) -> int:
        """A number for the next approval of what has no id of its own."""
        self._numbers += 1
        return self._numbers

    async def ask(
        self,
        approval_id: str,
        policy: ApprovalPolicy,
        *,
        kind: ApprovalKind,
        node_id: str,
        title: str,
        arguments: dict[str, JsonValue],
    ) -> Outcome:
        """Wait until enough people have agreed, one has rejected, or the deadline decides."""
        limit = policy.deadline_seconds
        request = ApprovalRequested(
            approval_id=approval_id,
            kind=kind,
            node_id=node_id,
            title=title,
            arguments=arguments,
            revision=revision_of(arguments),
            approvers=policy.approvers,
            quorum=policy.quorum,
            deadline=workflow.now() + timedelta(seconds=limit) if limit is not None else None,
            default_decision=policy.default_decision,
        )
        case = Case(request, owner_id=self._run.user_id)
        try:
            await self._note(request)
            self._cases[approval_id] = case
            await self._decided(case)
        except (asyncio.CancelledError, ActivityError) as error:
            if is_cancelled_exception(error):
                self._cases[approval_id] = case
                case.withdraw(workflow.now())
                await self._note(case.closing())
            raise
        await self._note(case.closing())
        return case.outcome()

    async def decide(self, given: ApprovalDecision) -> ApprovalStanding:
        """Count a decision. Raises ApplicationError when it does not count; the attempt stays in history.

        It waits for an approval that is still to come: the list of approvals shows one a moment before this run knows
        that it does (a worker may die in between), and a reset brings decisions again before they are asked for.
        """
        await workflow.wait_condition(lambda: self._is_over or given.approval_id in self._cases)
        case = self._cases.get(given.approval_id)
        if case is None:
            raise _refusal(NOT_FOUND, "This run asked for no such approval: check its id.")
        try:
            return case.decide(given, workflow.now())
        except RefusedError as refused:
            raise _refusal(refused.kind, str(refused)) from refused

    async def end(self) -> None:
        """Answer the decisions that still wait: the run ends."""
        if not workflow.in_workflow():
            return  # it does not: a worker that stops drops it from its memory
        self._is_over = True
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _decided(self, case: Case) -> None:
        deadline, title = case.request.deadline, case.request.title
        noted = 0
        while case.is_open:
            left = None if deadline is None else deadline - workflow.now()
            if left is not None and left <= timedelta(0):
                case.expire(workflow.now())
                return
            try:
                await workflow.wait_condition(
                    lambda noted=noted: case.counted > noted, timeout=left, timeout_summary=f"deadline: {title}"
                )
            except TimeoutError:
                # A decision that came in the same moment and was enough has closed the case: it stands.
                case.expire(workflow.now())
            if case.is_open:
                noted = case.counted
                await self._note(case.progress())


def _refusal(kind: str, sentence: str) -> ApplicationError:
    return ApplicationError(sentence, type=kind, non_retryable=True)
