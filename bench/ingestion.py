"""`python -m bench.ingestion`: how fast documents become searchable, from the upload over HTTP to `ready`.

With the embedded model of embeddings. Beside it, in this process, what the same chunks take to be cut (parsing,
chunking and their words for the full text search) and to be embedded by themselves: the floor.
"""

import argparse
import asyncio
import random
import tempfile
import time
from pathlib import Path

import aiohttp
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from activities.chunk_embedding import BATCH
from bench.retrieval import model_words
from perdure.llm.local_embeddings import embed_locally
from perdure.retrieval.chunking import ChunkSettings
from perdure.retrieval.formats import FileKind
from perdure.retrieval.reading import read_file
from tests.support.product import API, Product

POLL_SECONDS = 0.05
CHUNKS = ChunkSettings(size=400, overlap=50)
"""A knowledge base's own defaults."""


class Ingested(BaseModel):
    """Documents that were uploaded together, in seconds from the first byte to the last one's `ready`."""

    model_config = ConfigDict(frozen=True)

    name: str
    documents: int
    megabytes: float
    chunks: int
    seconds: float
    chunks_per_second: float
    cutting_seconds: float
    embedding_seconds: float


def _markdown(size: int, seed: int) -> str:
    """A text of about so many bytes, with headings and paragraphs."""
    draw = random.Random(seed)  # noqa: S311 - the same text each time
    words = model_words()
    parts: list[str] = []
    length = 0
    while length < size:
        heading = f"## {draw.choice(words)} {draw.choice(words)}"
        paragraphs = (" ".join(draw.choices(words, k=80)) + "." for _ in range(5))
        parts.append("\n\n".join((heading, *paragraphs)))
        length += len(parts[-1]) + 2
    return "\n\n".join(parts)


async def _floor(texts: list[str]) -> tuple[float, float]:
    """Seconds to cut these texts, and to embed their chunks."""
    began = time.perf_counter()
    chunks = [each.content for text in texts for each in await read_file(FileKind.MARKDOWN, text.encode(), CHUNKS)]
    cut = time.perf_counter()
    for first in range(0, len(chunks), BATCH):
        embed_locally(chunks[first : first + BATCH])
    return cut - began, time.perf_counter() - cut


async def _ingest(product: Product, name: str, texts: list[str]) -> Ingested:
    base = await product.post(f"{API}/knowledgebases", {"name": name})
    url = f"{API}/knowledgebases/{base['id']}"
    began = time.perf_counter()
    for number, text in enumerate(texts):
        form = aiohttp.FormData()
        form.add_field("file", text.encode(), filename=f"{number}.md")
        async with product.http.post(f"{url}/documents", data=form) as response:
            response.raise_for_status()
    while (await product.get(f"{url}/documents?status=ready&page_size=1"))["total"] != len(texts):
        failed = await product.get(f"{url}/documents?status=failed&page_size=1")
        if failed["total"]:
            msg = f"A document failed: {failed['documents']}"
            raise RuntimeError(msg)
        await asyncio.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - began
    chunks = int(str((await product.get(url))["chunk_count"]))
    cutting, embedding = await _floor(texts)
    return Ingested(
        name=name,
        documents=len(texts),
        megabytes=sum(len(text) for text in texts) / 1e6,
        chunks=chunks,
        seconds=seconds,
        chunks_per_second=chunks / seconds,
        cutting_seconds=cutting,
        embedding_seconds=embedding,
    )


async def run(megabytes: float, documents: int) -> list[Ingested]:
    """Start the product, take in one long document and many short ones, stop it."""
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        async with Product(Path(folder), {}) as product:
            await product.start("up")
            await product.log_in()
            await _ingest(product, "warming up", [_markdown(5_000, 0)])
            return [
                await _ingest(product, "one long document", [_markdown(int(megabytes * 1e6), 1)]),
                await _ingest(
                    product, "short documents", [_markdown(5_000, 2 + number) for number in range(documents)]
                ),
            ]


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingestion", description=__doc__)
    parser.add_argument("--megabytes", type=float, default=5, help="size of the long document")
    parser.add_argument("--documents", type=int, default=200, help="how many short ones, of 5 KB each")
    parser.add_argument("--json", type=Path, help="write the figures there too, one a line")
    arguments = parser.parse_args()
    figures = asyncio.run(run(arguments.megabytes, arguments.documents))
    table = Table(title="From the upload to `ready`", title_justify="left")
    for column in ("", "documents", "MB", "chunks", "seconds", "chunks/s", "cutting alone, s", "embedding alone, s"):
        table.add_column(column, justify="right" if column else "left")
    for each in figures:
        times = (each.seconds, each.chunks_per_second, each.cutting_seconds, each.embedding_seconds)
        table.add_row(
            each.name,
            str(each.documents),
            f"{each.megabytes:.1f}",
            f"{each.chunks:,}",
            *(f"{number:.1f}" for number in times),
        )
    Console().print(table)
    if arguments.json:
        arguments.json.write_text("".join(f"{figure.model_dump_json()}\n" for figure in figures), encoding="utf-8")


if __name__ == "__main__":
    main()
