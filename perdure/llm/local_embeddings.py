"""The embedded model of embeddings: static vectors of word pieces, averaged. It reads only files of its own package."""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray


class _WordVectors(Protocol):
    def embed(self, texts: list[str], *, norm: bool) -> NDArray[np.float32]: ...


def embed_locally(texts: list[str]) -> NDArray[np.float32]:
    """Embed texts, one row of 256 numbers each; all zeros for a text without a word. Takes a thread's time."""
    return np.nan_to_num(np.asarray(_model().embed(texts, norm=False), dtype=np.float32))


@cache
def _model() -> _WordVectors:
    # Half a second, so not before it is needed; and by name, since the library has no types.
    library = import_module("wordllama")
    folder = Path(library.__file__ or "").parent
    return cast("_WordVectors", library.WordLlama.load(cache_dir=folder, disable_download=True))
