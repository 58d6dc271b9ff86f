"""Runs that wait for people, on the real server."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from pydantic import JsonValue

from perdure.approvals import approvals_of
from perdure.domain.approvals import Approval, ApprovalDecision, ApprovalStatus
from perdure.domain.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnavailableError,
    UnprocessableError,
)
from perdure.domain.executions import ExecutionStatus
from perdure.domain.runs import RunInput
from perdure.domain.users import User
from perdure.executions import cancel_execution, get_execution
from perdure.temporal.deciding import send_decision
from perdure.temporal.starting import run_handle
from tests.support.deciding import kinds_of, new_user, owner_of, say, until
from tests.support.resetting import send_back
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour, ScriptedCall

BEGINS = "agent:1:w"


def writer(**policy: JsonValue) -> list[JsonValue]:
    return [{"id": "w", "name": "Writer", "requires_approval": policy or True}]


async def asking(lab: Lab, agents: list[JsonValue], *, count: int = 1) -> UUID:
    """A run that has asked."""
    execution_id = await lab.start(await lab.agentflow(agents=agents), message="Tell me of ships.")
    await until(lab, execution_id, "ApprovalRequested", count=count)
    return execution_id


async def one_approval(lab: Lab, execution_id: UUID) -> Approval:
    (approval,) = await approvals_of(lab.runtime, execution_id, user=await owner_of(lab))
    return approval


async def test_an_agent_begins_when_its_owner_agrees(lab: Lab) -> None:
    execution_id = await asking(lab, writer())
    pending = await one_approval(lab, execution_id)
    assert (pending.approval_id, pending.status, pending.title) == (BEGINS, ApprovalStatus.PENDING, "Writer begins")
    assert pending.arguments == {"task": "Tell me of ships."}
    assert await lab.model.requests() == ()
    owner = await owner_of(lab)
    answer = await say(lab, owner, execution_id, BEGINS, "approve", comment="Go on.")
    assert (answer.status, answer.decided_by, answer.comment) == (ApprovalStatus.APPROVED, [owner.email], "Go on.")
    assert (await lab.finish(execution_id)).status is ExecutionStatus.COMPLETED
    assert await one_approval(lab, execution_id) == answer
    assert await kinds_of(lab, execution_id) == ["ApprovalRequested", "ApprovalDecided", "ApprovalClosed"]
    assert len(await lab.model.requests()) == 1


async def test_a_rejected_agent_fails_with_the_reason(lab: Lab) -> None:
    execution_id = await asking(lab, writer())
    owner = await owner_of(lab)
    await say(lab, owner, execution_id, BEGINS, "reject", comment="No ships today.")
    execution = await lab.finish(execution_id)
    assert execution.status is ExecutionStatus.FAILED
    assert execution.error_message == f"Writer: {owner.email} rejected this: No ships today."
    assert await lab.model.requests() == ()


async def test_an_edited_task_is_what_the_model_is_asked(lab: Lab) -> None:
    execution_id = await asking(lab, writer())
    owner = await owner_of(lab)
    with pytest.raises(UnprocessableError, match="task"):
        await say(lab, owner, execution_id, BEGINS, "edit", edited={"tusk": "Tell me of boats."})
    answer = await say(lab, owner, execution_id, BEGINS, "edit", edited={"task": "Tell me of boats."})
    assert answer.status is ApprovalStatus.EDITED
    assert (await lab.finish(execution_id)).status is ExecutionStatus.COMPLETED
    (request,) = await lab.model.requests()
    assert request.last_user_message == "Tell me of boats."
    assert (await one_approval(lab, execution_id)).arguments == {"task": "Tell me of boats."}
    assert await kinds_of(lab, execution_id) == [
        "ApprovalRequested",
        "ApprovalDecided!",
        "ApprovalDecided",
        "ApprovalClosed",
    ]


async def test_two_of_three_must_agree_on_the_same_words(lab: Lab) -> None:
    people = [await new_user(lab) for _ in range(3)]
    emails: list[JsonValue] = [person.email.upper() for person in people]
    execution_id = await asking(lab, writer(approvers=emails, quorum=2))
    ada, bob, eve = people
    with pytest.raises(ForbiddenError):
        await say(lab, await owner_of(lab), execution_id, BEGINS, "approve")
    seen = (await say(lab, ada, execution_id, BEGINS, "approve")).revision
    with pytest.raises(ConflictError, match="others have to agree"):
        await say(lab, ada, execution_id, BEGINS, "approve")
    edited = await say(lab, bob, execution_id, BEGINS, "edit", edited={"task": "Boats."}, revision=seen)
    assert (edited.status, edited.approved_by) == (ApprovalStatus.PENDING, [bob.email])
    assert await one_approval(lab, execution_id) == edited
    with pytest.raises(ConflictError, match="has changed"):
        await say(lab, eve, execution_id, BEGINS, "approve", revision=seen)
    closed = await say(lab, eve, execution_id, BEGINS, "approve", revision=edited.revision)
    assert (closed.status, closed.decided_by) == (ApprovalStatus.EDITED, [bob.email, eve.email])
    assert (await lab.finish(execution_id)).status is ExecutionStatus.COMPLETED
    (request,) = await lab.model.requests()
    assert request.last_user_message == "Boats."
    assert await kinds_of(lab, execution_id) == [
        "ApprovalRequested",
        "ApprovalDecided!",
        "ApprovalDecided",
        "ApprovalCounted",
        "ApprovalDecided!",
        "ApprovalDecided",
        "ApprovalCounted",
        "ApprovalDecided!",
        "ApprovalDecided",
        "ApprovalClosed",
    ]


@pytest.mark.parametrize(
    ("default", "status", "calls"),
    [("approve", ExecutionStatus.COMPLETED, 1), ("reject", ExecutionStatus.FAILED, 0)],
)
async def test_the_deadline_decides_when_nobody_does(
    lab: Lab, default: str, status: ExecutionStatus, calls: int
) -> None:
    flow = await lab.agentflow(agents=writer(deadline_seconds=0.3, default_decision=default))
    execution = await lab.run(flow, message="Go.")
    assert execution.status is status
    assert len(await lab.model.requests()) == calls
    approval = await one_approval(lab, execution.id)
    assert approval.status is (ApprovalStatus.APPROVED if calls else ApprovalStatus.REJECTED)
    assert (approval.decided_by, approval.comment) == ([], "Nobody decided before the deadline.")
    with pytest.raises(ConflictError, match="has ended"):
        await say(lab, await owner_of(lab), execution.id, BEGINS, "approve")


async def test_a_quorum_that_is_not_reached_in_time_is_no_agreement(lab: Lab) -> None:
    people = [await new_user(lab) for _ in range(2)]
    emails: list[JsonValue] = [person.email for person in people]
    execution_id = await asking(lab, writer(approvers=emails, quorum=2, deadline_seconds=2.0))
    await say(lab, people[0], execution_id, BEGINS, "approve")
    assert (await lab.finish(execution_id)).status is ExecutionStatus.FAILED
    assert (await one_approval(lab, execution_id)).comment == "1 of 2 approved before the deadline."


async def test_of_two_decisions_at_the_same_moment_one_counts(lab: Lab) -> None:
    people: list[User] = [await new_user(lab) for _ in range(2)]
    emails: list[JsonValue] = [person.email for person in people]
    execution_id = await asking(lab, writer(approvers=emails))
    answers = await asyncio.gather(
        say(lab, people[0], execution_id, BEGINS, "approve"),
        say(lab, people[1], execution_id, BEGINS, "reject"),
        return_exceptions=True,
    )
    (counted,) = [answer for answer in answers if isinstance(answer, Approval)]
    (refused,) = [answer for answer in answers if isinstance(answer, BaseException)]
    assert isinstance(refused, ConflictError)
    execution = await lab.finish(execution_id)
    approved = counted.status is ApprovalStatus.APPROVED
    assert execution.status is (ExecutionStatus.COMPLETED if approved else ExecutionStatus.FAILED)
    assert len(await lab.model.requests()) == int(approved)


async def test_a_cancelled_run_waits_for_nobody(lab: Lab) -> None:
    execution_id = await asking(lab, writer())
    await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)
    assert (await lab.finish(execution_id)).status is ExecutionStatus.CANCELLED
    assert (await one_approval(lab, execution_id)).status is ApprovalStatus.CANCELLED
    assert await kinds_of(lab, execution_id) == ["ApprovalRequested", "ApprovalClosed"]
    with pytest.raises(ConflictError, match="has ended"):
        await say(lab, await owner_of(lab), execution_id, BEGINS, "approve")


async def test_what_a_terminated_run_asked_is_shown_as_cancelled(lab: Lab) -> None:
    execution_id = await asking(lab, writer())
    await run_handle(lab.runtime.client, execution_id).terminate()
    execution = await get_execution(lab.runtime, execution_id, user_id=lab.user_id)
    assert execution.status is ExecutionStatus.FAILED
    assert (await one_approval(lab, execution_id)).status is ApprovalStatus.CANCELLED


async def test_calls_that_wait_at_once_are_decided_one_by_one(lab: Lab) -> None:
    tool: JsonValue = {"type": "http_request", "requires_approval": True}
    calls = tuple(ScriptedCall(name="http_request", arguments={"url": f"https://example.org/{n}"}) for n in (1, 2))
    await lab.model.script(Behaviour(tool_calls=calls), Behaviour(text="Then not."))
    execution_id = await asking(lab, [{"id": "w", "name": "Caller", "tools": [tool]}], count=2)
    owner = await owner_of(lab)
    asked = await approvals_of(lab.runtime, execution_id, user=owner)
    assert sorted(approval.approval_id for approval in asked) == ["w/1-http_request", "w/2-http_request"]
    for approval in asked:
        await say(lab, owner, execution_id, approval.approval_id, "reject", comment=approval.approval_id)
    assert (await lab.finish(execution_id)).status is ExecutionStatus.COMPLETED
    _, second = await lab.model.requests()
    assert [approval.approval_id in str(second.body["messages"]) for approval in asked] == [True, True]


async def test_a_tool_call_is_made_with_the_arguments_that_were_agreed_on(lab: Lab) -> None:
    called = await lab.agentflow(agents=[{"id": "c", "name": "Called"}])
    tool: JsonValue = {"type": "run_flow", "name": "called", "flow_id": str(called.id), "requires_approval": True}
    await lab.model.script(
        Behaviour(system="Caller", tool_calls=(ScriptedCall(name="called", arguments={"message": "Sink the ship."}),)),
        Behaviour(system="Called", text="It floats."),
        Behaviour(system="Caller", text="Done."),
    )
    execution_id = await asking(lab, [{"id": "w", "name": "Caller", "tools": [tool]}])
    approval = await one_approval(lab, execution_id)
    assert (approval.kind, approval.title) == ("tool", "Caller calls called")
    assert approval.approval_id == "w/1-called"
    assert approval.arguments == {"message": "Sink the ship."}
    owner = await owner_of(lab)
    await say(lab, owner, execution_id, "w/1-called", "edit", edited={"message": "Float the ship."})
    execution = await lab.finish(execution_id)
    assert execution.status is ExecutionStatus.COMPLETED
    _, inner, last = await lab.model.requests()
    assert "Float the ship." in inner.last_user_message
    assert "It floats." in str(last.body["messages"])


async def test_a_refused_tool_call_is_told_to_the_model_which_goes_on(lab: Lab) -> None:
    tool: JsonValue = {"type": "http_request", "requires_approval": True}
    await lab.model.script(
        Behaviour(tool_calls=(ScriptedCall(name="http_request", arguments={"url": "https://example.org"}),)),
        Behaviour(text="Then not."),
    )
    execution_id = await asking(lab, [{"id": "w", "name": "Caller", "tools": [tool]}])
    owner = await owner_of(lab)
    await say(lab, owner, execution_id, "w/1-http_request", "reject", comment="Not that host.")
    execution = await lab.finish(execution_id)
    assert execution.output_data == {"response": "Then not.", "agent": "Caller"}
    _, second = await lab.model.requests()
    told = f"This call was not allowed. {owner.email} rejected this: Not that host."
    assert told in str(second.body["messages"])


async def test_a_decision_stands_after_a_reset_unless_something_else_is_asked(lab: Lab) -> None:
    tool: JsonValue = {"type": "http_request", "requires_approval": True}
    await lab.model.script(
        Behaviour(tool_calls=(ScriptedCall(name="http_request", arguments={"url": "https://example.org/1"}),)),
        Behaviour(text="First."),
        Behaviour(tool_calls=(ScriptedCall(name="http_request", arguments={"url": "https://example.org/2"}),)),
    )
    agents: list[JsonValue] = [{"id": "w", "name": "Caller", "tools": [tool], "requires_approval": True}]
    execution_id = await asking(lab, agents)
    owner = await owner_of(lab)
    await say(lab, owner, execution_id, BEGINS, "approve")
    await until(lab, execution_id, "ApprovalRequested", count=2)
    await say(lab, owner, execution_id, "w/1-http_request", "reject")
    await lab.finish(execution_id)
    await send_back(lab, execution_id)
    await until(lab, execution_id, "ApprovalRequested", count=2)
    # The agent's task is the same, so the yes to it stands; the call is another, so the no to the first does not.
    events = await until(lab, execution_id, "ApprovalDecided", count=2)
    assert [getattr(event.data, "refused", None) is not None for event in events if "Decided" in event.data.type] == [
        False,
        True,
    ]
    await say(lab, owner, execution_id, "w/1-http_request", "reject")
    assert (await lab.finish(execution_id)).status is ExecutionStatus.COMPLETED


async def test_a_run_that_nobody_serves_does_not_keep_people_waiting(lab: Lab) -> None:
    flow = await lab.agentflow(agents=writer())
    run = RunInput(
        execution_id=uuid4(),
        flow=flow,
        user_id=lab.user_id,
        input_data={"message": "Go."},
        started_at=datetime.now(UTC),
    )
    client = lab.runtime.client
    await client.start_workflow("Agentflow", run, id=str(run.execution_id), task_queue="nobody serves this")
    owner = await owner_of(lab)
    decision = ApprovalDecision(approval_id=BEGINS, decision="approve", user_id=owner.id, email=owner.email)
    with pytest.raises(UnavailableError, match="Look at the approval"):
        await send_decision(client, run.execution_id, decision, update_id="once", seconds=0.3)
    await run_handle(client, run.execution_id).terminate()
    with pytest.raises(ConflictError, match="has ended"):
        await send_decision(client, run.execution_id, decision, update_id="once")


async def test_nobody_else_learns_that_there_is_something_to_decide(lab: Lab) -> None:
    execution_id = await asking(lab, writer())
    eve = await new_user(lab)
    with pytest.raises(NotFoundError, match="no such execution"):
        await say(lab, eve, execution_id, BEGINS, "approve")
    with pytest.raises(NotFoundError, match="no such approval"):
        await say(lab, await owner_of(lab), execution_id, "agent:9:w", "approve")
    assert await kinds_of(lab, execution_id) == ["ApprovalRequested"]
    await say(lab, await owner_of(lab), execution_id, BEGINS, "approve")
    await lab.finish(execution_id)
