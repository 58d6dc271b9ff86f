"""What a chat remembers: stored history in, prompt out. Pure functions, one file a memory type.

A memory's `recall` is given what is stored, the settings and a budget in estimated tokens. It cuts by whole turns.
"""

from collections.abc import Callable, Mapping

from perdure.domain.flows import MemoryConfig, MemoryType
from perdure.domain.memories import Past, Recollection
from perdure.memory import buffer, hybrid, summary, vector

Recall = Callable[[Past, MemoryConfig, int], Recollection]

MEMORIES: Mapping[MemoryType, Recall] = {
    MemoryType.BUFFER: buffer.recall,
    MemoryType.SUMMARY: summary.recall,
    MemoryType.VECTOR: vector.recall,
    MemoryType.HYBRID: hybrid.recall,
}

SUMMARIZING = frozenset({MemoryType.SUMMARY, MemoryType.HYBRID})
"""The types that read a summary."""

RECALLING = frozenset({MemoryType.VECTOR, MemoryType.HYBRID})
"""The types that recall older turns by their likeness to the new message."""
