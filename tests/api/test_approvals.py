"""Approvals over HTTP: who sees them, who decides them, and what is answered otherwise."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import JsonValue

from perdure.storage.tables import TranscriptRow
from perdure.storage.transcripts import ANSWER, WHOLE
from tests.api.callers import Caller, NewCaller
from tests.support.deciding import until
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour, ScriptedCall

API = "/api/agent-builder"
CALL = "writer/1-http_request"


async def asked(lab: Lab, owner: Caller, *approvers: Caller, quorum: int = 1, name: str = "Team") -> UUID:
    """A run of the owner's that waits until a tool call is approved."""
    await lab.model.script(
        Behaviour(tool_calls=(ScriptedCall(name="http_request", arguments={"url": "https://example.org"}),))
    )
    policy: JsonValue = {"approvers": [caller.user.email for caller in approvers], "quorum": quorum}
    agent: JsonValue = {
        "id": "writer",
        "name": "Writer",
        "tools": [{"type": "http_request", "requires_approval": policy if approvers else True}],
    }
    own = replace(lab, user_id=owner.user.id)
    execution_id = await own.start(await own.agentflow(name=name, agents=[agent]), message="Go.")
    await until(own, execution_id, "ApprovalRequested")
    return execution_id


def path_of(execution_id: UUID, approval_id: str = CALL) -> str:
    return f"{API}/executions/{execution_id}/approvals/{approval_id}"


async def test_the_owner_sees_what_is_asked_and_decides_it(lab: Lab, alice: Caller) -> None:
    execution_id = await asked(lab, alice)
    listed = await alice.ok("GET", f"{API}/executions/{execution_id}/approvals")
    assert listed["total"] == 1
    (approval,) = listed["approvals"]
    assert approval["approval_id"] == CALL
    assert approval["kind"] == "tool"
    assert approval["arguments"] == {"url": "https://example.org"}
    assert (approval["status"], approval["decided_by"], approval["flow_name"]) == ("pending", [], "Team")
    assert approval["created_at"].endswith("Z")
    body = {"decision": "reject", "comment": "Not today.", "revision": approval["revision"]}
    answer = await alice.ok("POST", path_of(execution_id), json=body)
    assert (answer["status"], answer["decided_by"]) == ("rejected", [alice.user.email])
    assert (await alice.ok("GET", f"{API}/executions/{execution_id}/approvals"))["approvals"] == [answer]
    await replace(lab, user_id=alice.user.id).finish(execution_id)
    events: list[dict[str, Any]] = await alice.ok("GET", f"/api/events/aggregate/{execution_id}")
    told = [event for event in events if event["event_type"].startswith("Approval")]
    assert [event["event_type"] for event in told] == ["ApprovalRequested", "ApprovalDecided", "ApprovalClosed"]
    assert told[1]["event_data"]["email"] == alice.user.email
    assert told[1]["event_data"]["refused"] is None


async def test_strangers_are_told_that_there_is_no_such_execution(lab: Lab, alice: Caller, bob: Caller) -> None:
    execution_id = await asked(lab, alice)
    nowhere = uuid4()
    for method, ending, body in (("GET", "", None), ("POST", f"/{CALL}", {"decision": "approve"})):
        theirs = await bob.problem(404, method, f"{API}/executions/{execution_id}/approvals{ending}", json=body)
        none = await bob.problem(404, method, f"{API}/executions/{nowhere}/approvals{ending}", json=body)
        assert {**theirs, "instance": ""} == {**none, "instance": ""}
    assert (await bob.ok("GET", f"{API}/approvals"))["total"] == 0
    await alice.problem(404, "POST", path_of(execution_id, "writer/9-other"), json={"decision": "approve"})
    await alice.ok("POST", path_of(execution_id), json={"decision": "reject"})
    await replace(lab, user_id=alice.user.id).finish(execution_id)


async def test_named_approvers_decide_and_the_owner_may_only_look(
    lab: Lab, alice: Caller, bob: Caller, new_caller: NewCaller
) -> None:
    execution_id = await asked(lab, alice, bob)
    refused = await alice.problem(403, "POST", path_of(execution_id), json={"decision": "approve"})
    assert "not among those who decide" in refused["detail"]
    assert (await alice.ok("GET", f"{API}/approvals"))["total"] == 0
    assert (await alice.ok("GET", f"{API}/executions/{execution_id}/approvals"))["total"] == 1
    assert (await bob.ok("GET", f"{API}/approvals"))["approvals"][0]["execution_id"] == str(execution_id)
    assert (await bob.ok("GET", f"{API}/executions/{execution_id}/approvals"))["total"] == 1
    await bob.problem(404, "GET", f"{API}/executions/{execution_id}")
    await (await new_caller()).problem(404, "POST", path_of(execution_id), json={"decision": "approve"})
    await bob.ok("POST", path_of(execution_id), json={"decision": "reject"})
    await bob.problem(409, "POST", path_of(execution_id), json={"decision": "approve"})
    await replace(lab, user_id=alice.user.id).finish(execution_id)
    events: list[dict[str, Any]] = await alice.ok("GET", f"/api/events/aggregate/{execution_id}")
    decided = [event["event_data"] for event in events if event["event_type"] == "ApprovalDecided"]
    assert [(data["email"], bool(data["refused"])) for data in decided][:2] == [
        (alice.user.email, True),
        (bob.user.email, False),
    ]


