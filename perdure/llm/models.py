"""The model call: any provider, streamed, classified when it fails, counted and priced when it does not."""

from collections.abc import Callable
from types import TracebackType
from typing import Self, cast

import httpx2
from cachetools import LRUCache
from pydantic import JsonValue
from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import ContentFilterError, ModelAPIError
from pydantic_ai.messages import (
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
)
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings
from pydantic_core import from_json

from perdure.domain.generation import Generation, GenerationRequest, ModelRef, ToolCall, Usage
from perdure.llm.errors import ModelCallError
from perdure.llm.failures import PROVIDER_ERRORS, classify
from perdure.llm.keys import ProviderKeys
from perdure.llm.prices import cost_usd
from perdure.llm.prompt import parameters, prompt
from perdure.llm.providers import PROVIDERS, NotConfiguredError, ProviderSetup, preload

MODELS_KEPT = 256
"""Model objects kept for reuse; building one costs more than a call."""

LOCAL_MAX_TOKENS = 400
"""Longest answer of the embedded model where the request sets none. The answers of several runs share one core, and a
small model may ramble until its context is full: longer than a step may take."""


class Models:
    """Calls models of all providers. One per worker process; closes its connections at the end.

    Args:
        keys: the providers' keys and addresses.
        local_base_url: where the embedded model listens (`http://127.0.0.1:PORT/v1`), or a callable that says so at
            the time of a call; None where it is disabled.
    """

    def __init__(self, keys: ProviderKeys, *, local_base_url: Callable[[], str | None] | str | None = None) -> None:
        preload(keys)
        self._keys = keys
        self._local = local_base_url
        self._setup = ProviderSetup(keys, self._local_base_url)
        self._models: LRUCache[tuple[ModelRef, str | None], Model] = LRUCache(MODELS_KEPT)

    async def generate(self, request: GenerationRequest, *, on_text: Callable[[str], None]) -> Generation:
        """Call the model once and return its whole answer; `on_text` gets the pieces of its text as they come.

        Tool calls are returned, not made; text that was to follow `output_schema` is returned as it came, unchecked.
        Cancelling the task closes the connection to the provider at once.

        Raises:
            ModelCallError: the call failed; says whether and when to try again.
        """
        try:
            return await self._call(request, on_text)
        except NotConfiguredError as error:
            failure = _not_configured(error.detail, request)
        except PROVIDER_ERRORS as error:
            failure = classify(error, request.model, self._keys.secrets(), address=self._address(request.model))
        # Raised out here so that the provider's error is not its context: see ModelCallError.
        raise failure

    async def aclose(self) -> None:
        """Close the connections to the providers."""
        await self._setup.http.aclose()

    async def _call(self, request: GenerationRequest, on_text: Callable[[str], None]) -> Generation:
        model = self._model(request.model)
        pieces: list[str] = []
        async with model_request_stream(
            model,
            prompt(request),
            model_settings=_settings(request),
            model_request_parameters=parameters(request, model.profile),
            instrument=False,
        ) as stream:
            async for event in stream:
                if text := _text(event):
                    pieces.append(text)
                    on_text(text)
            response = stream.get()
        finish_reason = response.finish_reason or _unnamed_finish_reason(response)
        if finish_reason in (None, "error"):
            raise ModelAPIError(model.model_name, "the stream ended without a finish reason")
        if finish_reason == "content_filter":
            raise ContentFilterError("the answer was withheld")
        counted = response.usage if response.usage.has_values() and not response.usage.unmeasured_requests else None
        tool_calls = tuple(_tool_call(part) for part in response.tool_calls)
        if tool_calls and finish_reason == "stop":
            finish_reason = "tool_call"  # Google, Ollama and others have one word for both
        return Generation(
            text="".join(pieces),
            tool_calls=tool_calls,
            usage=Usage(input_tokens=counted.input_tokens, output_tokens=counted.output_tokens) if counted else None,
            model=request.model,
            cost_usd=cost_usd(request.model, counted, model.base_url),
            finish_reason=finish_reason,
        )

    def _local_base_url(self) -> str | None:
        return self._local() if callable(self._local) else self._local

    def _key(self, ref: ModelRef) -> tuple[ModelRef, str | None]:
        # The embedded model's port may change while the worker lives.
        return ref, self._local_base_url() if ref.provider == "local" else None

    def _address(self, ref: ModelRef) -> str | None:
        """Where the model is asked, as `host:port`, without what else its URL may hold: credentials, for one."""
        model = self._models.get(self._key(ref))
        try:
            url = httpx2.URL(model.base_url or "") if model else None
        except httpx2.InvalidURL:
            return None
        return url.netloc.decode() or None if url else None

    def _model(self, ref: ModelRef) -> Model:
        build = PROVIDERS.get(ref.provider)
        if build is None:
            raise NotConfiguredError(f"There is no provider '{ref.provider}': use one of {', '.join(PROVIDERS)}")
        key = self._key(ref)
        model = self._models.get(key)
        if model is None:
            model = build(self._setup, ref.name)
            if httpx2.URL(model.base_url or "").userinfo:
                # The transport refuses to send both, in an error of its own that tells the whole address.
                raise NotConfiguredError("Take user and password out of the provider's base URL and set its key")
            self._models[key] = model
        return model

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def _not_configured(detail: str, request: GenerationRequest) -> ModelCallError:
    return ModelCallError(
        f"Cannot call {request.model}. {detail}, or choose another model.", kind="configuration", retryable=False
    )


def _unnamed_finish_reason(response: ModelResponse) -> str | None:
    """The provider's own word where it is none of the usual ones; the answer is whole all the same."""
    reason: object = (response.provider_details or {}).get("finish_reason")
    return reason if isinstance(reason, str) else None


def _settings(request: GenerationRequest) -> ModelSettings:
    settings = ModelSettings()
    if request.temperature is not None:
        settings["temperature"] = request.temperature
    if request.max_tokens is not None:
        settings["max_tokens"] = request.max_tokens
    elif request.model.provider == "local":
        settings["max_tokens"] = LOCAL_MAX_TOKENS
    return settings


def _text(event: ModelResponseStreamEvent) -> str:
    """The words of the answer in an event; what a model thinks to itself is not among them."""
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    return ""


def _tool_call(part: ToolCallPart) -> ToolCall:
    """The call as the model asked for it; arguments that are no JSON object are kept as it wrote them."""
    written = part.args or {}
    if isinstance(written, str):
        try:
            # NaN and Infinity are not JSON, and would not survive being stored as such.
            arguments = from_json(written, allow_inf_nan=False)
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            return ToolCall(id=part.tool_call_id, name=part.tool_name, malformed=written)
        written = cast("dict[str, JsonValue]", arguments)
    return ToolCall(id=part.tool_call_id, name=part.tool_name, arguments=written)
