"""What a text costs, estimated without the model's own tokenizer.

Four characters a token is OpenAI's rule of thumb for English; scripts without spaces between words take about one token
a character, often more. A prompt's budget keeps a reserve for what this is wrong by.
"""

import re
from collections.abc import Iterable

from perdure.domain.generation import PromptMessage

CHARACTERS_PER_TOKEN = 4
MESSAGE_TOKENS = 4
"""What a protocol adds to a message: its role and the marks round it."""

_DENSE = re.compile(r"[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
"""Hangul, kana, Han and their full-width forms."""


def tokens_of_text(text: str) -> int:
    """Estimated tokens of a text: one for each character of a dense script, one for each four others."""
    dense = len(_DENSE.findall(text))
    return dense + -(-(len(text) - dense) // CHARACTERS_PER_TOKEN)


def tokens_of(messages: Iterable[PromptMessage]) -> int:
    """Estimated tokens of messages, tool calls included."""
    return sum(
        MESSAGE_TOKENS
        + tokens_of_text(message.content)
        + sum(tokens_of_text(call.model_dump_json()) for call in message.tool_calls)
        for message in messages
    )


def shortened(text: str, budget: int) -> str:
    """The beginning of a text that fits, by whole words where it has words; empty where nothing does."""
    if tokens_of_text(text) <= budget:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if tokens_of_text(text[:middle]) <= budget else (low, middle - 1)
    cut = text[:low]
    return cut[: cut.rfind(" ")] if " " in cut else cut
