"""The ingestion of a document: read it, embed it batch by batch, let it be found; or say why not."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, is_cancelled_exception  # noqa: A004

with workflow.unsafe.imports_passed_through():
    from activities.documents import DocumentActivities
    from perdure.domain.events import timeout_sentence
    from perdure.domain.knowledge import (
        DocumentStatus,
        IngestionFailure,
        IngestionInput,
        IngestionProgress,
        IngestionResult,
    )

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""How long a batch of a killed worker is waited for before another worker takes it."""

READING_LIMIT = timedelta(hours=6)
"""Reading a file is bounded by itself; the rest is for waiting in line when many come at once."""

READING_RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5), maximum_attempts=10
)
"""Half a minute: so long a transaction that has started us may take to commit."""

BATCH_LIMIT = timedelta(hours=1)
"""Embedding a batch takes two minutes at most; beyond that it may wait for the database."""

BATCH_TRIES = timedelta(hours=24)
"""All attempts of one batch together, the waits that providers ask for included."""

BATCH_RETRIES = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=60),
    maximum_attempts=20,
    non_retryable_error_types=["NotFoundError"],
)

ENDING_LIMIT = timedelta(hours=24)
"""How long the end of an ingestion waits for a database that is away."""

ENDING_RETRIES = RetryPolicy(maximum_interval=timedelta(seconds=30), non_retryable_error_types=["NotFoundError"])


@workflow.defn(name="Ingestion")
class IngestionWorkflow:
    """Takes one document in. How far it is stands in the database, so it goes on after the last batch stored."""

    @workflow.run
    async def run(self, ingestion: IngestionInput) -> IngestionResult:
        """Take the document in; one that cannot be is failed with the reason, and other documents go on."""
        try:
            progress = await _read(ingestion)
            while progress.chunks_done < progress.chunks_total:
                if workflow.info().is_continue_as_new_suggested():
                    workflow.continue_as_new(ingestion)
                progress = await _embed(ingestion)
                workflow.set_current_details(f"{progress.chunks_done} of {progress.chunks_total} chunks")
            await _finish(ingestion)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return await _give_up(ingestion, error)
        return IngestionResult(status=DocumentStatus.READY)


async def _read(ingestion: IngestionInput) -> IngestionProgress:
    return await workflow.execute_activity_method(
        DocumentActivities.read_document,
        ingestion,
        activity_id="read",
        summary="read the file and cut it into chunks",
        start_to_close_timeout=READING_LIMIT,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=READING_RETRIES,
    )


async def _embed(ingestion: IngestionInput) -> IngestionProgress:
    return await workflow.execute_activity_method(
        DocumentActivities.embed_batch,
        ingestion,
        summary="embed and store the next chunks",
        start_to_close_timeout=BATCH_LIMIT,
        schedule_to_close_timeout=BATCH_TRIES,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=BATCH_RETRIES,
    )


async def _finish(ingestion: IngestionInput) -> None:
    await workflow.execute_activity_method(
        DocumentActivities.finish_document,
        ingestion,
        activity_id="finish",
        summary="let the document be found",
        start_to_close_timeout=timedelta(minutes=1),
        schedule_to_close_timeout=ENDING_LIMIT,
        retry_policy=ENDING_RETRIES,
    )


async def _give_up(ingestion: IngestionInput, error: ActivityError) -> IngestionResult:
    cause = error.cause
    if _is_gone(cause):
        # Deleted meanwhile, or never committed: nobody is left to be told.
        return IngestionResult(status=None)
    reason = "The worker could not say why: see its log, and upload the document again."
    if isinstance(cause, ApplicationError):
        reason = cause.message
    elif isinstance(cause, TimeoutError) and cause.type is not None:
        reason = f"{timeout_sentence(cause.type.name)} Upload the document again."
    try:
        await workflow.execute_activity_method(
            DocumentActivities.fail_document,
            IngestionFailure(ingestion=ingestion, reason=reason),
            activity_id="fail",
            summary="say why the document cannot be taken in",
            start_to_close_timeout=timedelta(minutes=1),
            schedule_to_close_timeout=ENDING_LIMIT,
            retry_policy=ENDING_RETRIES,
        )
    except ActivityError as failing:
        if not _is_gone(failing.cause):
            raise
        return IngestionResult(status=None)
    return IngestionResult(status=DocumentStatus.FAILED, error_message=reason)


def _is_gone(cause: BaseException | None) -> bool:
    return isinstance(cause, ApplicationError) and cause.type == "NotFoundError"
