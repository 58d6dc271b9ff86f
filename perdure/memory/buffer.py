"""Buffer memory: the newest messages, cut so that the oldest one shown is the user's."""

from collections.abc import Sequence

from perdure.domain.generation import PromptMessage


def recall(history: Sequence[PromptMessage], max_messages: int) -> list[PromptMessage]:
    """The last `max_messages` of `history` (oldest first), by whole turns: never an answer without its question."""
    shown = list(history[-max_messages:])
    while shown and shown[0].role != "user":
        del shown[0]
    return shown
