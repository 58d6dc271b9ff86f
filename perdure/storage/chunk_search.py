"""Finding chunks: by the nearness of their embeddings, and by their words. Only those of documents that are ready."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from pgvector import HalfVector
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from perdure.retrieval.lexemes import Term, search_query, telling
from perdure.storage.knowledge_tables import INDEXED_DIMENSIONS

MOST_COMPARED = 10_000
"""Up to so many chunks are compared one by one, exactly; the index is for more.

It holds the chunks of all knowledge bases, so for a small one it would wander through those of others and give up.
"""

_EXPLORED = 1000
"""How many neighbours the index keeps in sight (`hnsw.ef_search`, 40 by default): as many as it takes.

Fewer save some milliseconds and miss more: of the ten nearest of 1,000,000, 400 found 84 % (bench/retrieval.py).
"""

_READY = """
    knowledgebase_id = ANY(CAST(:bases AS uuid[])) AND document_id NOT IN (
        SELECT id FROM documents WHERE knowledgebase_id = ANY(CAST(:bases AS uuid[])) AND status <> 'ready'
    )
"""
# A zero vector, of a text without a known word, is at no distance from anything.
_NEAREST = """
    SELECT * FROM (
        SELECT id, {shown} AS embedding, {embedding} <=> CAST(:query AS halfvec({dimension})) AS distance
        FROM chunks WHERE dimension = {dimension} AND {ready}
        ORDER BY distance LIMIT :count
    ) AS nearest WHERE distance <= 2
"""
# Iterative: the filter on the knowledge base comes after the index, which then goes on until there are enough.
_EXPLORE = text("""
    SELECT set_config('hnsw.iterative_scan', 'strict_order', true), set_config('hnsw.ef_search', :explored, true),
        set_config('plan_cache_mode', 'force_custom_plan', true)
""")
_MATCHING = text(f"""
    SELECT id FROM chunks, CAST(CAST(:query AS text) AS tsquery) AS wanted
    WHERE search_vector @@ wanted AND {_READY}
    ORDER BY ts_rank(search_vector, wanted, 1) DESC, id LIMIT :count
""")  # noqa: S608 - put together from what stands above
# The index holds the words of everybody's chunks: of few chunks each is looked at instead.
_MATCHING_FEW = text(f"""
    WITH own AS MATERIALIZED (SELECT id, search_vector FROM chunks WHERE {_READY})
    SELECT id FROM own, CAST(CAST(:query AS text) AS tsquery) AS wanted
    WHERE search_vector @@ wanted ORDER BY ts_rank(search_vector, wanted, 1) DESC, id LIMIT :count
""")  # noqa: S608 - put together from what stands above
# What ANALYZE saw: the thousand or so commonest lexemes.
_SHARES = text("""
    SELECT lexeme, share, (SELECT reltuples FROM pg_class WHERE oid = CAST('chunks' AS regclass)) AS chunks
    FROM pg_stats, unnest(CAST(CAST(most_common_elems AS text) AS text[]), most_common_elem_freqs)
        AS common (lexeme, share)
    WHERE schemaname = current_schema() AND tablename = 'chunks' AND attname = 'search_vector'
        AND lexeme = ANY(CAST(:lexemes AS text[]))
""")
_CONTENTS = text("""
    SELECT c.id, c.content, c.chunk_index, c.document_id, c.knowledgebase_id, d.name AS document_name
    FROM chunks AS c JOIN documents AS d ON d.id = c.document_id WHERE c.id = ANY(CAST(:ids AS bigint[]))
""")


@dataclass(frozen=True)
class Near:
    """A chunk near a query."""

    id: int
    similarity: float
    embedding: list[float]
    """Empty where it was not asked for."""


@dataclass(frozen=True)
class FoundChunk:
    """What is shown of a chunk."""

    id: int
    content: str
    chunk_index: int
    document_id: UUID
    document_name: str
    knowledgebase_id: UUID


@dataclass(frozen=True)
class Scope:
    """Where to look: knowledge bases of one embedding model."""

    bases: Sequence[UUID]
    dimension: int
    chunk_count: int

    @property
    def by_index(self) -> bool:
        """Whether the index is asked."""
        return self.chunk_count > MOST_COMPARED and self.dimension in INDEXED_DIMENSIONS


async def nearest(
    engine: AsyncEngine, scope: Scope, query: Sequence[float], *, count: int, with_embeddings: bool = False
) -> list[Near]:
    """The chunks whose embeddings are nearest to the query's, nearest first.

    `engine` has transactions: one that commits by itself would forget the settings at once.
    """
    parameters = {"bases": list(scope.bases), "query": HalfVector(list(query)).to_text(), "count": count}
    statement = _nearest(scope.dimension, scope.by_index, with_embeddings)
    # A transaction: the settings are for this statement alone.
    async with engine.begin() as connection:
        if scope.by_index:
            await connection.execute(_EXPLORE, {"explored": str(_EXPLORED)})
        found = await connection.execute(statement, parameters)
        return [
            Near(
                id=row["id"],
                similarity=1 - row["distance"],
                embedding=HalfVector.from_text(row["embedding"]).to_list() if with_embeddings else [],
            )
            for row in found.mappings()
        ]


@lru_cache
def _nearest(dimension: int, by_index: bool, with_embeddings: bool) -> TextClause:  # noqa: FBT001 - a cache's key
    return text(
        _NEAREST.format(
            dimension=dimension,
            ready=_READY,
            shown="CAST(embedding AS text)" if with_embeddings else "NULL",
            # The expression as the index has it, or the column alone, which none has.
            embedding=f"embedding::halfvec({dimension})".replace(":", "\\:") if by_index else "embedding",
        )
    )


async def matching(
    connection: AsyncConnection, bases: Sequence[UUID], wanted: Sequence[Term], *, chunk_count: int, count: int
) -> list[int]:
    """The chunks that have terms of the query, those with most of them first.

    Args:
        connection: to read with.
        bases: the knowledge bases to look in.
        wanted: what is looked for; where there are many chunks, those of its words that are not everywhere.
        chunk_count: how many chunks the knowledge bases have.
        count: how many to find at most.
    """
    is_large = chunk_count > MOST_COMPARED
    query = search_query(await _telling(connection, wanted) if is_large else wanted)
    if query is None:
        return []
    statement = _MATCHING if is_large else _MATCHING_FEW
    found = await connection.execute(statement, {"bases": list(bases), "query": query, "count": count})
    return list(found.scalars())


async def _telling(connection: AsyncConnection, wanted: Sequence[Term]) -> list[Term]:
    found = await connection.execute(_SHARES, {"lexemes": [term.lexeme for term in wanted]})
    rows = found.all()
    return telling(wanted, {row.lexeme: row.share for row in rows}, max((row.chunks for row in rows), default=0))


async def read_chunks(connection: AsyncConnection, ids: Sequence[int]) -> Mapping[int, FoundChunk]:
    """What is shown of these chunks; those deleted in the meantime are missing."""
    found = await connection.execute(_CONTENTS, {"ids": list(ids)})
    return {row["id"]: FoundChunk(**row) for row in found.mappings()}
