"""People in tests: wait until a run asks something, and answer."""

from uuid import UUID, uuid4

from pydantic import JsonValue
from temporalio.api.history.v1 import HistoryEvent

from perdure.approvals import DecisionRequest, decide
from perdure.domain.approvals import Approval, ApprovalDecision, Verdict
from perdure.domain.events import ExecutionEvent
from perdure.domain.users import User
from perdure.record.mapping import to_events
from perdure.storage.users import ensure_user, get_user
from perdure.temporal.history import decode
from perdure.temporal.starting import run_handle
from tests.support.running import Lab


async def until(lab: Lab, execution_id: UUID, kind: str, *, count: int = 1) -> list[ExecutionEvent]:
    """A run's events up to the moment where `count` of this kind are among them; its end raises."""
    client, seen = lab.runtime.client, list[HistoryEvent]()
    async for event in run_handle(client, execution_id).fetch_history_events(wait_new_event=True):
        seen.append(event)
        events = to_events(await decode(client.data_converter, seen), "run")
        if sum(each.data.type == kind for each in events) >= count:
            return events
    raise AssertionError(f"the run has ended without {count} {kind}")


async def owner_of(lab: Lab) -> User:
    """Whoever starts the lab's runs."""
    async with lab.runtime.sessions() as session:
        user = await get_user(session, lab.user_id)
    if user is None:
        raise LookupError("the lab has no user")
    return user


async def new_user(lab: Lab) -> User:
    """Somebody else."""
    async with lab.runtime.sessions.begin() as session:
        return await ensure_user(session, f"{uuid4().hex}@example.com")


async def say(
    lab: Lab,
    user: User,
    execution_id: UUID,
    approval_id: str,
    decision: Verdict,
    *,
    comment: str | None = None,
    edited: dict[str, JsonValue] | None = None,
    revision: str | None = None,
) -> Approval:
    """Decide as this user, as the API does."""
    given = ApprovalDecision(
        approval_id=approval_id,
        decision=decision,
        user_id=user.id,
        email=user.email,
        comment=comment,
        edited_arguments=edited,
        revision=revision,
    )
    return await decide(lab.runtime, DecisionRequest(execution_id, given), user=user)


async def kinds_of(lab: Lab, execution_id: UUID) -> list[str]:
    """What a run's events say of approvals, in order; a refused decision with a `!`."""
    history = await lab.runtime.records.read(execution_id)
    told = [event.data for event in history.events] if history else []
    return [
        f"{data.type}!" if getattr(data, "refused", None) else data.type
        for data in told
        if data.type.startswith("Approval")
    ]
