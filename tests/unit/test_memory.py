"""What a chat remembers."""

import pytest

from perdure.domain.generation import PromptMessage
from perdure.memory import buffer


def said(*words: str) -> list[PromptMessage]:
    return [
        PromptMessage(role="user" if position % 2 == 0 else "assistant", content=word)
        for position, word in enumerate(words)
    ]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(10, ["q1", "a1", "q2", "a2"]), (2, ["q2", "a2"]), (3, ["q2", "a2"]), (1, [])],
)
def test_buffer_keeps_the_newest_whole_turns(limit: int, expected: list[str]) -> None:
    assert [message.content for message in buffer.recall(said("q1", "a1", "q2", "a2"), limit)] == expected
