"""Knowledge bases as every door uses them: take a document in, and search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Protocol
from uuid import UUID, uuid4

from pydantic import JsonValue

from perdure.bootstrap import Runtime
from perdure.domain.errors import UnsupportedMediaTypeError
from perdure.domain.flows import RetrievalStrategy
from perdure.domain.generation import ModelRef
from perdure.domain.knowledge import Document, Found, Hit, IngestionInput, KnowledgeBase, RetrievalSettings
from perdure.domain.knowledge_edits import overlay, wanted_embedding
from perdure.domain.reindexing import ReindexInput
from perdure.domain.reranking import MOST_RERANKED
from perdure.domain.users import Origin
from perdure.retrieval.formats import kind_of
from perdure.retrieval.fusion import diversify, fuse
from perdure.retrieval.lexemes import terms
from perdure.storage.chunk_search import Near, Scope, matching, nearest, read_chunks
from perdure.storage.documents import Upload, add_piece, insert_document, record_document
from perdure.storage.knowledge import (
    change_knowledge_base,
    lock_knowledge_base,
    no_knowledge_base,
    read_knowledge_base,
    read_knowledge_bases,
)
from perdure.storage.reindexing import begin_reindex
from perdure.temporal.ingesting import start_ingestion
from perdure.temporal.reindexing import start_reindex

_PIECE_BYTES = 1024 * 1024
_CANDIDATES_PER_RESULT = 4
_FEWEST_CANDIDATES = 40
"""How many chunks each list holds from which `mmr` and `hybrid` choose."""


_QUERY_SECONDS = 30
"""How long a query may take to be embedded."""


class UploadedFile(Protocol):
    """A file that has come in, on the API's disk or in its memory."""

    async def read(self, size: int) -> bytes:
        """Read on, at most so many bytes; none at the end."""
        ...

    async def seek(self, offset: int) -> None:
        """Go to this place."""
        ...


async def take_in(
    runtime: Runtime,
    origin: Origin,
    knowledgebase_id: UUID,
    *,
    name: str,
    media_type: str | None,
    file: UploadedFile,
) -> Document:
    """Keep an upload and start its ingestion, in one transaction: neither exists without the other.

    Raises NotFoundError, UnsupportedMediaTypeError, Temporal's RPCError when it does not answer.
    """
    kind = kind_of(name, media_type)
    if kind is None:
        raise UnsupportedMediaTypeError(
            "Documents are PDF, DOCX, HTML, Markdown, plain text, CSV or JSON: name the file with its ending."
        )
    async with runtime.single.connect() as connection:
        await read_knowledge_base(connection, knowledgebase_id, user_id=origin.user_id)
    digest, size = sha256(), 0
    while piece := await file.read(_PIECE_BYTES):
        digest.update(piece)
        size += len(piece)
    await file.seek(0)
    upload = Upload(uuid4(), name, kind.value, size, digest.hexdigest())
    async with runtime.sessions.begin() as session:
        document = await insert_document(session, knowledgebase_id, upload)
        sequence = 0
        while piece := await file.read(_PIECE_BYTES):
            await add_piece(session, document.id, sequence, piece)
            sequence += 1
        # Held from here on only: several files at once wait for each other's commit, not for each other's bytes.
        base = await lock_knowledge_base(session, knowledgebase_id, user_id=origin.user_id)
        await record_document(session, origin, base, document)
        await start_ingestion(runtime.client, IngestionInput(knowledgebase_id=base.id, document_id=document.id))
    return document


async def change(
    runtime: Runtime, origin: Origin, knowledgebase_id: UUID, given: Mapping[str, JsonValue]
) -> KnowledgeBase:
    """Change the given fields; another embedding model starts a re-index, in the same transaction.

    Raises NotFoundError, UnprocessableError, Temporal's RPCError when a re-index is to start and it does not answer.
    """
    async with runtime.sessions.begin() as session:
        held = await lock_knowledge_base(session, knowledgebase_id, user_id=origin.user_id)
        choice = wanted_embedding(held, given)
        base = await change_knowledge_base(session, origin, held, overlay(held, given))
        if choice is not None:
            base = await begin_reindex(session, origin, base, choice)
        if choice is not None and base.reindex is not None:
            started = ReindexInput(knowledgebase_id=base.id, reindex_id=base.reindex.id)
            await start_reindex(runtime.client, started)
    return base


async def search(
    runtime: Runtime,
    *,
    user_id: int,
    knowledgebase_ids: Sequence[str],
    query: str,
    settings: RetrievalSettings,
    model: ModelRef | None = None,
) -> Found:
    """Search knowledge bases of this user's together, best first.

    Args:
        runtime: its pool (each statement is short), and the models that embed the query, once for each model that the
            knowledge bases have, and put the results in order.
        user_id: whose knowledge bases.
        knowledgebase_ids: at least one; the same one twice counts once.
        query: what is looked for; a blank one finds nothing.
        settings: strategy, how many, from which score on, and whether a model puts them in order.
        model: the chat model that does so where nothing else is named; None: the default model.

    Raises:
        NotFoundError: a knowledge base is not there or not this user's; names it.
        ModelCallError: the query could not be embedded, or the results not be put in order; says whether to try again.
    """
    await runtime.llm.load()
    candidates = settings
    if settings.reranking_enabled:
        wider = min(_CANDIDATES_PER_RESULT * settings.top_k, MOST_RERANKED)
        candidates = settings.model_copy(update={"top_k": max(wider, settings.top_k)})
    hits = await _find(runtime, user_id, knowledgebase_ids, query, candidates)
    if not settings.reranking_enabled or not hits:
        return Found(hits=tuple(hits))
    return await _rerank(runtime, query, hits, settings, model)


