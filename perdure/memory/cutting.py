"""Cutting a conversation to what there is room for: by whole turns, so that no answer and no tool result is alone."""

import json
from collections.abc import Iterable, Sequence
from uuid import UUID

from perdure.domain.generation import PromptMessage
from perdure.domain.memories import PastTurn
from perdure.memory.tokens import tokens_of

TOOL_CHARACTERS = 2_000
"""What a text of a turn holds of a tool's output."""


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
    """The newest turns without a gap that hold at most so many messages and estimated tokens, oldest first.

    Tool calls and their results are no messages of their own; a turn that is too long with them is shown without.
    """
    kept: list[PastTurn] = []
    for turn in reversed(turns):
        spoken = without_tools(turn)
        shown = turn if tokens_of(turn.messages) <= budget else spoken
        max_messages -= len(spoken.messages)
        budget -= tokens_of(shown.messages)
        if max_messages < 0 or budget < 0:
            break
        kept.append(shown)
    return kept[::-1]


def without_tools(turn: PastTurn) -> PastTurn:
    """The turn as people saw it: neither tool calls nor results, never one without the other."""
    spoken = tuple(each for each in turn.messages if each.role != "tool" and not each.tool_calls)
    return turn if len(spoken) == len(turn.messages) else turn.model_copy(update={"messages": spoken})


def line_of(message: PromptMessage) -> str:
    """A message as a line of a text: who said it, and what it asked for; of a tool's output the beginning."""
    if message.role == "tool":
        return f"tool {message.tool_name}: {message.content[:TOOL_CHARACTERS]}"
    calls = [
        f"[calls {call.name} with {json.dumps(call.arguments, ensure_ascii=False)}]" for call in message.tool_calls
    ]
    return f"{message.role}: {' '.join(filter(None, (message.content, *calls)))}"


def messages_of(turns: Iterable[PastTurn]) -> tuple[PromptMessage, ...]:
    """Their messages in order."""
    return tuple(message for turn in turns for message in turn.messages)
