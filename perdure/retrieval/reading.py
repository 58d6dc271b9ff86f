"""Reading an uploaded file in a process of its own: what is in it must not harm, stop or fill the worker.

A short plain text is no such file: no parser reads it, and to start a process takes a hundred times as long as to cut
it. It is read in a thread. The child gets the bytes on its standard input and writes one JSON line per chunk, or a
problem.
"""

import asyncio
import json
import resource
import sys
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from perdure.domain.text import storable
from perdure.retrieval.chunking import ChunkSettings, chunk
from perdure.retrieval.formats import FileKind, UnreadableError, to_markdown
from perdure.retrieval.lexemes import document_vector

READING_SECONDS = 300
MEMORY_BYTES = 2 * 1024**3
MOST_CHUNKS = 100_000
PLAIN_KINDS = frozenset({FileKind.TEXT, FileKind.MARKDOWN})
SHORT_BYTES = 64 * 1024
"""Longer plain texts are read in a process too: cutting holds up whatever else runs in this one."""


class ReadChunk(BaseModel):
    """A chunk as it will be kept."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["chunk"] = "chunk"
    content: str
    content_hash: str
    search_vector: str


class Problem(BaseModel):
    """Why the file cannot be read."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["problem"] = "problem"
    reason: str


_LINE = TypeAdapter[ReadChunk | Problem](ReadChunk | Problem)


async def read_file(
    kind: FileKind, data: bytes, settings: ChunkSettings, *, seconds: float = READING_SECONDS
) -> list[ReadChunk]:
    """Read and cut a file.

    Raises:
        UnreadableError: it cannot be read, has no text, or takes too much time or memory.
    """
    if kind in PLAIN_KINDS and len(data) <= SHORT_BYTES:
        return await asyncio.to_thread(lambda: [_chunk(text) for text in _texts(kind, data, settings)])
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "perdure.retrieval.reading",
        kind.value,
        str(settings.size),
        str(settings.overlap),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        async with asyncio.timeout(seconds):
            written, _ = await child.communicate(data)
    except TimeoutError as error:
        raise UnreadableError(
            f"The file could not be read within {seconds:g} s: split it and upload its parts."
        ) from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise UnreadableError(
            "The file is damaged, or reading it takes too much memory: save it anew, or split it and upload its parts."
        )
    chunks: list[ReadChunk] = []
    for line in written.splitlines():
        found = _LINE.validate_json(line)
        if isinstance(found, Problem):
            raise UnreadableError(found.reason)
        chunks.append(found)
    return chunks


def main(kind: FileKind, settings: ChunkSettings) -> None:
    """Read standard input, write the chunks: the child's whole life."""
    _limit_memory()
    try:
        texts = _texts(kind, sys.stdin.buffer.read(), settings)
    except UnreadableError as error:
        _write(Problem(reason=str(error)))
        return
    for text in texts:
        _write(_chunk(text))


def _chunk(text: str) -> ReadChunk:
    digest = sha256(text.encode()).hexdigest()
    return ReadChunk(content=text, content_hash=digest, search_vector=document_vector(text))


def _texts(kind: FileKind, data: bytes, settings: ChunkSettings) -> list[str]:
    texts = [storable(text) for text in chunk(to_markdown(kind, data), settings)]
    if len(texts) > MOST_CHUNKS:
        raise UnreadableError(f"The file makes more than {MOST_CHUNKS:,} chunks: split it and upload its parts.")
    return texts


def _write(line: ReadChunk | Problem) -> None:
    # ASCII alone: a line separator in a text must not end its line.
    sys.stdout.write(json.dumps(line.model_dump()) + "\n")


def _limit_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    if sys.platform == "linux":
        # macOS knows the limit and refuses to set it.
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


if __name__ == "__main__":
    main(FileKind(sys.argv[1]), ChunkSettings(size=int(sys.argv[2]), overlap=int(sys.argv[3])))
