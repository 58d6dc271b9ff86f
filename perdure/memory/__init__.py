"""What a chat remembers: history in, prompt messages out. Pure functions, one file a memory type."""

from perdure.domain.flows import MemoryType

MEMORIES = frozenset({MemoryType.BUFFER})
"""The memory types that can run. A chatflow with another can be kept, not executed."""
