"""The providers: for each name, what builds its models. A new provider is one function and one line."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module

import httpx2
from openai import DefaultAioHttpClient
from pydantic import SecretStr
from pydantic_ai.models import Model
from pydantic_ai.models.ollama import OllamaModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile, openai_model_profile
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from perdure.domain.generation import LOCAL_MODEL_NAME
from perdure.llm.keys import KEY_NAMES, ProviderKeys
from perdure.llm.openai_client import LeanOpenAI

CONNECT_SECONDS = 10.0
POOL_SECONDS = 20.0
STALL_SECONDS = 120.0
"""A stream silent for this long is broken off and retried. How long a call may take is Temporal's to say."""
MAX_CONNECTIONS = 1000
NO_KEY = "no-key"
"""Sent where the SDK insists on a key and the server wants none."""

OPENAI_ADDRESS = "https://api.openai.com/v1"
OLLAMA_CLOUD = "ollama.com"

_OLDER_THAN_SCHEMAS = re.compile(r"(?:ft:)?gpt-(?:3\.5|4(?:[-:]|$)|4o-2024-05-13)")
"""OpenAI's models that refuse a JSON schema for their answer (and, the oldest, plain JSON); the model layer's profiles
take none of them for one."""


class NotConfiguredError(Exception):
    """The provider cannot be called: `detail` is the setting to change, as an imperative without a full stop."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def preload(keys: ProviderKeys) -> None:
    """Import the larger SDKs (a second each) of the providers that are configured, and no others.

    At start, since in the middle of the first call the import would hold up every other call of the worker.
    """
    if keys.anthropic_api_key is not None:
        import_module("pydantic_ai.models.anthropic")
    if keys.google_api_key is not None:
        import_module("pydantic_ai.models.google")


def make_http_client() -> httpx2.AsyncClient:
    """The one connection pool of a worker, on aiohttp: half the processor time of httpx2's own transport."""
    return DefaultAioHttpClient(
        timeout=httpx2.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS, pool=POOL_SECONDS),
        limits=httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=100, keepalive_expiry=30),
    )


@dataclass(frozen=True)
class ProviderSetup:
    """What providers are built with: the keys, the shared HTTP client and where the embedded model listens."""

    keys: ProviderKeys
    local_base_url: Callable[[], str | None]

    @cached_property
    def http(self) -> httpx2.AsyncClient:
        """Made at the first call, inside the loop that uses it."""
        return make_http_client()


def _key(key: SecretStr | None, provider: str) -> str:
    if key is None:
        raise NotConfiguredError(f"Set {KEY_NAMES[provider]} for the worker")
    return key.get_secret_value()


def _chat_client(setup: ProviderSetup, base_url: str, key: SecretStr | None) -> LeanOpenAI:
    api_key = key.get_secret_value() if key else NO_KEY
    return LeanOpenAI(api_key=api_key, base_url=base_url, http_client=setup.http, max_retries=0)


def _chat_profile(name: str, base_url: str) -> OpenAIModelProfile:
    # Compatible servers know `max_tokens`; OpenAI's own, and its reasoning models behind a proxy, refuse that name.
    openais = base_url.rstrip("/") == OPENAI_ADDRESS or openai_model_profile(name).get(
        "openai_supports_reasoning", False
    )
    return OpenAIModelProfile(
        openai_chat_supports_max_completion_tokens=openais,
        # Without it, a stream cut off by a proxy would pass for a whole answer.
        openai_chat_streaming_requires_finish_reason=True,
    )


def _prompted(profile: OpenAIModelProfile) -> OpenAIModelProfile:
    """The profile of a model that gets the answer's schema in its instructions: it is not enforced, or refused."""
    return {**profile, "supports_json_schema_output": False, "supports_json_object_output": False}


def _openai(setup: ProviderSetup, name: str) -> Model:
    keys = setup.keys
    if keys.openai_api_key is None and keys.openai_base_url is None:
        raise NotConfiguredError("Set OPENAI_API_KEY (or OPENAI_BASE_URL, for a compatible server) for the worker")
    base_url = keys.openai_base_url or OPENAI_ADDRESS
    provider = OpenAIProvider(openai_client=_chat_client(setup, base_url, keys.openai_api_key))
    profile = _chat_profile(name, base_url)
    if _OLDER_THAN_SCHEMAS.match(name):
        profile = _prompted(profile)
    return OpenAIChatModel(name, provider=provider, profile=profile)


def _anthropic(setup: ProviderSetup, name: str) -> Model:
    key = _key(setup.keys.anthropic_api_key, "anthropic")
    from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415 - see `preload`
    from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415

    provider = AnthropicProvider(api_key=key, base_url=setup.keys.anthropic_base_url, http_client=setup.http)
    provider.client.max_retries = 0
    return AnthropicModel(name, provider=provider)


def _google(setup: ProviderSetup, name: str) -> Model:
    key = _key(setup.keys.google_api_key, "google")
    from pydantic_ai.models.google import GoogleModel  # noqa: PLC0415 - see `preload`
    from pydantic_ai.providers.google import GoogleProvider  # noqa: PLC0415

    # Its SDK retries nothing unless told to.
    provider = GoogleProvider(api_key=key, base_url=setup.keys.google_base_url, http_client=setup.http)
    return GoogleModel(name, provider=provider)


def _ollama(setup: ProviderSetup, name: str) -> Model:
    base_url = setup.keys.ollama_base_url
    provider = OllamaProvider(openai_client=_chat_client(setup, base_url, setup.keys.ollama_api_key))
    profile = _chat_profile(name, base_url)
    host = httpx2.URL(base_url).host
    if name.endswith("-cloud") or host == OLLAMA_CLOUD or host.endswith(f".{OLLAMA_CLOUD}"):
        profile = _prompted(profile)  # the cloud takes a schema and does not enforce it
    return OllamaModel(name, provider=provider, profile=profile)


def _local(setup: ProviderSetup, name: str) -> Model:
    if name != LOCAL_MODEL_NAME:
        # The server answers under any name, and the run would record one that never ran.
        raise NotConfiguredError(f"Name the one model that provider local has, {LOCAL_MODEL_NAME}")
    base_url = setup.local_base_url()
    if base_url is None:
        raise NotConfiguredError("Set PERDURE_LLM__LOCAL_MODEL=true to run the embedded model")
    # llama.cpp's server promises to keep a connection and closes it after each stream: the next call may lose the race.
    client = _chat_client(setup, base_url, None).with_options(default_headers={"Connection": "close"})
    provider = OpenAICompatibleProvider("local", openai_client=client)
    # It constrains what it writes to the schema.
    profile: OpenAIModelProfile = {**_chat_profile(name, base_url), "supports_json_schema_output": True}
    return OpenAIChatModel(name, provider=provider, profile=profile)


PROVIDERS: Mapping[str, Callable[[ProviderSetup, str], Model]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "ollama": _ollama,
    "local": _local,
}
