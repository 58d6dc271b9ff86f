"""What a chat model is asked to put passages in order, and what its answer says."""

import pytest

from perdure.domain.generation import ModelRef
from perdure.retrieval.chunking import count_tokens
from perdure.retrieval.ordering import order_request, read_order

MODEL = ModelRef(provider="openai", name="scripted")


@pytest.mark.parametrize(
    ("answer", "order"),
    [
        ('{"order": [3, 1, 2]}', [2, 0, 1]),
        ("[2, 3, 1]", [1, 2, 0]),
        ('{"order": [3]}', [2, 0, 1]),
        ('{"order": [3, 3, 9, 0, -1]}', [2, 0, 1]),
        ('{"order": [true, "2", null]}', [0, 1, 2]),
        ('{"order": "3, 1, 2"}', [0, 1, 2]),
        ('{"order": [3, 1', [0, 1, 2]),
        ("The third one.", [0, 1, 2]),
        ("", [0, 1, 2]),
    ],
)
def test_every_passage_has_one_place_whatever_the_model_says(answer: str, order: list[int]) -> None:
    assert read_order(answer, 3) == order


def test_all_passages_are_shown_under_their_numbers() -> None:
    request = order_request(MODEL, "ships", ["Ships float.", "Bread\nrises."], window=8192)
    assert request.messages[0].content == "Query: ships\n\nPassages:\n\n[1] Ships float.\n\n[2] Bread rises."
    assert request.temperature == 0
    assert request.output_schema is not None


def test_long_passages_are_cut_to_what_the_model_can_read() -> None:
    passages = ["Ships float on the sea. " * 200, "有給休暇は年に二十五日あります。" * 200, "short"]
    request = order_request(MODEL, "ships", passages, window=2048)
    content = request.messages[0].content
    assert count_tokens(content) + (request.max_tokens or 0) < 2048
    assert content.endswith("[3] short")
    assert "[2] 有給休暇" in content
