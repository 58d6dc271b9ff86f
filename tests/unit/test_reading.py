"""Files read in a process of their own: what comes back, and what becomes of a file that would harm."""

import pytest

from perdure.retrieval.chunking import ChunkSettings
from perdure.retrieval.formats import FileKind, UnreadableError
from perdure.retrieval.reading import SHORT_BYTES, read_file

SETTINGS = ChunkSettings(size=50, overlap=0)


async def test_chunks_come_back_as_they_are_kept() -> None:
    chunks = await read_file(FileKind.MARKDOWN, "# Ships\n\nThey\u2028float\x00.".encode(), SETTINGS)
    assert [chunk.content for chunk in chunks] == ["Ships\n\nThey\nfloat."]
    assert chunks[0].search_vector == "'ships':1 'they':2 'float':3"
    assert len(chunks[0].content_hash) == 64


async def test_a_short_text_and_a_long_one_are_read_alike() -> None:
    """One in a thread, one in a process of its own."""
    short = await read_file(FileKind.MARKDOWN, b"# Ships\n\nThey float.", SETTINGS)
    long = await read_file(FileKind.MARKDOWN, b"# Ships\n\nThey float.\n" + b"\n" * SHORT_BYTES, SETTINGS)
    assert short == long
    with pytest.raises(UnreadableError, match="empty"):
        await read_file(FileKind.TEXT, b" \n", SETTINGS)


async def test_a_file_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(UnreadableError, match=r"within 0\.01 s"):
        await read_file(FileKind.JSON, b'"word"', SETTINGS, seconds=0.01)


async def test_a_file_whose_reader_breaks_down_is_given_up() -> None:
    nested = b"[" * 2_000_000
    with pytest.raises(UnreadableError, match=r"no readable JSON|damaged"):
        await read_file(FileKind.JSON, nested, SETTINGS)
