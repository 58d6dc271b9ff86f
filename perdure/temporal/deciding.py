"""Telling a run what somebody decided, and what its answer means."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from perdure.domain.approvals import (
    BAD_EDIT,
    CHANGED,
    CLOSED,
    DECIDE,
    NOT_ENTITLED,
    NOT_FOUND,
    REPEATED,
    ApprovalDecision,
    ApprovalStanding,
)
from perdure.domain.errors import (
    ConflictError,
    FieldProblem,
    ForbiddenError,
    NotFoundError,
    PerdureError,
    UnavailableError,
    UnprocessableError,
)
from perdure.temporal.starting import run_handle

ANSWER_SECONDS = 15
"""How long a run may take to answer: milliseconds where a worker serves it, ten seconds where that one was killed."""

ENDED = "This execution has ended: there is nothing left to decide."
NOT_TAKEN = "The run has not taken the decision in time; it may still do so. Look at the approval, then try again."

_REFUSALS: Mapping[str, type[PerdureError]] = {
    NOT_FOUND: NotFoundError,
    NOT_ENTITLED: ForbiddenError,
    CLOSED: ConflictError,
    REPEATED: ConflictError,
    CHANGED: ConflictError,
    BAD_EDIT: UnprocessableError,
}


async def send_decision(
    client: Client, execution_id: UUID, decision: ApprovalDecision, *, update_id: str, seconds: float = ANSWER_SECONDS
) -> ApprovalStanding:
    """Tell a run of a decision and wait for its answer. The same `update_id` gets the same answer, and counts once.

    Raises ForbiddenError, NotFoundError, ConflictError and UnprocessableError for what the run refuses,
    UnavailableError when no worker takes it in time.
    """
    handle = run_handle(client, execution_id)
    try:
        async with asyncio.timeout(seconds):
            standing: ApprovalStanding = await handle.execute_update(  # pyright: ignore[reportUnknownMemberType]
                DECIDE, decision, id=update_id, result_type=ApprovalStanding
            )
            return standing
    except WorkflowUpdateFailedError as error:
        raise _refused(error.cause) from error
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        # The SDK makes its own error of the cancellation by which the time limit ends the call.
        raise UnavailableError(NOT_TAKEN) from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise ConflictError(ENDED) from error
        raise


def _refused(cause: BaseException | None) -> PerdureError:
    kind = _REFUSALS.get(cause.type or "") if isinstance(cause, ApplicationError) else None
    if kind is None or not isinstance(cause, ApplicationError):
        # The run ended while it was about to answer.
        return ConflictError(ENDED)
    if kind is UnprocessableError:
        return kind(cause.message, errors=[FieldProblem(loc=["body", "edited_arguments"], msg=cause.message)])
    return kind(cause.message)
