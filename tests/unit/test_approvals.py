"""The rules of one approval, without a run."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue, ValidationError

from perdure.domain.approvals import (
    BAD_EDIT,
    CHANGED,
    CLOSED,
    NOT_ENTITLED,
    REPEATED,
    ApprovalDecision,
    ApprovalKind,
    ApprovalStatus,
    Verdict,
    revision_of,
)
from perdure.domain.notes import ApprovalRequested
from perdure.domain.tools import ApprovalPolicy
from perdure.orchestration.approvals import Case, RefusedError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNER, ADA, BOB, EVE = 1, 2, 3, 4
EMAILS = {OWNER: "owner@example.org", ADA: "ada@example.org", BOB: "bob@example.org", EVE: "eve@example.org"}
ASKED: dict[str, JsonValue] = {"url": "https://example.org"}


def case_of(
    *approvers: int, quorum: int = 1, kind: ApprovalKind = "tool", arguments: dict[str, JsonValue] | None = None
) -> Case:
    asked = arguments or ASKED
    request = ApprovalRequested(
        approval_id="a/1-call",
        kind=kind,
        node_id="a",
        title="A calls",
        arguments=asked,
        revision=revision_of(asked),
        approvers=[EMAILS[approver] for approver in approvers],
        quorum=quorum,
        deadline=NOW + timedelta(hours=1),
        default_decision="approve",
    )
    return Case(request, owner_id=OWNER)


def said(
    who: int,
    decision: Verdict = "approve",
    *,
    comment: str | None = None,
    edited: dict[str, JsonValue] | None = None,
    revision: str | None = None,
) -> ApprovalDecision:
    return ApprovalDecision(
        approval_id="a/1-call",
        decision=decision,
        user_id=who,
        email=EMAILS[who],
        comment=comment,
        edited_arguments=edited,
        revision=revision,
    )


def refusal(case: Case, given: ApprovalDecision) -> str:
    before = case.standing()
    with pytest.raises(RefusedError) as refused:
        case.decide(given, NOW)
    assert case.standing() == before
    return refused.value.kind


def test_without_approvers_the_owner_decides_and_nobody_else() -> None:
    case = case_of()
    assert refusal(case, said(ADA)) == NOT_ENTITLED
    standing = case.decide(said(OWNER, comment="Fine."), NOW)
    assert (standing.status, standing.decided_by) == (ApprovalStatus.APPROVED, ["owner@example.org"])
    assert (standing.comment, standing.decided_at) == ("Fine.", NOW)
    assert case.outcome().told == "owner@example.org approved this: Fine."


def test_where_approvers_are_named_the_owner_is_none_of_them() -> None:
    case = case_of(ADA)
    assert refusal(case, said(OWNER)) == NOT_ENTITLED
    shouted = said(ADA).model_copy(update={"email": "ADA@Example.org"})
    assert case.decide(shouted, NOW).status is ApprovalStatus.APPROVED


def test_a_second_decision_changes_nothing() -> None:
    case = case_of(ADA, BOB)
    case.decide(said(ADA, "reject", comment="Too dear."), NOW)
    assert refusal(case, said(BOB)) == CLOSED
    assert not case.outcome().approved
    assert case.outcome().told == "ada@example.org rejected this: Too dear."


def test_a_quorum_counts_people_not_clicks() -> None:
    case = case_of(ADA, BOB, EVE, quorum=2)
    assert case.decide(said(ADA), NOW).status is ApprovalStatus.PENDING
    assert refusal(case, said(ADA)) == REPEATED
    assert refusal(case, said(ADA).model_copy(update={"email": "Ada@example.org"})) == REPEATED
    standing = case.decide(said(EVE), NOW)
    assert standing.status is ApprovalStatus.APPROVED
    assert standing.decided_by == ["ada@example.org", "eve@example.org"]


def test_one_rejection_rejects_whoever_approved_before() -> None:
    case = case_of(ADA, BOB, quorum=2)
    case.decide(said(ADA), NOW)
    assert case.decide(said(BOB, "reject"), NOW).status is ApprovalStatus.REJECTED
    assert case.closing().decided_by == ["bob@example.org"]


def test_an_approval_may_be_taken_back_until_the_others_have_agreed() -> None:
    case = case_of(ADA, BOB, quorum=2)
    case.decide(said(ADA), NOW)
    assert case.decide(said(ADA, "reject"), NOW).status is ApprovalStatus.REJECTED


def test_an_edit_has_the_others_agree_anew() -> None:
    case = case_of(ADA, BOB, quorum=2)
    case.decide(said(ADA), NOW)
    edited: dict[str, JsonValue] = {"url": "https://example.com"}
    standing = case.decide(said(BOB, "edit", edited=edited), NOW)
    assert (standing.status, standing.approved_by) == (ApprovalStatus.PENDING, ["bob@example.org"])
    assert case.progress().arguments == edited
    closed = case.decide(said(ADA, revision=standing.revision), NOW)
    assert closed.status is ApprovalStatus.EDITED
    assert case.outcome().arguments == edited


def test_a_decision_counts_only_for_what_was_looked_at() -> None:
    case = case_of(ADA, BOB, quorum=2)
    seen = case.standing().revision
    case.decide(said(ADA, "edit", edited={"url": "https://evil.example"}, revision=seen), NOW)
    assert refusal(case, said(BOB, revision=seen)) == CHANGED
    assert refusal(case, said(BOB, "reject", revision="another run's")) == CHANGED


@pytest.mark.parametrize(
    "edited", [None, {}, {"task": ""}, {"task": " "}, {"task": 7}, {"tasks": "x"}, {"task": "x", "more": 1}]
)
def test_an_agent_s_edit_is_a_task_and_nothing_else(edited: dict[str, JsonValue] | None) -> None:
    case = case_of(kind="agent", arguments={"task": "Write."})
    assert refusal(case, said(OWNER, "edit", edited=edited)) == BAD_EDIT


def test_edited_arguments_come_with_an_edit_alone() -> None:
    assert refusal(case_of(), said(OWNER, "approve", edited={"url": "x"})) == BAD_EDIT
    assert case_of().decide(said(OWNER, "edit", edited={}), NOW).arguments == {}


def test_the_deadline_decides_once_and_not_against_people() -> None:
    case = case_of(ADA, BOB, quorum=2)
    case.decide(said(ADA, "edit", edited={"url": "https://evil.example"}), NOW)
    case.expire(NOW)
    assert case.standing().status is ApprovalStatus.APPROVED
    assert case.outcome().arguments == ASKED
    assert case.outcome().told == "The deadline approved this: 1 of 2 approved before the deadline."
    assert refusal(case, said(BOB)) == CLOSED
    rejected = case_of()
    rejected.decide(said(OWNER, "reject"), NOW)
    rejected.expire(NOW)
    assert rejected.standing().status is ApprovalStatus.REJECTED


def test_what_is_withdrawn_can_no_longer_be_decided() -> None:
    case = case_of()
    case.withdraw(NOW)
    assert case.standing().status is ApprovalStatus.CANCELLED
    assert refusal(case, said(OWNER)) == CLOSED


def test_a_revision_depends_on_what_is_asked_and_not_on_its_order() -> None:
    assert revision_of({"a": 1, "b": 2}) == revision_of({"b": 2, "a": 1})
    assert revision_of({"a": 1}) != revision_of({"a": "1"})


def test_a_policy_names_people_once_and_asks_for_no_more_than_there_are() -> None:
    policy = ApprovalPolicy(approvers=[" Ada@Example.org", "ada@example.org", "bob@example.org"], quorum=2)
    assert policy.approvers == ["ada@example.org", "bob@example.org"]
    for approvers, quorum in (["ada@example.org", "ADA@example.org"], 2), ([], 2), (["ada"], 1):
        with pytest.raises(ValidationError):
            ApprovalPolicy(approvers=approvers, quorum=quorum)
