"""Chunks: small enough, nothing lost, cut where the text is cut already."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.retrieval.chunking import ChunkSettings, chunk, count_tokens

SMALL = ChunkSettings(size=50, overlap=10)


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("word", 1), ("sentences!", 4), ("東京都", 3), ("a  b\n", 2)])
def test_tokens_are_estimated(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


def test_a_short_text_is_one_chunk_under_its_headings() -> None:
    text = "# Ships\n\nThey float.\n\n## Sails\n\nThey catch the wind.\n"
    assert chunk(text, SMALL) == ["Ships\n\nThey float.\n\nShips > Sails\n\nThey catch the wind."]


def test_sections_that_do_not_fit_together_are_cut_at_the_heading() -> None:
    first, second = "one " * 30, "two " * 30
    assert chunk(f"# A\n{first}\n# B\n{second}", SMALL) == [f"A\n\n{first.strip()}", f"B\n\n{second.strip()}"]


def test_a_comment_in_a_code_block_is_no_heading() -> None:
    text = "# Use\n```\n# not a heading\nrun\n```\n"
    assert chunk(text, SMALL) == ["Use\n\n```\n# not a heading\nrun\n```"]


def test_a_long_paragraph_is_cut_between_sentences_and_overlaps() -> None:
    sentences = [f"This is the sentence with number {number}." for number in range(20)]
    chunks = chunk(" ".join(sentences), ChunkSettings(size=50, overlap=13))
    assert all(piece.startswith("This") and piece.endswith(".") for piece in chunks)
    for earlier, later in pairwise(chunks):
        assert later.startswith(earlier[earlier.rindex("This") :])


def test_japanese_is_cut_between_sentences() -> None:
    chunks = chunk("これは長い文章です。" * 20, SMALL)
    assert len(chunks) > 3
    assert all(piece.endswith("。") for piece in chunks)


def test_an_empty_text_has_no_chunks() -> None:
    assert chunk(" \n# Heading alone\n", SMALL) == []


@given(st.text(alphabet=st.sampled_from("ab 。.\n#東-`"), max_size=600), st.integers(0, 25))
def test_no_chunk_is_too_long_and_every_letter_is_in_one(text: str, overlap: int) -> None:
    chunks = chunk(f"start {text}", ChunkSettings(size=50, overlap=overlap))
    # Chunks that share sections are joined by blanks, and headings stand before each: both are free or bounded.
    assert all(count_tokens(piece) <= 50 for piece in chunks)
    assert "".join(chunks).count("東") >= text.count("東") - sum(
        line.count("東") for line in text.splitlines() if "#" in line
    )
