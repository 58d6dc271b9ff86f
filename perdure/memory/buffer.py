"""Buffer memory: the newest turns."""

from perdure.domain.flows import MemoryConfig
from perdure.domain.memories import Past, Recollection
from perdure.memory.cutting import newest
from perdure.memory.showing import recollection


def recall(past: Past, config: MemoryConfig, budget: int) -> Recollection:
    """The newest whole turns within `max_messages` and `budget` estimated tokens."""
    shown = newest(past.turns, max_messages=config.max_messages, budget=budget)
    return recollection(config, budget, shown)
