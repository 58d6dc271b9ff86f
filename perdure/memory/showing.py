"""How what is remembered is put to a model, and written down."""

from collections.abc import Sequence

from perdure.domain.flows import MemoryConfig
from perdure.domain.memories import MemoryUse, Past, PastTurn, RecalledTurn, Recollection, UsedTurn
from perdure.memory.cutting import line_of, messages_of
from perdure.memory.tokens import shortened, tokens_of, tokens_of_text

SUMMARY_SHARE = 0.5
"""How much of a budget a summary may take before its end is cut off."""

_SUMMARY = "Summary of the conversation so far:\n"
_RECALLED = "From earlier in this conversation:\n"


def summary_note(summary: str, budget: int) -> str:
    """The summary with its heading, in at most so many estimated tokens; empty where there is none or no room."""
    text = shortened(summary, budget - tokens_of_text(_SUMMARY) - 1) if summary else ""
    return f"{_SUMMARY}{text}" if text else ""


def fitting(past: Past, config: MemoryConfig, shown: Sequence[PastTurn], budget: int) -> list[RecalledTurn]:
    """The likest turns that are not shown anyway, like enough and within the budget; in the order they were said."""
    known = {turn.first for turn in shown}
    found: list[RecalledTurn] = []
    for each in past.recalled:
        if len(found) >= config.vector_top_k or each.score < config.similarity_threshold or each.turn.first in known:
            continue
        tried = sorted([*found, each], key=lambda one: one.turn.first)
        if tokens_of_text(recalled_note(tried)) <= budget:
            found = tried
    return found


def recalled_note(found: Sequence[RecalledTurn]) -> str:
    """Recalled turns with their heading; empty where there are none."""
    said = [line_of(message) for each in found for message in each.turn.messages]
    return _RECALLED + "\n".join(said) if said else ""


def recollection(
    config: MemoryConfig,
    budget: int,
    shown: Sequence[PastTurn],
    notes: Sequence[str] = (),
    found: Sequence[RecalledTurn] = (),
    *,
    summary_upto: int | None = None,
) -> Recollection:
    """Put it together, and say what was used."""
    messages = messages_of(shown)
    return Recollection(
        messages=messages,
        notes="\n\n".join(note for note in notes if note),
        use=MemoryUse(
            type=config.type.value,
            budget_tokens=budget,
            used_tokens=tokens_of(messages) + sum(tokens_of_text(note) for note in notes),
            messages=len(messages),
            first_message=shown[0].first if shown else None,
            last_message=shown[-1].last if shown else None,
            summary_upto=summary_upto,
            recalled=tuple(
                UsedTurn(execution_id=each.turn.execution_id, sequence=each.turn.first, score=round(each.score, 4))
                for each in found
            ),
        ),
    )
