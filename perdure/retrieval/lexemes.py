"""What full text search compares: words, and for scripts without spaces every two neighbouring letters.

PostgreSQL's own parser knows no words of Chinese and Japanese, and Korean words carry their particles. Documents and
queries are cut by the same function here and handed over as finished `tsvector` and `tsquery`, so neither the
database's locale nor an extension has a say.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_RUN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# Han with its extensions and iteration marks, kana, hangul: syllables, and jamo that NFKC does not compose.
_CJK = re.compile(
    "[\u1100-\u11ff\u3005-\u3007\u3031-\u3035\u3041-\u309f\u30a0-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+"
)

LONGEST_LEXEME = 100
"""Characters of a longer word (a key, a hash) that count; PostgreSQL takes 2,046 bytes."""

LAST_POSITION = 16_383
POSITIONS_KEPT = 255
"""PostgreSQL's own limits of a `tsvector`."""

MOST_QUERY_LEXEMES = 64
"""Of a longer query the first distinct lexemes are looked for."""

MOST_SHARED = 0.2
"""A word in a larger share of the chunks is not looked for."""

MOST_RANKED = 20_000
"""Chunks that the words of a query may match; ranking so many takes about a tenth of a second."""


def lexemes(text: str) -> Iterator[str]:
    """Cut a text into what is compared, in order: folded words, and pairs of CJK letters.

    The last letter of a CJK run also stands alone, so that every letter of the run begins some lexeme and a query of
    one letter finds it by prefix.
    """
    for run in _RUN.finditer(unicodedata.normalize("NFKC", text).casefold()):
        yield from _cut(run.group())


def _cut(run: str) -> Iterator[str]:
    end = 0
    for cjk in _CJK.finditer(run):
        if cjk.start() > end:
            yield run[end : cjk.start()][:LONGEST_LEXEME]
        letters = cjk.group()
        yield from (letters[place : place + 2] for place in range(len(letters)))
        end = cjk.end()
    if end < len(run):
        yield run[end:][:LONGEST_LEXEME]


def document_vector(text: str) -> str:
    """Write a text as PostgreSQL reads a `tsvector`."""
    positions = defaultdict[str, list[int]](list)
    for place, lexeme in enumerate(lexemes(text), start=1):
        kept = positions[lexeme]
        if len(kept) < POSITIONS_KEPT:
            kept.append(min(place, LAST_POSITION))
    return " ".join(f"{_quoted(lexeme)}:{','.join(map(str, places))}" for lexeme, places in positions.items())


@dataclass(frozen=True)
class Term:
    """A lexeme that a query looks for, or every one that begins with it."""

    lexeme: str
    is_prefix: bool = False


def terms(text: str) -> list[Term]:
    """What a query looks for, each once, in its order."""
    return list(dict.fromkeys(_wanted(text)))[:MOST_QUERY_LEXEMES]


def telling(wanted: Sequence[Term], shares: Mapping[str, float], chunks: int) -> list[Term]:
    """Of a query's terms the rarest, so that no more chunks than can be ranked in a moment are expected to match.

    A word that is everywhere tells no chunk from another, and ranking all that hold it takes seconds.

    Args:
        wanted: the query's terms.
        shares: how large a share of all chunks holds a lexeme; those that are missing are rare.
        chunks: how many chunks there are.
    """
    kept: set[Term] = set()
    expected = 0.0
    for term in sorted(wanted, key=lambda each: shares.get(each.lexeme, 0.0)):
        share = shares.get(term.lexeme, 0.0)
        expected += share * chunks
        if share > MOST_SHARED or (kept and expected > MOST_RANKED):
            break
        kept.add(term)
    return [term for term in wanted if term in kept]


def search_query(wanted: Sequence[Term]) -> str | None:
    """Write a query as PostgreSQL reads a `tsquery`: any of its terms. None when there are none."""
    written = (f"{_quoted(term.lexeme)}{':*' if term.is_prefix else ''}" for term in wanted)
    return " | ".join(written) or None


def _wanted(text: str) -> Iterator[Term]:
    previous = ""
    for lexeme in lexemes(text):
        if len(lexeme) > 1 or not _CJK.fullmatch(lexeme):
            yield Term(lexeme)
        elif not previous.endswith(lexeme):
            # A letter by itself; the last of a longer run is in the pair before it.
            yield Term(lexeme, is_prefix=True)
        previous = lexeme


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"
