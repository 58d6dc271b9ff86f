"""Embeddings: texts to vectors, by the embedded model or any OpenAI-compatible endpoint."""

import asyncio
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from openai import AsyncOpenAI
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.embeddings.settings import EmbeddingSettings
from pydantic_ai.providers.openai import OpenAIProvider

from perdure.domain.generation import ModelRef
from perdure.domain.knowledge import DIMENSIONS, LOCAL_EMBEDDING
from perdure.llm.connection import OwnConnection
from perdure.llm.errors import ModelCallError
from perdure.llm.failures import PROVIDER_ERRORS, classify
from perdure.llm.keys import ProviderKeys
from perdure.llm.local_embeddings import embed_locally
from perdure.llm.providers import NO_KEY, OPENAI_ADDRESS

_SHORTENABLE = "openai:text-embedding-3-"
"""Models that make shorter vectors on request; others refuse to be asked."""


class Embeddings(OwnConnection):
    """Embeds texts. One per process; closes its connections at the end.

    Args:
        keys: the providers' keys and addresses.
    """

    def __init__(self, keys: ProviderKeys) -> None:
        self._keys = keys

    async def embed(
        self, model: ModelRef, texts: Sequence[str], *, dimension: int, seconds: float
    ) -> list[list[float]]:
        """Embed texts in one call, in their order, as vectors of length one (or zero, where no word is known).

        Raises:
            ModelCallError: the call failed, was not done within `seconds`, or the vectors are of another dimension;
                says whether to try again.
        """
        try:
            async with asyncio.timeout(seconds):
                vectors = await self._vectors(model, texts, dimension)
        except TimeoutError:
            raise _too_slow(model, seconds) from None
        if vectors.shape != (len(texts), dimension):
            raise ModelCallError(
                f"{model} makes vectors of {vectors.shape[-1]} dimensions and the knowledge base keeps {dimension}:"
                f" make one with embedding_dimension {vectors.shape[-1]}.",
                kind="configuration",
                retryable=False,
            )
        return _normalised(vectors)

    async def _vectors(self, model: ModelRef, texts: Sequence[str], dimension: int) -> NDArray[np.float32]:
        if model == LOCAL_EMBEDDING:
            return await asyncio.to_thread(embed_locally, list(texts))
        return await self._ask(model, texts, dimension)

    async def _ask(self, model: ModelRef, texts: Sequence[str], dimension: int) -> NDArray[np.float32]:
        if self._keys.openai_api_key is None and self._keys.openai_base_url is None:
            raise ModelCallError(
                f"Cannot call {model}. Set OPENAI_API_KEY (or OPENAI_BASE_URL, for a compatible server) for the API and"
                " the worker, or choose another model.",
                kind="configuration",
                retryable=False,
            )
        settings = EmbeddingSettings()
        if str(model).startswith(_SHORTENABLE) and dimension != DIMENSIONS.get(str(model)):
            settings["dimensions"] = dimension
        asked = OpenAIEmbeddingModel(model.name, provider=OpenAIProvider(openai_client=self._client))
        try:
            answer = await asked.embed(list(texts), input_type="document", settings=settings)
            return np.asarray(answer.embeddings, dtype=np.float32)
        except PROVIDER_ERRORS as error:
            failure = classify(error, model, self._keys.secrets(), address=self._address)
        except ValueError:
            failure = ModelCallError(
                f"{model} sent vectors of different lengths: check that OPENAI_BASE_URL serves embeddings.",
                kind="unreadable",
                retryable=True,
            )
        # Raised out here so that the provider's error is not its context: see ModelCallError.
        raise failure

    @cached_property
    def _client(self) -> AsyncOpenAI:
        key = self._keys.openai_api_key
        return AsyncOpenAI(
            api_key=key.get_secret_value() if key else NO_KEY,
            base_url=self._keys.openai_base_url or OPENAI_ADDRESS,
            http_client=self.http,
            max_retries=0,
        )

    @property
    def _address(self) -> str | None:
        return self._client.base_url.netloc.decode() or None


def _too_slow(model: ModelRef, seconds: float) -> ModelCallError:
    return ModelCallError(
        f"{model} did not answer within {seconds:g} s. Check the provider's status and the network if it stays so.",
        kind="timeout",
        retryable=True,
    )


def _normalised(vectors: NDArray[np.float32]) -> list[list[float]]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows: list[list[float]] = (vectors / np.where(lengths == 0, 1.0, lengths)).tolist()
    return rows
