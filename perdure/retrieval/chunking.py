"""Cutting a document into chunks: along its headings first, then paragraphs, sentences, words.

The text is Markdown, whatever the file was. Neighbouring sections share a chunk while they fit; each chunk begins with
the headings that it stands under, since a paragraph alone often does not say what it is about.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*")
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_WORD = re.compile(r"[a-zA-Z0-9]+|\s+|.", re.DOTALL)
# From the largest part of a text to the smallest; each keeps its delimiter at its end.
_CUTS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？．])[」』）】]*"),  # noqa: RUF001 - East Asian full stops
    re.compile(r"\s+|(?<=[、，；：])"),  # noqa: RUF001 - East Asian commas
    re.compile(r"(?<=.)(?=.)", re.DOTALL),
)
_LETTERS_PER_TOKEN = 4
_HEADING_SHARE = 4
"""A chunk's headings may take one part in so many of it."""


@dataclass(frozen=True)
class ChunkSettings:
    """Sizes in tokens, as `count_tokens` counts them."""

    size: int
    overlap: int


@dataclass(frozen=True)
class _Section:
    headings: tuple[str, ...]
    text: str


def count_tokens(text: str) -> int:
    """Estimate how many tokens a model makes of a text, rather too many than too few.

    Four Latin letters or digits are one; every other character (punctuation, CJK) is one by itself; blanks are free.
    Tokenizers of models differ, and the embeddings' own is not always known.
    """
    total = 0
    for word in _WORD.findall(text):
        if word.isascii() and word.isalnum():
            total += -(-len(word) // _LETTERS_PER_TOKEN)
        elif not word.isspace():
            total += 1
    return total


def chunk(text: str, settings: ChunkSettings) -> list[str]:
    """Cut a Markdown text into chunks of at most `settings.size` tokens, in order. Empty for an empty text."""
    chunks: list[str] = []
    packed, packed_tokens = list[str](), 0
    for section in _sections(text):
        whole = _with_headings(section, section.text, settings)
        tokens = count_tokens(whole)
        if packed and packed_tokens + tokens > settings.size:
            chunks.append("\n\n".join(packed))
            packed, packed_tokens = [], 0
        if tokens <= settings.size:
            packed.append(whole)
            packed_tokens += tokens
        else:
            chunks.extend(_cut_section(section, settings))
    if packed:
        chunks.append("\n\n".join(packed))
    return chunks


def _sections(text: str) -> Iterator[_Section]:
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    fence: str | None = None
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if mark and (fence is None or mark[1].startswith(fence)):
            # A comment in a code block begins with # too.
            fence = mark[1] if fence is None else None
        heading = _HEADING.fullmatch(line) if fence is None else None
        if heading is None:
            lines.append(line)
            continue
        yield from _section(path, lines)
        lines = []
        level = len(heading[1])
        path = [*((above, title) for above, title in path if above < level), (level, heading[2])]
    yield from _section(path, lines)


def _section(path: Sequence[tuple[int, str]], lines: Sequence[str]) -> Iterator[_Section]:
    text = "\n".join(lines).strip()
    if text:
        yield _Section(tuple(title for _, title in path), text)


def _with_headings(section: _Section, text: str, settings: ChunkSettings) -> str:
    headings = _fitting_headings(section, settings)
    return f"{headings}\n\n{text}" if headings else text


def _fitting_headings(section: _Section, settings: ChunkSettings) -> str:
    """Join the headings, the outermost left out first where they are too long."""
    for first in range(len(section.headings)):
        joined = " > ".join(section.headings[first:])
        if count_tokens(joined) * _HEADING_SHARE <= settings.size:
            return joined
    return ""


def _cut_section(section: _Section, settings: ChunkSettings) -> Iterator[str]:
    room = settings.size - count_tokens(_fitting_headings(section, settings))
    pieces = _pieces(section.text, room, 0)
    sizes = [count_tokens(piece) for piece in pieces]
    start, end, filled = 0, 0, 0
    while end < len(pieces):
        while end < len(pieces) and filled + sizes[end] <= room:
            filled += sizes[end]
            end += 1
        text = "".join(pieces[start:end]).strip()
        if text:
            yield _with_headings(section, text, settings)
        if end < len(pieces):
            start, filled = _step_back(sizes, start, end, min(settings.overlap, room - sizes[end]))


def _step_back(sizes: Sequence[int], start: int, end: int, overlap: int) -> tuple[int, int]:
    """Say where the next chunk starts so that it repeats at most `overlap` tokens, and how many it repeats."""
    again, repeated = end, 0
    while again - 1 > start and repeated + sizes[again - 1] <= overlap:
        again -= 1
        repeated += sizes[again]
    return again, repeated


def _pieces(text: str, room: int, cut: int) -> list[str]:
    """Cut a text into parts of at most `room` tokens that join to it again, as large a kind of part as fits."""
    parts: list[str] = []
    bounds = [0, *(match.end() for match in _CUTS[cut].finditer(text)), len(text)]
    for begin, end in pairwise(bounds):
        part = text[begin:end]
        if not part:
            continue
        if count_tokens(part) > room and cut + 1 < len(_CUTS):
            parts.extend(_pieces(part, room, cut + 1))
        else:
            parts.append(part)
    return parts
