"""When the database does not answer: telling that from a mistake of ours, and waiting for it to come back."""

import logging

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from tenacity import AsyncRetrying, before_sleep_log, retry_if_exception, wait_random_exponential

_log = logging.getLogger(__name__)

# PostgreSQL's classes of errors that pass: connection lost, out of connections or memory, shutting down or starting.
_PASSING_STATES = ("08", "53", "57P")


def is_outage(error: BaseException) -> bool:
    """Whether this says that the database is away, full or starting, and not that a statement is wrong."""
    if isinstance(error, OSError | PoolTimeoutError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    origin = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(origin, "sqlstate", None) or "").startswith(_PASSING_STATES)


def waiting_out() -> AsyncRetrying:
    """Try database work until the database is back.

    Use as `async for attempt in waiting_out(): with attempt: …`. Without an end of its own: whoever uses it is bounded
    (an activity by its timeout). For work next to a paid model call, where failing would mean to pay again.
    """
    return AsyncRetrying(
        retry=retry_if_exception(is_outage),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        before_sleep=before_sleep_log(_log, logging.WARNING),
        reraise=True,
    )
