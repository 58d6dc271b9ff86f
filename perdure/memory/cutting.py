"""Cutting a conversation to what there is room for: by whole turns, so that no answer and no tool result is alone."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from perdure.domain.generation import PromptMessage
from perdure.domain.memories import PastTurn
from perdure.memory.tokens import tokens_of


def turns_of(messages: Iterable[tuple[int, UUID, PromptMessage]]) -> list[PastTurn]:
    """Group (sequence, execution, message), oldest first, into turns; what comes before the first question is left."""
    turns: list[PastTurn] = []
    for sequence, execution_id, message in messages:
        if message.role == "user":
            turns.append(PastTurn(execution_id=execution_id, first=sequence, last=sequence, messages=(message,)))
        elif turns:
            turn = turns[-1]
            turns[-1] = turn.model_copy(update={"last": sequence, "messages": (*turn.messages, message)})
    return turns


def newest(turns: Sequence[PastTurn], *, max_messages: int, budget: int) -> list[PastTurn]:
    """The newest turns without a gap that hold at most so many messages and estimated tokens, oldest first."""
    kept: list[PastTurn] = []
    for turn in reversed(turns):
        max_messages -= len(turn.messages)
        budget -= tokens_of(turn.messages)
        if max_messages < 0 or budget < 0:
            break
        kept.append(turn)
    return kept[::-1]


def messages_of(turns: Iterable[PastTurn]) -> tuple[PromptMessage, ...]:
    """Their messages in order."""
    return tuple(message for turn in turns for message in turn.messages)
