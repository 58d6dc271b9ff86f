"""Activities as workflows see them: the only place that names them, their timeouts, retries and task queue."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar
from uuid import UUID

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    TimeoutError,  # noqa: A004
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from activities.generate import GenerateActivities
    from activities.records import RecordActivities
    from activities.reuse import ReuseActivities
    from activities.subflows import SubflowActivities
    from activities.tools import ToolActivities
    from perdure.domain.events import (
        EXHAUSTED,
        StepCancelled,
        StepCompleted,
        StepFailed,
        StepScheduled,
        timeout_sentence,
    )
    from perdure.domain.generation import ToolCall
    from perdure.domain.ledger import Ledger
    from perdure.domain.notes import Note
    from perdure.domain.reuse import Reused, ReuseInput
    from perdure.domain.runs import (
        CallToolInput,
        CallToolResult,
        GenerateInput,
        GenerateResult,
        KeepTextInput,
        KeepWordsInput,
        NoteInput,
        RunEnding,
        RunInput,
        StepFailure,
        StepRef,
        SubflowInput,
        SubflowPlan,
    )
    from perdure.orchestration.steps import StepFailedError

INLINE_TASK_CHARACTERS = 4096
"""A longer task is kept once and referred to, instead of standing in the input of every agent's step."""

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""How long a step of a killed worker is waited for before another worker takes it."""

MODEL_RETRY_BACKOFF = timedelta(seconds=1)
MODEL_RETRY_BACKOFF_LIMIT = timedelta(seconds=60)
MODEL_CALL_LIMIT = timedelta(hours=24)
"""All attempts of one step together, the waits that providers ask for included."""

WORKER_LOSSES = 20
"""How often a step may lose its worker (killed, redeployed) before it counts as what kills them."""

TOOL_CALL_LIMIT = timedelta(minutes=15)
"""One attempt at a tool; its own settings end it earlier."""

SUMMARY_CHARACTERS = 200

DATABASE_GRACE = timedelta(hours=1)
"""How long a step waits for a database that is away, so that its outage costs no attempt at the model."""

RECORD_TIMEOUT = timedelta(seconds=30)
RECORD_LIMIT = timedelta(hours=1)
"""How long a run that ended waits for a database that is away. After that the reconciler settles it from history."""


P = ParamSpec("P")
Result = TypeVar("Result")


def cancellable(step: Callable[P, Awaitable[Result]]) -> Callable[P, Awaitable[Result]]:
    """Let a cancelled step end as a cancelled task does: a task group takes every other error for a failure."""

    @wraps(step)
    async def carried_out(*args: P.args, **kwargs: P.kwargs) -> Result:
        try:
            return await step(*args, **kwargs)
        except (ActivityError, ChildWorkflowError) as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from error
            raise

    return carried_out


@cancellable
async def generate(step: GenerateInput, ledger: Ledger) -> GenerateResult:
    """One model call as an activity of its own, entered in the ledger. Raises StepFailedError when it gives up."""
    ledger.apply(StepScheduled.of(step), workflow.now())
    try:
        result = await workflow.execute_activity_method(
            GenerateActivities.generate,
            step,
            activity_id=step.step_id,
            summary=f"{step.node_type}: {step.node_label} ({step.model})",
            # The activity ends a model call after its limit; what is beyond that it may wait for the database.
            start_to_close_timeout=timedelta(seconds=step.timeout_seconds) + DATABASE_GRACE,
            schedule_to_close_timeout=MODEL_CALL_LIMIT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            # The run says «cancelled» only when the provider's connection is closed.
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            retry_policy=RetryPolicy(
                initial_interval=MODEL_RETRY_BACKOFF,
                maximum_interval=MODEL_RETRY_BACKOFF_LIMIT,
                # The model's failures are counted by the activity; these bound them and the losses of workers.
                maximum_attempts=step.max_retries + 1 + WORKER_LOSSES,
                non_retryable_error_types=["PayloadsTooLarge", "NotFoundError"],
            ),
            priority=step_priority(step.priority),
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            ledger.apply(StepCancelled(step_id=step.step_id), workflow.now())
            raise
        failed = _failed(step.step_id, error)
        ledger.apply(failed, workflow.now())
        msg = f"{step.node_label}: {failed.error}"
        raise StepFailedError(msg) from error
    ledger.apply(StepCompleted.of(result), workflow.now())
    return result


def step_priority(priority: int) -> Priority:
    """Who goes first when the workers are busy: 1 as everybody, 2 and above after them (Temporal's keys 3, 4 and 5).

    Never before: a team's order among its own is no claim on other runs.
    """
    return Priority.default if priority == 1 else Priority(priority_key=min(priority + 2, 5))


def _failed(step_id: str, error: ActivityError) -> StepFailed:
    cause = error.cause
    reason = error.retry_state.name if error.retry_state else "UNSPECIFIED"
    if isinstance(cause, ApplicationError):
        said = StepFailure.of(cause.details)
        return StepFailed(
            step_id=step_id,
            attempt=said.attempt if said else None,
            error=cause.message,
            kind=said.kind if said else cause.type,
            reason=EXHAUSTED if said and said.exhausted else reason,
        )
    if isinstance(cause, TimeoutError) and cause.type is not None:
        kind = cause.type.name
        return StepFailed(step_id=step_id, attempt=None, error=timeout_sentence(kind), kind=kind, reason=reason)
    return StepFailed(step_id=step_id, attempt=None, error="The worker could not say why.", kind=None, reason=reason)


@cancellable
async def call_tool(step: CallToolInput, ledger: Ledger) -> CallToolResult:
    """One tool call as an activity of its own, entered in the ledger. Raises StepFailedError when it gives up."""
    ledger.apply(StepScheduled.of_tool(step), workflow.now())
    try:
        result = await workflow.execute_activity_method(
            ToolActivities.call_tool,
            step,
            activity_id=step.step_id,
            summary=f"tool: {step.call.name} for {step.node_label}",
            start_to_close_timeout=TOOL_CALL_LIMIT,
            schedule_to_close_timeout=MODEL_CALL_LIMIT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            retry_policy=RetryPolicy(
                initial_interval=MODEL_RETRY_BACKOFF,
                maximum_interval=MODEL_RETRY_BACKOFF_LIMIT,
                maximum_attempts=step.max_retries + 1 + WORKER_LOSSES,
                non_retryable_error_types=["PayloadsTooLarge", "NotFoundError"],
            ),
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            ledger.apply(StepCancelled(step_id=step.step_id), workflow.now())
            raise
        failed = _failed(step.step_id, error)
        ledger.apply(failed, workflow.now())
        raise StepFailedError(failed.error) from error
    ledger.apply(StepCompleted.of_tool(result), workflow.now())
    return result


@cancellable
async def reuse(taken: ReuseInput) -> Reused:
    """Take a step's result from the run that had done it."""
    return await workflow.execute_local_activity_method(
        ReuseActivities.reuse,
        taken,
        start_to_close_timeout=RECORD_TIMEOUT,
        schedule_to_close_timeout=RECORD_LIMIT,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=200),
            maximum_interval=timedelta(seconds=10),
            non_retryable_error_types=["NotFoundError"],
        ),
        summary=f"reuse {taken.step.step_id}"[:SUMMARY_CHARACTERS],
    )


