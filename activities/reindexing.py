"""The deeds of a re-index: embed a batch with the new model, let the new vectors take over, write how it ended."""

from collections.abc import Awaitable, Callable

from temporalio import activity

from activities.chunk_embedding import BATCH, embed_by_hash
from activities.heartbeat import heartbeating
from activities.patience import PatientDatabase
from perdure.domain.reindexing import ReindexFailure, ReindexInput, ReindexProgress
from perdure.domain.text import storable
from perdure.llm.embeddings import Embeddings
from perdure.storage.reindexing import count_chunks, fail_reindex, keep_vectors, next_texts, read_running, switch


class ReindexActivities:
    """Built once per worker with what they need. All raise NotFoundError once the re-index is not under way."""

    def __init__(self, database: PatientDatabase, embeddings: Embeddings) -> None:
        self._database = database
        self._embeddings = embeddings

    @property
    def all(self) -> list[Callable[..., Awaitable[object]]]:
        """What a worker registers."""
        return [self.begin_reindex, self.embed_again, self.switch_vectors, self.fail_reindex]

    @activity.defn
    async def begin_reindex(self, given: ReindexInput) -> ReindexProgress:
        """Count what there is to do. Raises NotFoundError also while the change is not committed."""
        return await self._database.write(lambda session: count_chunks(session, given))

    @activity.defn
    async def embed_again(self, given: ReindexInput) -> ReindexProgress:
        """Embed the next texts behind `after` and keep their vectors.

        Raises ApplicationError, retryable or not as the provider's error says.
        """
        async with heartbeating():
            reindex = await self._database.read(lambda connection: read_running(connection, given))
            texts = await self._database.read(lambda connection: next_texts(connection, given, BATCH))
            vectors = await embed_by_hash(self._embeddings, reindex.choice, texts)
            return await self._database.write(lambda session: keep_vectors(session, given, vectors))

    @activity.defn
    async def switch_vectors(self, given: ReindexInput) -> bool:
        """Let the new vectors take over. False: chunks have come that have none yet."""
        async with heartbeating():
            return await self._database.write(lambda session: switch(session, given))

    @activity.defn
    async def fail_reindex(self, failure: ReindexFailure) -> None:
        """Say why it cannot go on."""
        await self._database.write(lambda session: fail_reindex(session, failure.reindex, storable(failure.reason)))
