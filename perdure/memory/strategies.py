"""What the memory types do, in words, and which settings each reads."""

from collections.abc import Mapping

from perdure.domain.flows import MemoryType

_SUMMARY = ("summary_threshold",)
_VECTOR = ("vector_top_k", "similarity_threshold")
_WEIGHTS = ("buffer_weight", "summary_weight", "vector_weight")

STRATEGIES: Mapping[MemoryType, tuple[str, tuple[str, ...]]] = {
    MemoryType.BUFFER: ("The newest whole turns, as many as fit.", ("max_messages",)),
    MemoryType.SUMMARY: (
        "Older turns folded into a rolling summary by the model, after the answer; the newer ones in full.",
        ("max_messages", *_SUMMARY),
    ),
    MemoryType.VECTOR: (
        "The last two turns, and older ones that are like the new message.",
        ("max_messages", *_VECTOR),
    ),
    MemoryType.HYBRID: (
        "Summary, recalled turns and the newest turns, each with its share of the room there is.",
        ("max_messages", *_SUMMARY, *_VECTOR, *_WEIGHTS),
    ),
}
"""Each type's description and the fields of `MemoryConfig` that it reads."""