@cancellable
async def put_down(run: RunInput, note: Note) -> None:
    """Record a note as an event of the run."""
    await workflow.execute_local_activity_method(
        RecordActivities.note,
        NoteInput(execution_id=run.execution_id, user_id=run.user_id, note=note),
        start_to_close_timeout=RECORD_TIMEOUT,
        schedule_to_close_timeout=RECORD_LIMIT,
        summary=note.summary[:SUMMARY_CHARACTERS],
    )


@cancellable
async def keep_words(execution_id: UUID, step_id: str, call: ToolCall, text: str) -> StepRef:
    """Keep what we ourselves answer to a tool call."""
    ref = StepRef(execution_id=execution_id, run_id=workflow.info().run_id, step_id=step_id)
    await workflow.execute_local_activity_method(
        RecordActivities.keep_words,
        KeepWordsInput(ref=ref, call_id=call.id, tool_name=call.name, text=text),
        start_to_close_timeout=RECORD_TIMEOUT,
        schedule_to_close_timeout=RECORD_LIMIT,
        summary=f"tell the model: {text}"[:SUMMARY_CHARACTERS],
    )
    return ref


@cancellable
async def prepare_subflow(asked: SubflowInput) -> SubflowPlan:
    """Read the flow that shall run as a tool and list its run."""
    return await workflow.execute_local_activity_method(
        SubflowActivities.prepare,
        asked,
        start_to_close_timeout=RECORD_TIMEOUT,
        schedule_to_close_timeout=RECORD_LIMIT,
        summary=f"prepare the flow that {asked.tool.name} runs",
    )


async def record_ending(ending: RunEnding) -> None:
    """Write the run's end to the list of executions, in the task that also ends the workflow."""
    await workflow.execute_local_activity_method(
        RecordActivities.record_ending,
        ending,
        start_to_close_timeout=RECORD_TIMEOUT,
        schedule_to_close_timeout=RECORD_LIMIT,
        retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10)),
        summary=f"record: {ending.status.value}",
    )


@cancellable
async def keep_task(execution_id: UUID, task: str, step_id: str) -> str | StepRef:
    """The task as steps are given it: itself, or a reference where it is long."""
    if len(task) <= INLINE_TASK_CHARACTERS:
        return task
    ref = StepRef(execution_id=execution_id, run_id=workflow.info().run_id, step_id=step_id)
    await workflow.execute_local_activity_method(
        RecordActivities.keep_text,
        KeepTextInput(ref=ref, text=task),
        start_to_close_timeout=RECORD_TIMEOUT,
        schedule_to_close_timeout=RECORD_LIMIT,
        summary="keep the task",
    )
    return ref
