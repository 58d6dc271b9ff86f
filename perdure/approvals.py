"""Approvals of runs: who sees them, and deciding them; what every door into the product does the same way."""

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID, uuid4, uuid5

from pydantic import JsonValue

from perdure.bootstrap import Runtime
from perdure.domain.approvals import Approval, ApprovalDecision
from perdure.domain.audit import Deed
from perdure.domain.errors import NotFoundError
from perdure.domain.users import User
from perdure.storage.approvals import find_approval, list_approvals
from perdure.storage.audit import note
from perdure.storage.executions import NO_EXECUTION, owns_execution
from perdure.temporal.deciding import send_decision

_KEYED = UUID("0f4c1a52-7f0e-4d1c-9a0e-2b7f1d8c6e33")
"""The name space of update ids that are made from idempotency keys."""

NO_APPROVAL = "This execution asks for no such approval: check its id."


async def approvals_of(runtime: Runtime, execution_id: UUID, *, user: User) -> list[Approval]:
    """What a run asks, in the order it was asked: all of it for its owner, their own part for approvers.

    Raises NotFoundError for everybody else.
    """
    async with runtime.single.connect() as connection:
        found = await list_approvals(connection, execution_id, user=user)
        if not found and not await owns_execution(connection, execution_id, user_id=user.id):
            raise NotFoundError(NO_EXECUTION)
    return found


@dataclass(frozen=True)
class DecisionRequest:
    """What somebody wants to decide, before anything of it is looked up."""

    execution_id: UUID
    decision: ApprovalDecision
    idempotency_key: str | None = None

    @property
    def update_id(self) -> str:
        """A fresh id, or the one that belongs to this very request under its key: a repeated call counts once."""
        if self.idempotency_key is None:
            return str(uuid4())
        asked = sha256(self.decision.model_dump_json().encode()).hexdigest()
        return str(uuid5(_KEYED, f"{self.execution_id}:{self.idempotency_key}:{asked}"))


async def decide(runtime: Runtime, request: DecisionRequest, *, user: User) -> Approval:
    """Decide, and return the approval as it stands afterwards. The run itself says whether the decision counts.

    Raises NotFoundError for what the user may not see, ForbiddenError for who may see but not decide, ConflictError
    for what is decided or over, UnprocessableError for edited arguments of a wrong shape, UnavailableError when no
    worker takes the decision in time.
    """
    decision = request.decision
    async with runtime.single.connect() as connection:
        approval = await find_approval(connection, request.execution_id, decision.approval_id, user=user)
    if approval is None:
        # Tells who may not see the execution that there is none.
        await approvals_of(runtime, request.execution_id, user=user)
        raise NotFoundError(NO_APPROVAL)
    update_id = request.update_id
    if decision.revision is None:
        decision = decision.model_copy(update={"revision": approval.revision})
    await _note(runtime, approval, decision, user)
    standing = await send_decision(runtime.client, request.execution_id, decision, update_id=update_id)
    return approval.model_copy(update=standing.model_dump())


async def _note(runtime: Runtime, approval: Approval, decision: ApprovalDecision, user: User) -> None:
    """Put into the owner's audit log who decided what, and from where; what comes of it the run itself records."""
    facts: dict[str, JsonValue] = {
        "approval_id": approval.approval_id,
        "title": approval.title,
        "decision": decision.decision,
        "revision": decision.revision,
        "comment": decision.comment,
    }
    deed = Deed("ApprovalSubmitted", "Execution", str(approval.execution_id), approval.user_id, user.id, facts)
    async with runtime.single.connect() as connection:
        await note(connection, deed)