async def test_an_inbox_is_newest_first_and_in_pages(lab: Lab, alice: Caller, bob: Caller) -> None:
    ids = [str(await asked(lab, alice, bob, name=f"Team {number}")) for number in range(3)]
    page = await bob.ok("GET", f"{API}/approvals", params={"limit": 2})
    assert page["total"] == 3
    assert [approval["execution_id"] for approval in page["approvals"]] == ids[:0:-1]
    rest = await bob.ok("GET", f"{API}/approvals", params={"limit": 2, "offset": 2})
    assert [approval["execution_id"] for approval in rest["approvals"]] == ids[:1]
    await bob.ok("POST", path_of(UUID(ids[0])), json={"decision": "reject"})
    await alice.ok("POST", f"{API}/executions/{ids[1]}/cancel")
    await replace(lab, user_id=alice.user.id).finish(UUID(ids[1]))
    for status, expected in {"pending": ids[2:], "rejected": ids[:1], "cancelled": ids[1:2], "approved": []}.items():
        listed = await bob.ok("GET", f"{API}/approvals", params={"status": status})
        assert [approval["execution_id"] for approval in listed["approvals"]] == expected
        assert listed["total"] == len(expected)
    await bob.problem(422, "GET", f"{API}/approvals", params={"status": "maybe"})
    await bob.problem(409, "POST", path_of(UUID(ids[1])), json={"decision": "approve"})
    await bob.ok("POST", path_of(UUID(ids[2])), json={"decision": "reject"})
    for ended in ids[0], ids[2]:
        await replace(lab, user_id=alice.user.id).finish(UUID(ended))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision": "maybe"},
        {"decision": "edit"},
        {"decision": "edit", "edited_arguments": "a text"},
        {"decision": "approve", "edited_arguments": {"url": "x"}},
        {"decision": "approve", "more": 1},
    ],
)
async def test_a_body_that_makes_no_sense_is_refused_before_it_is_looked_at(
    alice: Caller, body: dict[str, Any]
) -> None:
    problem = await alice.problem(422, "POST", path_of(uuid4()), json=body)
    assert problem["errors"]


async def test_the_same_request_again_gets_the_first_answer_only_with_its_key(
    lab: Lab, alice: Caller, bob: Caller
) -> None:
    execution_id = await asked(lab, alice, alice, bob, quorum=2)
    path, body = path_of(execution_id), {"decision": "approve", "comment": "Fine."}
    key = {"Idempotency-Key": uuid4().hex}
    first = await alice.ok("POST", path, json=body, headers=key)
    assert (first["status"], first["approved_by"]) == ("pending", [alice.user.email])
    assert await alice.ok("POST", path, json=body, headers=key) == first
    await alice.problem(409, "POST", path, json=body)
    await alice.problem(409, "POST", path, json=body, headers={"Idempotency-Key": uuid4().hex})
    # Somebody else's request is another one, whatever its key.
    last = await bob.ok("POST", path, json={"decision": "reject", "comment": "No."}, headers=key)
    assert last["status"] == "rejected"
    assert await alice.ok("POST", path, json=body, headers=key) == first
    await alice.problem(409, "POST", path, json={"decision": "reject"}, headers=key)
    await replace(lab, user_id=alice.user.id).finish(execution_id)
    again = await bob.ok("POST", path, json={"decision": "reject", "comment": "No."}, headers=key)
    assert again == last


async def test_a_step_s_whole_output_is_its_owner_s_to_read(lab: Lab, alice: Caller, bob: Caller) -> None:
    execution_id = await asked(lab, alice)
    await alice.ok("POST", path_of(execution_id), json={"decision": "reject", "comment": "No."})
    await replace(lab, user_id=alice.user.id).finish(execution_id)
    path = f"{API}/executions/{execution_id}/steps"
    response = await alice.ask("GET", f"{path}/{CALL}:refused/output")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == f"This call was not allowed. {alice.user.email} rejected this: No."
    async with lab.runtime.sessions.begin() as session:
        session.add_all(
            TranscriptRow(
                execution_id=execution_id,
                run_id="r",
                step_id="writer/2-x",
                sequence=sequence,
                role="tool",
                content=content,
            )
            for sequence, content in ((WHOLE, "🙂" * 9), (ANSWER, "🙂"))
        )
    assert (await alice.ask("GET", f"{path}/writer/2-x/output")).text == "🙂" * 9
    await alice.problem(404, "GET", f"{path}/writer/7-x/output")
    await bob.problem(404, "GET", f"{path}/{CALL}:refused/output")
