"""A picture of a run → what it waits for. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from perdure.domain.executions import Execution, ExecutionStatus
from perdure.domain.explanations import (
    Explanation,
    Reason,
    WaitsForCall,
    WaitsForChild,
    WaitsForEngine,
    WaitsForHuman,
    WaitsForRetry,
    WaitsForTurn,
    WaitsForWorker,
)
from perdure.domain.pictures import PendingStep, Picture

AT_ONCE = timedelta(seconds=2)
"""A free worker takes what lies in its queue within milliseconds; what lies there for longer waits for one."""

SILENT = timedelta(seconds=5)
"""Workers are heard of twice a second while a call lasts, and every four seconds where they make hundreds of them."""

_ORDER = ("engine", "worker", "human", "retry", "child", "turn", "call")


def explain(picture: Picture) -> Explanation:
    """What the run waits for, the most important first."""
    reasons = sorted(_reasons(picture), key=lambda reason: _ORDER.index(reason.kind))
    first = reasons[0] if reasons else None
    more = f" {len(reasons) - 1} more of its steps wait or work at the same time." if len(reasons) > 1 else ""
    return Explanation(
        execution_id=picture.execution.id,
        status=picture.execution.status,
        sentence=f"{first.sentence}{more}" if first else "It is being worked on at this moment.",
        since=first.since if first else picture.at,
        waiting_for=reasons,
    )


def explain_ended(execution: Execution) -> Explanation:
    """What there is to say of a run that has ended."""
    match execution.status:
        case ExecutionStatus.COMPLETED:
            sentence = "It has completed; it waits for nothing."
        case ExecutionStatus.CANCELLED:
            sentence = "It was cancelled; it waits for nothing."
        case _:
            sentence = (
                f"It has failed: {execution.error_message or 'nobody wrote down why.'}"
                " Mend the cause, then POST …/retry goes on from the failed step."
            )
    return Explanation(
        execution_id=execution.id,
        status=execution.status,
        sentence=sentence,
        since=execution.completed_at,
        waiting_for=[],
    )


def _reasons(picture: Picture) -> Iterator[Reason]:
    task = picture.task
    if task is not None and task.trouble is not None:
        yield WaitsForEngine(
            sentence=f"The worker's code cannot go on with it and is tried again (attempt {task.attempt})."
            f" It said: {task.trouble} Start a worker of the build that the run began on, or mend the code.",
            since=task.scheduled_at,
            attempt=task.attempt,
            error=task.trouble,
        )
    elif task is not None and picture.at - (task.started_at or task.scheduled_at) > AT_ONCE:
        yield _no_worker(picture, None, task.scheduled_at, taken_at=task.started_at)
    for step in picture.steps:
        yield _step(picture, step)
    for approval in picture.approvals:
        yield WaitsForHuman(
            sentence=f"It waits for {_people(approval.approvers)} to decide: {approval.title}"
            f" ({len(approval.approved_by)} of {approval.quorum} have approved){_until(approval.deadline)}.",
            since=approval.created_at,
            approval_id=approval.approval_id,
            title=approval.title,
            approvers=approval.approvers,
            quorum=approval.quorum,
            approved_by=approval.approved_by,
            until=approval.deadline,
        )
    for step_id, child in picture.children:
        yield WaitsForChild(
            sentence=f"It waits for the run {child.execution_id}, which step {step_id} called. {child.sentence}",
            since=child.since,
            step_id=step_id,
            execution_id=child.execution_id,
            waiting_for=child.waiting_for,
        )
    session_id = picture.execution.session_id
    if picture.turns_ahead and session_id is not None:
        count = len(picture.turns_ahead)
        yield WaitsForTurn(
            sentence=f"It waits for {count} earlier message{'s' if count > 1 else ''} of session {session_id},"
            f" first for execution {picture.turns_ahead[0]}.",
            since=picture.execution.started_at,
            session_id=session_id,
            ahead=list(picture.turns_ahead),
        )


def _step(picture: Picture, step: PendingStep) -> Reason:
    if step.is_started:
        again = f" (attempt {step.attempt})" if step.attempt > 1 else ""
        heard_at = step.heartbeat_at or step.started_at
        is_silent = heard_at is not None and picture.at - heard_at > SILENT
        return WaitsForCall(
            sentence=f"Step {step.step_id} has been called{again}, and its worker was last heard of at"
            f" {_time(heard_at)}: if it was lost, another takes the step ten seconds after that."
            if heard_at is not None and is_silent
            else f"Step {step.step_id} has been called{again} and has not answered yet.",
            since=step.started_at,
            step_id=step.step_id,
            attempt=step.attempt,
            worker=step.worker,
            last_heartbeat_at=step.heartbeat_at,
        )
    due_at = step.next_attempt_at or step.scheduled_at
    if step.attempt > 1 and (due_at is None or picture.at - due_at <= AT_ONCE):
        when = f"; the next attempt is at {_time(due_at)}" if due_at else ""
        return WaitsForRetry(
            sentence=f"Step {step.step_id} has failed and is tried again (attempt {step.attempt}){when}."
            + (f" It failed of: {step.last_error}" if step.last_error else ""),
            since=step.started_at,
            step_id=step.step_id,
            attempt=step.attempt,
            last_error=step.last_error,
            next_attempt_at=due_at,
        )
    return _no_worker(picture, step.step_id, due_at)


def _no_worker(
    picture: Picture, step_id: str | None, since: datetime | None, *, taken_at: datetime | None = None
) -> WaitsForWorker:
    queue = picture.queue
    what = f"Step {step_id} lies" if step_id else "It lies"
    build = f" and build '{queue.build_id}'" if queue.build_id else ""
    if taken_at is not None:
        sentence = (
            f"A worker took it at {_time(taken_at)} and has not come back: it was probably lost."
            f" Temporal gives it to another within ten seconds of that, where there is one{build}."
        )
    elif not queue.workers:
        sentence = f"There is no worker for queue '{queue.name}'{build}: start one (`perdure worker`)."
    else:
        last = max(queue.workers, key=lambda worker: worker.last_seen_at)
        if since is not None and last.last_seen_at < since:
            sentence = (
                f"{what} in queue '{queue.name}', and no worker{build.replace(' and', ' of', 1)} has asked for work"
                f" since; the last to do so, at {_time(last.last_seen_at)}, was {last.identity}:"
                " it has stopped, or has no room for more."
            )
        else:
            sentence = (
                f"{what} in queue '{queue.name}' with {queue.backlog} others: all"
                f" {len(queue.workers)} workers are busy. Start more, or wait."
            )
    return WaitsForWorker(
        sentence=sentence,
        since=since,
        step_id=step_id,
        task_queue=queue.name,
        build_id=queue.build_id,
        backlog=queue.backlog,
        workers=list(queue.workers),
    )


def _people(approvers: list[str]) -> str:
    return " or ".join(approvers) if approvers else "whoever started it"


def _until(deadline: datetime | None) -> str:
    return f", until {_time(deadline)}" if deadline else ", without a deadline"


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
