"""From lists of candidates to the results: reciprocal rank fusion, and maximal marginal relevance."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Key = TypeVar("Key", bound=Hashable)

RANK_CONSTANT = 60
"""How much the first ranks count more than later ones: the value of Cormack, Clarke and Büttcher (SIGIR 2009)."""

MMR_RELEVANCE = 0.5
"""How much relevance counts against novelty, as in most libraries."""


def fuse(lists: Sequence[Sequence[Key]]) -> list[tuple[Key, float]]:
    """Fuse ranked lists: best first, each with a score in which 1 is the first of every list.

    A list without entries does not lower the scores: it has nothing to say.
    """
    telling = [ranked for ranked in lists if ranked]
    scores: dict[Key, float] = {}
    for ranked in telling:
        for rank, key in enumerate(ranked, start=1):
            scores[key] = scores.get(key, 0.0) + (RANK_CONSTANT + 1) / (RANK_CONSTANT + rank) / len(telling)
    return sorted(scores.items(), key=lambda scored: -scored[1])


def diversify(query: Sequence[float], candidates: Sequence[Sequence[float]], count: int) -> list[int]:
    """Choose candidates one by one, each as near to the query and as far from those chosen before as can be.

    Args:
        query: the query's embedding.
        candidates: the candidates' embeddings, of the same length; none is all zeros.
        count: how many to choose.

    Returns:
        Indices into `candidates`, in the order in which they were chosen.
    """
    if not candidates:
        return []
    vectors = _normalised(np.asarray(candidates, dtype=np.float64))
    relevance = vectors @ _normalised(np.asarray([query], dtype=np.float64))[0]
    closest = np.full(len(candidates), -np.inf)
    chosen: list[int] = []
    for _ in range(min(count, len(candidates))):
        novelty = np.where(np.isinf(closest), 0.0, closest)
        value = MMR_RELEVANCE * relevance - (1 - MMR_RELEVANCE) * novelty
        value[chosen] = -np.inf
        best = int(np.argmax(value))
        chosen.append(best)
        closest = np.maximum(closest, vectors @ vectors[best])
    return chosen


def _normalised(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1.0, lengths)
