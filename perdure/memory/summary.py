"""Summary memory: older turns in short, the newest in full; and what is folded when."""

from collections.abc import Sequence

from perdure.domain.flows import MemoryConfig
from perdure.domain.memories import Past, PastTurn, Recollection
from perdure.memory.cutting import line_of, newest
from perdure.memory.showing import SUMMARY_SHARE, recollection, summary_note
from perdure.memory.tokens import tokens_of_text

INSTRUCTION = (
    "You keep the memory of a conversation. Rewrite the summary so that it also holds what the new part says: names,"
    " facts, numbers, decisions, wishes and open questions, in the conversation's language, in at most 300 words."
    " Answer with the summary alone."
)


def recall(past: Past, config: MemoryConfig, budget: int) -> Recollection:
    """The summary, in at most half of the budget, and every newer turn that fits in the rest.

    Until a fold is done, the turns that it is about are still shown in full: nothing falls between the two.
    """
    note = summary_note(past.summary, int(budget * SUMMARY_SHARE))
    later = [turn for turn in past.turns if turn.first > past.folded]
    room = max(config.max_messages, config.summary_threshold + 2)
    shown = newest(later, max_messages=room, budget=budget - tokens_of_text(note))
    return recollection(config, budget, shown, notes=[note], summary_upto=past.folded if note else None)


def is_due(config: MemoryConfig, *, messages: int, folded: int) -> bool:
    """Whether so many messages, of which the first `folded` are in the summary, ask for a fold."""
    return messages - folded > config.summary_threshold


def to_fold(turns: Sequence[PastTurn], config: MemoryConfig) -> list[PastTurn]:
    """Of the turns that are not in the summary yet, the older ones: what is left is at most half of the threshold."""
    left = newest(turns, max_messages=config.summary_threshold // 2, budget=UNBOUNDED)
    return list(turns[: len(turns) - len(left)])


UNBOUNDED = 2**62


def text_to_fold(summary: str, turns: Sequence[PastTurn]) -> str:
    """What the model is asked to fold."""
    said = "\n".join(line_of(message) for turn in turns for message in turn.messages)
    return f"Summary so far:\n{summary or '(none)'}\n\nNew part of the conversation:\n{said}"
