"""The call that puts found passages in a better order: at a rerank endpoint, or by a chat model."""

from collections.abc import Sequence
from http import HTTPStatus

import httpx2
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_ai.exceptions import (
    ModelAuthenticationError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelServerError,
    UnexpectedModelBehavior,
)

from perdure.domain.generation import ModelRef
from perdure.domain.reranking import MOST_RERANKED, ModelUse, Ranked, Reranked
from perdure.llm.connection import OwnConnection
from perdure.llm.errors import ModelCallError
from perdure.llm.failures import PROVIDER_ERRORS, SERVER_ERRORS, classify
from perdure.llm.keys import ProviderKeys
from perdure.llm.models import Models
from perdure.llm.providers import PROVIDERS
from perdure.llm.windows import context_window
from perdure.retrieval.ordering import order_request, read_order

ENDPOINT = "rerank"
"""What stands for the rerank endpoint where a provider is named."""

_SECONDS = 60.0
"""How long one call may take."""

_CATEGORIES: dict[int, type[ModelQuotaExceededError | ModelRateLimitError | ModelRequestRejectedError]] = {
    HTTPStatus.UNAUTHORIZED: ModelAuthenticationError,
    HTTPStatus.PAYMENT_REQUIRED: ModelQuotaExceededError,
    HTTPStatus.FORBIDDEN: ModelAuthenticationError,
    HTTPStatus.NOT_FOUND: ModelNotFoundError,
    HTTPStatus.TOO_MANY_REQUESTS: ModelRateLimitError,
}


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)

    index: int = Field(ge=0)
    relevance_score: float = Field(allow_inf_nan=False)


class _Usage(BaseModel):
    model_config = ConfigDict(frozen=True)

    total_tokens: int | None = Field(default=None, ge=0)


class _Answer(BaseModel):
    """What Jina, Cohere, Voyage-compatible gateways, vLLM, Infinity and llama.cpp have in common."""

    model_config = ConfigDict(frozen=True)

    results: list[_Result]
    usage: _Usage | None = None


class Rerankers(OwnConnection):
    """Puts passages in order. One per process; closes its connections at the end.

    Args:
        keys: the rerank endpoint's address, key and model, beside those of the providers.
        models: makes the call where a chat model is to judge.
    """

    def __init__(self, keys: ProviderKeys, models: Models) -> None:
        self._keys = keys
        self._models = models

    async def rerank(
        self, named: str | None, query: str, passages: Sequence[str], *, fallback: ModelRef | None
    ) -> Reranked:
        """Put passages in order, best first, with one call.

        Args:
            named: `provider:model` of a chat model, or any other text: a model at the rerank endpoint. None: the
                endpoint's own model where one is configured, else `fallback`.
            query: what they were found for.
            passages: 1 to 50.
            fallback: the chat model that judges where nothing else is named.

        Raises:
            ModelCallError: the call failed; says whether to try again.
        """
        if not 1 <= len(passages) <= MOST_RERANKED:
            msg = f"1 to {MOST_RERANKED} passages can be put in order, not {len(passages)}."
            raise ValueError(msg)
        endpoints_own = self._keys.rerank_model if self._keys.rerank_base_url is not None else None
        judge = _chat_model(named) if named is not None or endpoints_own is not None else fallback
        if judge is not None:
            return await self._judged(judge, query, passages)
        return await self._scored(named or endpoints_own, query, passages)

    async def _judged(self, model: ModelRef, query: str, passages: Sequence[str]) -> Reranked:
        request = order_request(model, query, passages, window=context_window(model))
        generation = await self._models.generate(request, on_text=lambda _text: None)
        usage = generation.usage
        return Reranked(
            order=tuple(Ranked(index=index) for index in read_order(generation.text, len(passages))),
            use=ModelUse(
                model=str(model),
                calls=1,
                input_tokens=usage.input_tokens if usage else None,
                output_tokens=usage.output_tokens if usage else None,
                cost_usd=generation.cost_usd,
            ),
        )

    async def _scored(self, model: str | None, query: str, passages: Sequence[str]) -> Reranked:
        if self._keys.rerank_base_url is None or model is None:
            raise ModelCallError(
                f"Cannot rerank with {model or 'no model'}. Set RERANK_BASE_URL and RERANK_MODEL for the API and the"
                " worker, or name a chat model as provider:model in reranking_model.",
                kind="configuration",
                retryable=False,
            )
        try:
            answer = await self._ask(model, query, passages)
        except PROVIDER_ERRORS as error:
            failure = classify(
                error, ModelRef(provider=ENDPOINT, name=model), self._keys.secrets(), address=self._address
            )
        else:
            return Reranked(
                order=_by_score(answer, len(passages)),
                # Priced by search or by token, as the contract says: unknown to us, so None.
                use=ModelUse(model=model, calls=1, input_tokens=answer.usage.total_tokens if answer.usage else None),
            )
        # Raised out here so that the provider's error is not its context: see ModelCallError.
        raise failure

    async def _ask(self, model: str, query: str, passages: Sequence[str]) -> _Answer:
        key = self._keys.rerank_api_key
        response = await self.http.post(
            f"{(self._keys.rerank_base_url or '').rstrip('/')}/rerank",
            json={"model": model, "query": query, "documents": list(passages), "top_n": len(passages)},
            headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {},
            timeout=_SECONDS,
        )
        if response.status_code != HTTPStatus.OK:
            raise _http_error(model, response)
        try:
            return _Answer.model_validate_json(response.content)
        except ValidationError:
            # Out of the chain: it quotes the answer.
            raise UnexpectedModelBehavior("the answer holds no results") from None

    @property
    def _address(self) -> str | None:
        try:
            return httpx2.URL(self._keys.rerank_base_url or "").netloc.decode() or None
        except httpx2.InvalidURL:
            return None


def _chat_model(named: str | None) -> ModelRef | None:
    """The chat model that a name means, None where it means one of the rerank endpoint's."""
    provider, separator, name = (named or "").partition(":")
    return ModelRef(provider=provider, name=name) if separator and name and provider in PROVIDERS else None


def _by_score(answer: _Answer, count: int) -> tuple[Ranked, ...]:
    """Best first. What the endpoint invented is passed over, and what it left out comes last, as it stood."""
    scores = {result.index: result.relevance_score for result in answer.results if result.index < count}
    best = sorted(scores, key=lambda index: -scores[index])
    return tuple(Ranked(index=index, score=scores.get(index)) for index in dict.fromkeys([*best, *range(count)]))


def _http_error(model: str, response: httpx2.Response) -> ModelHTTPError:
    status = response.status_code
    category = ModelServerError if status in SERVER_ERRORS else _CATEGORIES.get(status, ModelRequestRejectedError)
    try:
        body: object = response.json()
    except ValueError:
        body = response.text
    return ModelHTTPError.for_category(
        category, status_code=status, model_name=model, body=body, headers=dict(response.headers)
    )
