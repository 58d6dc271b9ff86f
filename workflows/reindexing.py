"""The re-index of a knowledge base: embed it anew beside the old vectors, then switch; or say why not."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, is_cancelled_exception  # noqa: A004

with workflow.unsafe.imports_passed_through():
    from activities.reindexing import ReindexActivities
    from perdure.domain.events import timeout_sentence
    from perdure.domain.reindexing import ReindexFailure, ReindexInput, ReindexProgress, ReindexResult, ReindexStatus
    from workflows.ingestion import (
        BATCH_LIMIT,
        BATCH_RETRIES,
        BATCH_TRIES,
        ENDING_LIMIT,
        ENDING_RETRIES,
        HEARTBEAT_TIMEOUT,
        READING_RETRIES,
    )

SWITCH_LIMIT = timedelta(hours=6)
"""The switch writes every chunk's row and index entry in one transaction."""

SWITCH_RETRIES = RetryPolicy(maximum_attempts=5, non_retryable_error_types=["NotFoundError"])


@workflow.defn(name="Reindex")
class ReindexWorkflow:
    """Re-indexes one knowledge base. What is embedded stands in the database, so nothing is embedded twice."""

    @workflow.run
    async def run(self, given: ReindexInput) -> ReindexResult:
        """Embed, switch; one that cannot go on is failed with the reason, and the old vectors stay in use."""
        try:
            await _begin(given)
            while True:
                await _embed_all(given)
                if await _switch(given):
                    return ReindexResult(status=ReindexStatus.COMPLETED)
                # Documents have come in behind: from the start, where what is done is passed over.
                given = given.model_copy(update={"after": ""})
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return await _give_up(given, error)


async def _begin(given: ReindexInput) -> None:
    await workflow.execute_activity_method(
        ReindexActivities.begin_reindex,
        given,
        activity_id="begin",
        summary="count the chunks",
        start_to_close_timeout=BATCH_LIMIT,
        retry_policy=READING_RETRIES,
    )


async def _embed_all(given: ReindexInput) -> None:
    progress = await _embed(given)
    while progress.after is not None:
        given = given.model_copy(update={"after": progress.after})
        workflow.set_current_details(f"{progress.chunks_done} of {progress.chunks_total} chunks")
        if workflow.info().is_continue_as_new_suggested():
            workflow.continue_as_new(given)
        progress = await _embed(given)


async def _embed(given: ReindexInput) -> ReindexProgress:
    return await workflow.execute_activity_method(
        ReindexActivities.embed_again,
        given,
        summary="embed the next chunks with the new model",
        start_to_close_timeout=BATCH_LIMIT,
        schedule_to_close_timeout=BATCH_TRIES,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=BATCH_RETRIES,
    )


async def _switch(given: ReindexInput) -> bool:
    return await workflow.execute_activity_method(
        ReindexActivities.switch_vectors,
        given,
        summary="let the new vectors take over",
        start_to_close_timeout=SWITCH_LIMIT,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=SWITCH_RETRIES,
    )


async def _give_up(given: ReindexInput, error: ActivityError) -> ReindexResult:
    cause = error.cause
    if _is_gone(cause):
        # Cancelled, superseded, deleted, or never committed: nobody is left to be told.
        return ReindexResult(status=None)
    reason = "The worker could not say why: see its log, and change the embedding model again."
    if isinstance(cause, ApplicationError):
        reason = cause.message
    elif isinstance(cause, TimeoutError) and cause.type is not None:
        reason = f"{timeout_sentence(cause.type.name)} Change the embedding model again."
    try:
        await workflow.execute_activity_method(
            ReindexActivities.fail_reindex,
            ReindexFailure(reindex=given, reason=reason),
            activity_id="fail",
            summary="say why it cannot go on",
            start_to_close_timeout=timedelta(minutes=10),
            schedule_to_close_timeout=ENDING_LIMIT,
            retry_policy=ENDING_RETRIES,
        )
    except ActivityError as failing:
        if not _is_gone(failing.cause):
            raise
        return ReindexResult(status=None)
    return ReindexResult(status=ReindexStatus.FAILED, error_message=reason)


def _is_gone(cause: BaseException | None) -> bool:
    return isinstance(cause, ApplicationError) and cause.type == "NotFoundError"
