"""What a process asks of models, imported when it is first asked for: most commands and most API calls need none."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from perdure.llm.keys import ProviderKeys

if TYPE_CHECKING:
    from perdure.llm.embeddings import Embeddings
    from perdure.llm.models import Models
    from perdure.llm.reranking import Rerankers


class ModelServices:
    """Chat models, embeddings and rerankers. One per process: `async with` it, or no connection is closed.

    The providers' SDKs take a third of the time that an API needs to start. A worker imports them at its start, by
    naming the parts; whoever may be the first in the middle of serving calls `load` before.

    Args:
        keys: the providers' keys and addresses.
        local_base_url: where the embedded model listens; see `Models`.
    """

    def __init__(self, keys: ProviderKeys, *, local_base_url: Callable[[], str | None] | str | None = None) -> None:
        self._keys = keys
        self._local_base_url = local_base_url
        self._loading = asyncio.Lock()

    @cached_property
    def models(self) -> "Models":
        """Calls the models of flows; the API has one that puts the results of a search in order."""
        from perdure.llm.models import Models  # noqa: PLC0415 - this module is for importing late

        return Models(self._keys, local_base_url=self._local_base_url)

    @cached_property
    def embeddings(self) -> "Embeddings":
        """Turns texts of knowledge bases, and what is looked for in them, into vectors."""
        from perdure.llm.embeddings import Embeddings  # noqa: PLC0415

        return Embeddings(self._keys)

    @cached_property
    def rerankers(self) -> "Rerankers":
        """Puts what a search found in a better order."""
        from perdure.llm.reranking import Rerankers  # noqa: PLC0415

        return Rerankers(self._keys, self.models)

    async def load(self) -> None:
        """Import what a search needs, in a thread: the loop goes on serving meanwhile. Nothing to do the next time."""
        async with self._loading:
            if "rerankers" not in vars(self) or "embeddings" not in vars(self):
                await asyncio.to_thread(lambda: (self.embeddings, self.rerankers))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        async with AsyncExitStack() as stack:
            for name in ("models", "embeddings", "rerankers"):
                if name in vars(self):
                    await stack.enter_async_context(getattr(self, name))
