"""What every attempt at a step does the same way: find what an earlier one left, and count the failures."""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failures import Failure, as_application_error
from perdure.domain.runs import StepRef
from perdure.domain.text import storable
from perdure.storage.engine import Single
from perdure.storage.outages import waiting_out
from perdure.storage.transcripts import FailedAttempt, keep_failure

Argument = TypeVar("Argument")
Found = TypeVar("Found")


class Attempts:
    """The database as a step's attempts use it. One per worker."""

    def __init__(self, database: Single) -> None:
        self._database = database

    async def within_reach(
        self, work: Callable[[AsyncConnection, Argument], Awaitable[Found]], argument: Argument
    ) -> Found:
        """Do a statement's work, waiting for the database while it is away: a paid answer is not given up for that."""
        async for attempt in waiting_out():
            with attempt:
                async with self._database.connect() as connection:
                    return await work(connection, argument)
        raise AssertionError  # waiting_out ends by returning or by raising

    async def failed(self, ref: StepRef, failure: Failure, *, name: str, max_retries: int) -> ApplicationError:
        """Count the failure, and say what to raise.

        Counted by us and not by Temporal: a step that loses its worker has not used up its retries.
        """
        attempt = activity.info().attempt
        detail = storable(failure.detail)
        kept = FailedAttempt(ref=ref, attempt=attempt, kind=failure.kind, detail=detail)
        failures = await self.within_reach(keep_failure, kept) if failure.retryable else 1
        return as_application_error(failure, name=name, exhausted=failure.retryable and failures > max_retries)


def ref_of(execution_id: UUID, step_id: str) -> StepRef:
    """Where the words of the step that runs now are kept."""
    run_id = activity.info().workflow_run_id
    if run_id is None:
        msg = "A step belongs to a run."
        raise RuntimeError(msg)
    return StepRef(execution_id=execution_id, run_id=run_id, step_id=step_id)
