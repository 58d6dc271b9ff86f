"""`python -m bench.retrieval`: how long a search takes, and how much of the exact answer it finds, by size.

One knowledge base per size, all in one database, one after another; the smaller ones are measured again beside the
largest. Texts are made of the embedded model's own vocabulary: each chunk draws most of its words from one of many
topics, so that vectors lie in clusters as those of real documents do. They are embedded by the embedded model, loaded
with COPY into the product's own tables, and indexed as its migration does. Queries go over HTTP, one at a time.
Recall@10 is against the ten nearest of all vectors, compared one by one. 1,000,000 chunks take about 4 GB of disk and
twenty minutes.
"""

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid5

import asyncpg
import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.measure import sample
from perdure.llm.local_embeddings import embed_locally
from perdure.retrieval.lexemes import document_vector
from tests.support.product import API, JsonObject, Product

SIZES = (1_000, 100_000)
FULL = (*SIZES, 1_000_000)
BATCH = 5_000
CHUNKS_PER_DOCUMENT = 1_000
CHUNKS_PER_TOPIC = 200
WORDS_OF_TOPIC, WORDS_OF_ALL, WORDS_OF_QUERY = 45, 15, 8
VOCABULARY_OF_TOPIC = 150
TOP = 10
STRATEGIES = ("similarity", "hybrid", "mmr")
INDEXES = ("ix_chunks_embedding_256", "ix_chunks_search_vector")
COLUMNS = (
    "knowledgebase_id",
    "document_id",
    "chunk_index",
    "content",
    "content_hash",
    "dimension",
    "embedding",
    "search_vector",
)


class SearchFigure(BaseModel):
    """Searches of one knowledge base by one strategy, in milliseconds over HTTP, the query's embedding included."""

    model_config = ConfigDict(frozen=True)

    chunks: int
    in_table: int
    strategy: str
    calls: int
    p50_ms: float
    p95_ms: float
    recall_at_10: float | None
    """Mean over the queries; of `similarity` alone, which is what exact search answers."""


@cache
def model_words() -> list[str]:
    """Whole words that the embedded model has vectors of."""
    library = import_module("wordllama")
    model: Any = library.WordLlama.load(cache_dir=Path(library.__file__ or "").parent, disable_download=True)
    return sorted(token[1:] for token in model.tokenizer.get_vocab() if re.fullmatch("▁[a-z]{4,12}", token))


def _topic_words(size: int, topic: int, count: int, draw: np.random.Generator) -> list[str]:
    """Words of a topic, its first ones most often, as in real text."""
    words = model_words()
    own = np.random.default_rng([size, topic]).choice(len(words), VOCABULARY_OF_TOPIC, replace=False)
    ranks = 1 / np.arange(1, VOCABULARY_OF_TOPIC + 1)
    return [words[place] for place in draw.choice(own, count, p=ranks / ranks.sum())]


