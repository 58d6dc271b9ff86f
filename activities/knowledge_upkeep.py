"""Housekeeping of knowledge bases: what lost its workflow is failed, and deleted ones are emptied."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from temporalio.client import Client

from perdure.domain.errors import NotFoundError
from perdure.storage.emptying import empty_a_bit, ingestions_under_way, reindexes_under_way, to_empty
from perdure.storage.engine import Sessions
from perdure.storage.ingestion import make_failed
from perdure.storage.reindexing import fail_reindex
from perdure.temporal.ingesting import ingestion_id
from perdure.temporal.reindexing import reindex_workflow_id
from perdure.temporal.settling import is_under_way

ENDED_INGESTION = "Its ingestion was ended from outside: upload the document again."
ENDED_REINDEX = "The re-index was ended from outside: change the embedding model again."

_MOST_BITS = 500
"""Transactions of one pass; the next pass goes on."""


async def fail_lost_documents(client: Client, sessions: Sessions, grace: timedelta) -> int:
    """Fail documents whose ingestion has ended without a word (terminated, timed out, never begun)."""
    failed, after, before = 0, UUID(int=0), datetime.now(UTC) - grace
    while True:
        async with sessions() as session:
            page = await ingestions_under_way(session, before=before, after=after)
        if not page:
            return failed
        after = page[-1].document_id
        for ingestion in page:
            if await is_under_way(client, ingestion_id(ingestion)):
                continue
            try:
                async with sessions.begin() as session:
                    await make_failed(session, ingestion, ENDED_INGESTION)
            except NotFoundError:
                # It got to its end after we had looked.
                continue
            failed += 1


async def fail_lost_reindexes(client: Client, sessions: Sessions, grace: timedelta) -> int:
    """Fail re-indexes whose workflow has ended without a word; the old vectors stay in use."""
    failed = 0
    async with sessions() as session:
        running = await reindexes_under_way(session, before=datetime.now(UTC) - grace)
    for reindex in running:
        if await is_under_way(client, reindex_workflow_id(reindex.reindex_id)):
            continue
        try:
            async with sessions.begin() as session:
                await fail_reindex(session, reindex, ENDED_REINDEX)
        except NotFoundError:
            # As above.
            continue
        failed += 1
    return failed


async def empty_deleted(sessions: Sessions) -> int:
    """Delete what deleted knowledge bases still hold, in small transactions; how many are empty now."""
    emptied, bits = 0, 0
    async with sessions() as session:
        deleted = await to_empty(session)
    for knowledgebase_id in deleted:
        more = True
        while more:
            if bits == _MOST_BITS:
                return emptied
            async with sessions.begin() as session:
                more = await empty_a_bit(session, knowledgebase_id)
            bits += 1
        emptied += 1
    return emptied
