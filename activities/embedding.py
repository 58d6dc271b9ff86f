"""Turns and messages as vectors, by the embedded model, and how like they are."""

from collections.abc import Mapping, Sequence

import numpy as np

from perdure.llm.local_embeddings import embed_locally


def embed(texts: Sequence[str]) -> list[bytes]:
    """Vectors of length one (zero, where no word is known), as numbers of four bytes. Takes a thread's time."""
    rows = embed_locally(list(texts))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled = (rows / np.where(lengths == 0, 1.0, lengths)).astype("<f4")
    return [row.tobytes() for row in scaled]


def likest(wanted: bytes, kept: Mapping[int, bytes], count: int) -> dict[int, float]:
    """The `count` of `kept` that are likest to `wanted`, each with the cosine of the two, the likest first."""
    keys = list(kept)
    rows = np.frombuffer(b"".join(kept.values()), dtype="<f4").reshape(len(keys), -1)
    scores = [float(score) for score in rows @ np.frombuffer(wanted, dtype="<f4")]
    best = sorted(zip(keys, scores, strict=True), key=lambda each: (-each[1], each[0]))
    return dict(best[:count])
