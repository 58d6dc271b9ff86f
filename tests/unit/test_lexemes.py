"""Words and letter pairs, the same for documents and queries."""

import pytest

from perdure.retrieval.lexemes import MOST_QUERY_LEXEMES, document_vector, lexemes, search_query, telling, terms


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Durable Execution, 2.0!", ["durable", "execution", "2", "0"]),
        ("Straße", ["strasse"]),
        ("don't", ["don't"]),
        ("東京都", ["東京", "京都", "都"]),
        ("학교에서 공부", ["학교", "교에", "에서", "서", "공부", "부"]),
        ("カタカナ", ["カタ", "タカ", "カナ", "ナ"]),
        ("ｶﾀｶﾅ Ｗｉｄｅ", ["カタ", "タカ", "カナ", "ナ", "wide"]),  # noqa: RUF001 - half and full width
        ("Python入門3章", ["python", "入門", "門", "3", "章"]),
        ("水", ["水"]),
        ("?!", []),
    ],
)
def test_a_text_is_cut_into_words_and_pairs(text: str, cut: list[str]) -> None:
    assert list(lexemes(text)) == cut


def test_a_document_keeps_places_and_quotes() -> None:
    assert document_vector("go don't go") == "'go':1,3 'don''t':2"


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Durable durable run", "'durable' | 'run'"),
        ("東京都", "'東京' | '京都'"),
        ("水", "'水':*"),
        ("go 水 go", "'go' | '水':*"),
        ("...", None),
    ],
)
def test_a_query_asks_for_any_of_them(text: str, query: str | None) -> None:
    assert search_query(terms(text)) == query


def test_a_long_query_is_cut_short() -> None:
    query = search_query(terms(" ".join(f"word{number}" for number in range(1000))))
    assert query is not None
    assert query.count("|") == MOST_QUERY_LEXEMES - 1


@pytest.mark.parametrize(
    ("shares", "chunks", "kept"),
    [
        ({}, 1_000_000, ["the", "leave", "policy", "of", "acme"]),
        ({"the": 0.9, "of": 0.8}, 1_000, ["leave", "policy", "acme"]),
        ({"the": 0.9, "of": 0.8, "policy": 0.015, "leave": 0.01}, 1_000_000, ["leave", "acme"]),
        ({"the": 0.9, "of": 0.8, "policy": 0.015, "leave": 0.01}, 100_000, ["leave", "policy", "acme"]),
        (dict.fromkeys(("the", "leave", "policy", "of", "acme"), 0.19), 1_000_000, ["the"]),
        (dict.fromkeys(("the", "leave", "policy", "of", "acme"), 0.21), 1_000_000, []),
    ],
    ids=["rare", "everywhere", "many chunks", "fewer chunks", "one at least", "nothing telling"],
)
def test_words_that_tell_no_chunk_from_another_are_left_out(
    shares: dict[str, float], chunks: int, kept: list[str]
) -> None:
    assert [term.lexeme for term in telling(terms("the leave policy of acme"), shares, chunks)] == kept
