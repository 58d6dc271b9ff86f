"""What a picture of a run says that it waits for."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from perdure.domain.approvals import Approval, ApprovalStatus
from perdure.domain.executions import Execution, ExecutionStatus, Metrics
from perdure.domain.explanations import Explanation, SeenWorker, WaitsForChild
from perdure.domain.pictures import PendingStep, PendingTask, Picture, Queue
from perdure.record.explaining import explain, explain_ended

NOW = datetime(2026, 11, 26, 9, 0, 0, tzinfo=UTC)
RUN, OTHER = UUID(int=1), UUID(int=2)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def execution(status: ExecutionStatus = ExecutionStatus.RUNNING, error: str | None = None) -> Execution:
    return Execution.model_construct(
        id=RUN,
        status=status,
        session_id="s",
        started_at=ago(60),
        completed_at=NOW if status.is_final else None,
        error_message=error,
        metrics=Metrics.model_construct(),
    )


def worker(seen: float, name: str = "1@here") -> SeenWorker:
    return SeenWorker(identity=name, build_id=None, last_seen_at=ago(seen))


def step(step_id: str = "writer", **fields: object) -> PendingStep:
    told: dict[str, object] = {
        "is_started": False,
        "attempt": 1,
        "scheduled_at": ago(30),
        "started_at": None,
        "heartbeat_at": None,
        "next_attempt_at": None,
        "last_error": None,
        "worker": None,
        **fields,
    }
    return PendingStep.model_validate({"step_id": step_id, **told})


def picture(*steps: PendingStep, **fields: object) -> Picture:
    queue = Queue(name="perdure", build_id=None, backlog=3, workers=(worker(1),))
    told: dict[str, object] = {"task": None, "queue": queue, **fields}
    return Picture.model_validate({"at": NOW, "execution": execution(), "steps": steps, **told})


def kinds(explanation: Explanation) -> list[str]:
    return [reason.kind for reason in explanation.waiting_for]


def test_a_run_without_a_worker_says_just_that() -> None:
    task = PendingTask(attempt=1, scheduled_at=ago(30), started_at=None)
    queue = Queue(name="perdure", build_id="1-0-abc", backlog=1, workers=())
    explained = explain(picture(task=task, queue=queue))
    assert explained.sentence == (
        "There is no worker for queue 'perdure' and build '1-0-abc': start one (`perdure worker`)."
    )
    assert (kinds(explained), explained.since) == (["worker"], ago(30))


@pytest.mark.parametrize(
    ("seen", "says"), [(40, "has asked for work since"), (5, "all 1 workers are busy")], ids=["silent", "busy"]
)
def test_workers_that_are_silent_are_told_from_those_that_are_busy(seen: float, says: str) -> None:
    queue = Queue(name="perdure", build_id=None, backlog=3, workers=(worker(seen),))
    explained = explain(picture(step(), queue=queue))
    assert kinds(explained) == ["worker"]
    assert says in explained.sentence


def test_what_a_free_worker_is_about_to_take_waits_for_nobody() -> None:
    explained = explain(picture(task=PendingTask(attempt=1, scheduled_at=ago(0.1), started_at=None)))
    assert (kinds(explained), explained.since) == ([], NOW)
    assert "worked on" in explained.sentence


def test_a_worker_that_took_it_and_is_gone_is_missed() -> None:
    task = PendingTask(attempt=2, scheduled_at=ago(9), started_at=ago(8))
    explained = explain(picture(task=task))
    assert (kinds(explained), explained.since) == (["worker"], ago(9))
    assert "took it at 2026-11-26 08:59:52 UTC and has not come back" in explained.sentence


def test_a_retry_says_when_and_what_it_failed_of() -> None:
    waiting = step(attempt=3, started_at=ago(4), next_attempt_at=NOW + timedelta(seconds=4), last_error="HTTP 429.")
    explained = explain(picture(waiting))
    assert kinds(explained) == ["retry"]
    assert explained.sentence == (
        "Step writer has failed and is tried again (attempt 3); the next attempt is at 2026-11-26 09:00:04 UTC."
        " It failed of: HTTP 429."
    )


def test_a_retry_that_is_long_due_waits_for_a_worker() -> None:
    queue = Queue(name="perdure", build_id=None, backlog=1, workers=())
    explained = explain(picture(step(attempt=2, next_attempt_at=ago(20), last_error="gone"), queue=queue))
    assert kinds(explained) == ["worker"]
    assert explained.since == ago(20)


def test_a_call_under_way_says_since_when_and_who_has_it() -> None:
    called = step(is_started=True, started_at=ago(7), heartbeat_at=ago(0.5), worker="1@here", attempt=2)
    explained = explain(picture(called))
    assert explained.sentence == "Step writer has been called (attempt 2) and has not answered yet."
    assert explained.since == ago(7)


def test_a_call_whose_worker_is_silent_says_so() -> None:
    called = step(is_started=True, started_at=ago(9), heartbeat_at=ago(6), worker="1@here")
    explained = explain(picture(called))
    assert kinds(explained) == ["call"]
    assert "last heard of at 2026-11-26 08:59:54 UTC" in explained.sentence


def test_people_are_named_with_their_deadline() -> None:
    approval = Approval.model_construct(
        approval_id="a1",
        title="Writer calls pay",
        approvers=["ann@example.com", "bob@example.com"],
        quorum=2,
        approved_by=["ann@example.com"],
        deadline=NOW + timedelta(hours=1),
        created_at=ago(9),
        status=ApprovalStatus.PENDING,
    )
    explained = explain(picture(approvals=(approval,)))
    assert explained.sentence == (
        "It waits for ann@example.com or bob@example.com to decide: Writer calls pay (1 of 2 have approved),"
        " until 2026-11-26 10:00:00 UTC."
    )


def test_a_worker_whose_code_cannot_go_on_comes_before_all_else() -> None:
    task = PendingTask(attempt=4, scheduled_at=ago(50), started_at=ago(1), trouble="[TMPRL1100] Nondet.")
    explained = explain(picture(step(is_started=True, started_at=ago(60)), task=task))
    assert kinds(explained) == ["engine", "call"]
    assert "attempt 4" in explained.sentence
    assert "[TMPRL1100] Nondet." in explained.sentence
    assert explained.sentence.endswith("1 more of its steps wait or work at the same time.")


def test_a_called_run_is_explained_within() -> None:
    below = explain(picture(step("translator", is_started=True, started_at=ago(3))))
    explained = explain(picture(children=(("writer/1-run", below.model_copy(update={"execution_id": OTHER})),)))
    (reason,) = explained.waiting_for
    assert isinstance(reason, WaitsForChild)
    assert (reason.execution_id, [each.kind for each in reason.waiting_for]) == (OTHER, ["call"])
    assert "translator" in explained.sentence


def test_a_turn_names_those_ahead() -> None:
    explained = explain(picture(turns_ahead=(OTHER,)))
    assert kinds(explained) == ["turn"]
    assert str(OTHER) in explained.sentence


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (ExecutionStatus.COMPLETED, None, "completed"),
        (ExecutionStatus.CANCELLED, None, "cancelled"),
        (ExecutionStatus.FAILED, "No key.", "It has failed: No key. Mend the cause"),
    ],
)
def test_a_run_that_has_ended_waits_for_nothing(status: ExecutionStatus, error: str | None, says: str) -> None:
    explained = explain_ended(execution(status, error))
    assert says in explained.sentence
    assert (explained.waiting_for, explained.since) == ([], NOW)
