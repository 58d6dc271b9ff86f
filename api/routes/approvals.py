"""Approvals: what runs ask people, and their answers."""

from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Header
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from api.bodies import StrictJsonRoute
from api.deps import Caller, ReaderDep, RuntimeDep
from api.problems import problems
from api.routes.executions import PREFIX, Limit, Offset
from perdure.approvals import DecisionRequest, approvals_of, decide
from perdure.domain.approvals import Approval, ApprovalDecision, ApprovalStatus, Verdict
from perdure.storage.approvals import Inbox, list_inbox

router = APIRouter(prefix=PREFIX, tags=["approvals"], route_class=StrictJsonRoute)


class DecisionBody(BaseModel):
    """What somebody decides."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"decision": "approve", "comment": "Looks right."}]},
    )

    decision: Verdict
    comment: str | None = Field(default=None, max_length=10_000)
    edited_arguments: dict[str, JsonValue] | None = Field(
        default=None, description="With `edit`: all of a tool call's arguments, or `{task}` for an agent."
    )
    revision: str | None = Field(
        default=None,
        max_length=64,
        description="Of the arguments you looked at: 409 when somebody has edited them since.",
    )

    @model_validator(mode="after")
    def _edited(self) -> Self:
        if (self.decision == "edit") != (self.edited_arguments is not None):
            raise ValueError("Send edited_arguments with the decision `edit`, and with no other.")
        return self


class ApprovalList(BaseModel):
    """Approvals, and how many there are in all."""

    approvals: list[Approval]
    total: int


@router.get("/approvals", operation_id="listInbox", responses=problems(401, 422, 503))
async def inbox(
    caller: Caller,
    reader: ReaderDep,
    status: ApprovalStatus = ApprovalStatus.PENDING,
    limit: Limit = 20,
    offset: Offset = 0,
) -> ApprovalList:
    """The approvals that the caller may decide, as approver or as owner where no approvers are named; newest first."""
    async with reader.connect() as connection:
        approvals, total = await list_inbox(connection, Inbox(caller, status), limit=limit, offset=offset)
    return ApprovalList(approvals=approvals, total=total)


@router.get(
    "/executions/{execution_id}/approvals", operation_id="listApprovals", responses=problems(401, 404, 422, 503)
)
async def list_of_execution(execution_id: UUID, caller: Caller, runtime: RuntimeDep) -> ApprovalList:
    """What a run asks, in the order it was asked. Its owner sees all of it, an approver what names them."""
    approvals = await approvals_of(runtime, execution_id, user=caller)
    return ApprovalList(approvals=approvals, total=len(approvals))


@router.post(
    "/executions/{execution_id}/approvals/{approval_id:path}",
    operation_id="decideApproval",
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def decide_one(
    execution_id: UUID,
    approval_id: str,
    body: DecisionBody,
    caller: Caller,
    runtime: RuntimeDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            description="The same request again with the same key gets the first one's answer instead of a 409.",
        ),
    ] = None,
) -> Approval:
    """Approve, reject or edit; the answer is the approval as it stands afterwards.

    A decision counts once and in time, by somebody entitled: otherwise it is a 409 or a 403, and an event of the run.
    """
    decision = ApprovalDecision(
        approval_id=approval_id, user_id=caller.id, email=caller.email, **body.model_dump(exclude_unset=True)
    )
    return await decide(runtime, DecisionRequest(execution_id, decision, idempotency_key), user=caller)