def make_rows(base: UUID, size: int, first: int) -> tuple[bytes, NDArray[np.float16]]:
    """A batch of chunks as COPY reads them, and their vectors."""
    words = model_words()
    draw = np.random.default_rng([size, 1_000_000 + first])
    texts: list[str] = []
    for _ in range(min(BATCH, size - first)):
        topic = int(draw.integers(max(size // CHUNKS_PER_TOPIC, 20)))
        said = _topic_words(size, topic, WORDS_OF_TOPIC, draw)
        said += [words[place] for place in draw.integers(len(words), size=WORDS_OF_ALL)]
        draw.shuffle(said)
        texts.append(" ".join(said))
    vectors = _embed(texts)
    lines = [
        "\t".join(
            (
                str(base),
                str(document_id(base, place // CHUNKS_PER_DOCUMENT)),
                str(place % CHUNKS_PER_DOCUMENT),
                text,
                sha256(text.encode()).hexdigest(),
                str(vectors.shape[1]),
                orjson.dumps(vector.astype(np.float32), option=orjson.OPT_SERIALIZE_NUMPY).decode(),
                document_vector(text),
            )
        )
        for place, text, vector in zip(range(first, first + len(texts)), texts, vectors, strict=True)
    ]
    return ("\n".join(lines) + "\n").encode(), vectors


def _embed(texts: list[str]) -> NDArray[np.float16]:
    vectors = embed_locally(texts)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def document_id(base: UUID, ordinal: int) -> UUID:
    """The id of a knowledge base's document."""
    return uuid5(base, str(ordinal))


def make_queries(size: int, count: int) -> list[str]:
    """Some words each of topics that the chunks have."""
    draw = np.random.default_rng([size, 7])
    topics = draw.integers(max(size // CHUNKS_PER_TOPIC, 20), size=count)
    return [" ".join(_topic_words(size, int(topic), WORDS_OF_QUERY, draw)) for topic in topics]


@asynccontextmanager
async def _without_indexes(database: asyncpg.Connection, progress: Progress) -> AsyncGenerator[None]:
    """Drop the two large indexes for a load, and make them again as they were."""
    made = {
        name: cast("str", await database.fetchval("SELECT indexdef FROM pg_indexes WHERE indexname = $1", name))
        for name in INDEXES
    }
    for name in INDEXES:
        await database.execute(f"DROP INDEX {name}")
    yield
    await database.execute("SET maintenance_work_mem = '3GB'")
    for name, definition in made.items():
        task = progress.add_task(f"index {name}", total=None)
        began = time.perf_counter()
        await database.execute(definition)
        progress.update(task, total=1, completed=1, description=f"{name}: {time.perf_counter() - began:.0f} s")
    await database.execute("VACUUM ANALYZE chunks")


async def _load(database: asyncpg.Connection, base: UUID, size: int, progress: Progress) -> NDArray[np.float16]:
    """Fill a knowledge base; its vectors, in the order of documents and chunks."""
    now = datetime.now(UTC)
    documents = [
        (document_id(base, ordinal), base, f"{ordinal}.txt", "text/plain", 1, "-", "ready", now, now)
        for ordinal in range(-(-size // CHUNKS_PER_DOCUMENT))
    ]
    names = ("id", "knowledgebase_id", "name", "media_type", "size_bytes", "content_hash", "status")
    await database.copy_records_to_table("documents", records=documents, columns=[*names, "created_at", "updated_at"])
    task = progress.add_task(f"{size:,} chunks", total=size)
    vectors: list[NDArray[np.float16]] = []
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(2) as pool:
        made = [loop.run_in_executor(pool, make_rows, base, size, first) for first in range(0, size, BATCH)]
        for batch in made:
            rows, of_batch = await batch
            await database.copy_to_table("chunks", source=_pieces(rows), columns=COLUMNS, format="text")
            vectors.append(of_batch)
            progress.advance(task, len(of_batch))
    await database.execute(
        "UPDATE knowledgebases SET chunk_count = $2, document_count = $3 WHERE id = $1", base, size, len(documents)
    )
    return np.concatenate(vectors)


async def _pieces(rows: bytes) -> AsyncIterator[bytes]:
    yield rows


def _recall(exact: NDArray[np.float32], found: Sequence[int]) -> float:
    """The share of the ten nearest that were found; one that is as near as the tenth counts as it."""
    tenth = np.partition(exact, -TOP)[-TOP]
    return sum(bool(exact[place] >= tenth - 1e-4) for place in found) / min(TOP, len(exact))


async def _measure(
    product: Product, base: UUID, vectors: NDArray[np.float16], in_table: int, count: int
) -> list[SearchFigure]:
    size = len(vectors)
    ordinals = {str(document_id(base, ordinal)): ordinal for ordinal in range(-(-size // CHUNKS_PER_DOCUMENT))}
    queries = make_queries(size, count)
    similar = (vectors.astype(np.float32) @ _embed(queries).astype(np.float32).T).T
    figures: list[SearchFigure] = []
    for strategy in STRATEGIES:
        asked = iter([*queries[: max(count // 10, 1)], *queries])
        answers: list[list[int]] = []

        async def ask(
            asked: Iterator[str] = asked, strategy: str = strategy, answers: list[list[int]] = answers
        ) -> None:
            body: JsonObject = {"query": next(asked), "top_k": TOP, "retrieval_strategy": strategy}
            found: Any = await product.post(f"{API}/knowledgebases/{base}/search", body)
            answers.append(
                [ordinals[hit["document_id"]] * CHUNKS_PER_DOCUMENT + hit["chunk_index"] for hit in found["results"]]
            )

        await sample(ask, calls=max(count // 10, 1), at_once=1)
        answers.clear()
        taken = await sample(ask, calls=count, at_once=1)
        recalls = [_recall(exact, found) for exact, found in zip(similar, answers, strict=True)]
        figures.append(
            SearchFigure(
                chunks=size,
                in_table=in_table,
                strategy=strategy,
                calls=count,
                p50_ms=statistics.median(taken.times_ms),
                p95_ms=sorted(taken.times_ms)[count * 95 // 100],
                recall_at_10=statistics.fmean(recalls) if strategy == "similarity" else None,
            )
        )
    return figures


async def run(sizes: Sequence[int], count: int) -> list[SearchFigure]:
    """Start the product, load and measure size by size, then the smaller ones again beside the largest."""
    figures: list[SearchFigure] = []
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder, Progress() as progress:
        async with Product(Path(folder), {}) as product:
            await product.start("up")
            await product.log_in()
            address = product.database_url.replace("+asyncpg", "")
            database = await asyncpg.connect(address)
            loaded: dict[UUID, NDArray[np.float16]] = {}
            in_table = 0
            for size in sorted(sizes):
                made = await product.post(f"{API}/knowledgebases", {"name": f"{size:,} chunks"})
                base = UUID(str(made["id"]))
                async with _without_indexes(database, progress):
                    loaded[base] = await _load(database, base, size, progress)
                in_table += size
                figures += await _measure(product, base, loaded[base], in_table, count)
            for base, vectors in list(loaded.items())[:-1]:
                figures += await _measure(product, base, vectors, in_table, count)
            await database.close()
    return figures


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.retrieval", description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="chunks per knowledge base, comma-separated")
    parser.add_argument("--full", action="store_true", help=f"the sizes {', '.join(f'{size:,}' for size in FULL)}")
    parser.add_argument("--calls", type=int, default=200, help="searches of each strategy and knowledge base")
    parser.add_argument("--json", type=Path, help="write the figures there too, one a line")
    arguments = parser.parse_args()
    sizes = FULL if arguments.full else [int(size) for size in arguments.sizes.split(",")]
    figures = asyncio.run(run(sizes, arguments.calls))
    began = time.perf_counter()
    for query in (queries := make_queries(1_000, 200)):
        embed_locally([query])
    table = Table(title=f"Searches over HTTP, {TOP} results", title_justify="left")
    for column in ("chunks", "in the table", "strategy", "p50 ms", "p95 ms", "recall@10"):
        table.add_column(column, justify="left" if column == "strategy" else "right")
    for each in figures:
        recall = "" if each.recall_at_10 is None else f"{each.recall_at_10:.3f}"
        cells = (f"{each.chunks:,}", f"{each.in_table:,}", each.strategy, f"{each.p50_ms:.1f}", f"{each.p95_ms:.1f}")
        table.add_row(*cells, recall)
    Console().print(table)
    Console().print(
        f"of which the query's embedding: {(time.perf_counter() - began) * 1000 / len(queries):.2f} ms (mean)"
    )
    if arguments.json:
        arguments.json.write_text("".join(f"{figure.model_dump_json()}\n" for figure in figures), encoding="utf-8")


if __name__ == "__main__":
    main()
