"""Hybrid memory: summary, recalled turns and the newest turns, each with its share of the budget."""

from perdure.domain.flows import MemoryConfig
from perdure.domain.memories import Past, Recollection
from perdure.memory.cutting import newest
from perdure.memory.showing import fitting, recalled_note, recollection, summary_note
from perdure.memory.tokens import tokens_of_text


def recall(past: Past, config: MemoryConfig, budget: int) -> Recollection:
    """Summary and recalled turns within their shares; the newest turns take theirs and what those leave."""
    whole = config.buffer_weight + config.summary_weight + config.vector_weight
    share = budget / whole if whole else 0.0
    note = summary_note(past.summary, int(share * config.summary_weight))
    turns = newest(past.turns, max_messages=config.max_messages, budget=int(share * config.buffer_weight))
    found = fitting(past, config, turns, int(share * config.vector_weight))
    recalled = recalled_note(found)
    left = budget - tokens_of_text(note) - tokens_of_text(recalled)
    known = {each.turn.first for each in found}
    later = [turn for turn in past.turns if turn.first not in known]
    shown = newest(later, max_messages=config.max_messages, budget=left) if config.buffer_weight or not whole else []
    upto = past.folded if note else None
    return recollection(config, budget, shown, [note, recalled], found, summary_upto=upto)
