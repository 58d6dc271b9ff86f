"""Many forks or retries at once: bounded, and harmless to repeat."""

import asyncio
from hashlib import sha256
from uuid import UUID

import orjson

from perdure.bootstrap import Runtime
from perdure.domain.bulk_outcomes import BulkOutcome, Skipped, Started
from perdure.domain.errors import PerdureError
from perdure.executions import find_started, start_execution
from perdure.forks import ForkAsked, RetryAsked, plan, read_parent
from perdure.storage.fork_lists import BulkFilter, find_in_bulk

AT_ONCE = 4


async def start_in_bulk(
    runtime: Runtime, wanted: BulkFilter, asked: ForkAsked | RetryAsked, *, limit: int
) -> BulkOutcome:
    """Fork or retry up to `limit` executions, the newest first; one by one, so that each is started or is not.

    A repeated call passes over those that it has done. Raises RPCError when Temporal does not answer.
    """
    prefix = _key_prefix(asked)
    async with runtime.single.connect() as connection:
        found = await find_in_bulk(connection, wanted, key_prefix=prefix, limit=limit)
    free = asyncio.Semaphore(AT_ONCE)

    async def one(execution_id: UUID, before: UUID | None) -> Started | Skipped:
        if before is not None:
            return Skipped(execution_id=execution_id, reason=f"Done before, as {before}.", started_before=before)
        async with free:
            return await _start(runtime, execution_id, wanted.user_id, asked, f"{prefix}{execution_id}")

    # Where Temporal or the database goes away, that is the answer; what was begun comes to its own end.
    results = await asyncio.gather(*(one(*each) for each in found))
    return BulkOutcome(
        started=[each for each in results if isinstance(each, Started)],
        skipped=[each for each in results if isinstance(each, Skipped)],
    )


async def _start(
    runtime: Runtime, execution_id: UUID, user_id: int, asked: ForkAsked | RetryAsked, key: str
) -> Started | Skipped:
    try:
        parent = await read_parent(runtime, execution_id, user_id=user_id)
        keyed = asked.keyed(parent, key)
        execution = await find_started(runtime, keyed)
        if execution is None:
            request = await plan(runtime, parent, asked, keyed)
            execution = await start_execution(runtime, request, execution_id=request.execution_id)
    except PerdureError as error:
        return Skipped(execution_id=execution_id, reason=error.detail)
    return Started(execution_id=execution.id, forked_from=execution_id)


def _key_prefix(asked: ForkAsked | RetryAsked) -> str:
    """What the idempotency keys of these forks begin with: the same for a call that asks for the same."""
    kind = "retry" if isinstance(asked, RetryAsked) else "fork"
    options = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
    return f"bulk-{kind}:{sha256(options).hexdigest()}:"
