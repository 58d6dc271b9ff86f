"""Vector memory: older turns that are like the new message, and the last few."""

from perdure.domain.flows import MemoryConfig
from perdure.domain.memories import Past, Recollection
from perdure.memory.cutting import newest
from perdure.memory.showing import fitting, recalled_note, recollection
from perdure.memory.tokens import tokens_of_text

LAST_TURNS = 2
"""Shown whatever they are about: a message often means the one before."""


def recall(past: Past, config: MemoryConfig, budget: int) -> Recollection:
    """The last two turns, then as many of the likest older ones as fit."""
    shown = newest(past.turns[-LAST_TURNS:], max_messages=config.max_messages, budget=budget)
    recent = recollection(config, budget, shown)
    found = fitting(past, config, shown, budget - recent.use.used_tokens)
    note = recalled_note(found)
    left = budget - tokens_of_text(note)
    return recollection(config, budget, newest(shown, max_messages=config.max_messages, budget=left), [note], found)