async def _rerank(
    runtime: Runtime, query: str, hits: Sequence[Hit], settings: RetrievalSettings, model: ModelRef | None
) -> Found:
    """The best of what was found, in a model's order."""
    judged, rest = hits[:MOST_RERANKED], hits[MOST_RERANKED:]
    fallback = model or runtime.default_model
    reranked = await runtime.llm.rerankers.rerank(
        settings.reranking_model, query, [hit.content for hit in judged], fallback=fallback
    )
    ordered = [judged[each.index].model_copy(update={"rerank_score": each.score}) for each in reranked.order]
    return Found(hits=tuple([*ordered, *rest][: settings.top_k]), reranking=reranked.use)


async def _find(
    runtime: Runtime, user_id: int, knowledgebase_ids: Sequence[str], query: str, settings: RetrievalSettings
) -> list[Hit]:
    ids = [_as_id(text) for text in dict.fromkeys(knowledgebase_ids)]

    async def read() -> list[KnowledgeBase]:
        async with runtime.single.connect() as connection:
            return await read_knowledge_bases(connection, ids, user_id=user_id)

    bases = await read()
    if not query.strip():
        return []
    while True:
        hits = await _Looking(runtime, bases, query, settings).look()
        now = await read()
        if [base.embedding for base in now] == [base.embedding for base in bases]:
            return hits
        # A re-index has switched in between: the query's vector was the old model's, the chunks' were not.
        bases = now


def _as_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise no_knowledge_base(text) from None


@dataclass(frozen=True)
class _Looking:
    """One search under way. Ranked lists are chunk ids with their scores, best first."""

    runtime: Runtime
    bases: Sequence[KnowledgeBase]
    query: str
    settings: RetrievalSettings

    async def look(self) -> list[Hit]:
        match self.settings.retrieval_strategy:
            case RetrievalStrategy.SIMILARITY:
                ranked = await self.by_similarity()
            case RetrievalStrategy.MMR:
                ranked = await self.by_relevance_and_novelty()
            case RetrievalStrategy.HYBRID:
                ranked = await self.by_fused_rank()
        return await self.hits(ranked)

    async def by_similarity(self) -> list[tuple[int, float]]:
        found = [near for _, nears in await self._nearest(self.settings.top_k) for near in nears]
        return [(near.id, near.similarity) for near in _best_first(found)]

    async def by_relevance_and_novelty(self) -> list[tuple[int, float]]:
        """Novelty is a matter of one model's vectors; those of several models take turns by similarity."""
        chosen: list[Near] = []
        for vector, nears in await self._nearest(self._candidates, with_embeddings=True):
            able = [near for near in nears if self._is_good_enough(near.similarity)]
            picked = diversify(vector, [near.embedding for near in able], self.settings.top_k)
            chosen.extend(able[place] for place in picked)
        several_models = len({base.embedding_model for base in self.bases}) > 1
        return [(near.id, near.similarity) for near in (_best_first(chosen) if several_models else chosen)]

    async def by_fused_rank(self) -> list[tuple[int, float]]:
        found = [near for _, nears in await self._nearest(self._candidates) for near in nears]
        wanted = terms(self.query)
        matched: list[int] = []
        if wanted:
            bases = [base.id for base in self.bases]
            chunk_count = sum(base.chunk_count for base in self.bases)
            async with self.runtime.single.connect() as connection:
                matched = await matching(connection, bases, wanted, chunk_count=chunk_count, count=self._candidates)
        return fuse([[near.id for near in _best_first(found)], matched])

    async def hits(self, ranked: Sequence[tuple[int, float]]) -> list[Hit]:
        """The best of a ranked list with their contents."""
        able = [(chunk_id, score) for chunk_id, score in ranked if self._is_good_enough(score)]
        able = able[: self.settings.top_k]
        async with self.runtime.single.connect() as connection:
            chunks = await read_chunks(connection, [chunk_id for chunk_id, _ in able])
        versions = {base.id: base.version for base in self.bases}
        return [
            Hit(
                content=chunk.content,
                score=score,
                document_id=chunk.document_id,
                document_name=chunk.document_name,
                chunk_index=chunk.chunk_index,
                knowledgebase_id=chunk.knowledgebase_id,
                knowledgebase_version=versions[chunk.knowledgebase_id],
            )
            for chunk_id, score in able
            if (chunk := chunks.get(chunk_id)) is not None
        ]

    @property
    def _candidates(self) -> int:
        return max(_FEWEST_CANDIDATES, _CANDIDATES_PER_RESULT * self.settings.top_k)

    def _is_good_enough(self, score: float) -> bool:
        return self.settings.score_threshold is None or score >= self.settings.score_threshold

    async def _nearest(self, count: int, *, with_embeddings: bool = False) -> list[tuple[list[float], list[Near]]]:
        """The query's vector and the nearest chunks, for each model that the knowledge bases have."""
        found: list[tuple[list[float], list[Near]]] = []
        for (model, dimension), grouped in groupby(sorted(self.bases, key=_model_of), key=_model_of):
            bases = list(grouped)
            (vector,) = await self.runtime.llm.embeddings.embed(
                ModelRef.parse(model), [self.query], dimension=dimension, seconds=_QUERY_SECONDS
            )
            scope = Scope([base.id for base in bases], dimension, sum(base.chunk_count for base in bases))
            nears = await nearest(self.runtime.engine, scope, vector, count=count, with_embeddings=with_embeddings)
            found.append((vector, nears))
        return found


def _model_of(base: KnowledgeBase) -> tuple[str, int]:
    return base.embedding_model, base.embedding_dimension


def _best_first(nears: Sequence[Near]) -> list[Near]:
    return sorted(nears, key=lambda near: -near.similarity)
