"""Provider keys and addresses, under the names the providers' own SDKs use. Read once by the worker."""

from collections.abc import Iterable

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

KEY_NAMES = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
    "ollama": "OLLAMA_API_KEY",
    "rerank": "RERANK_API_KEY",
}
"""The setting that holds each provider's key, for sentences that tell a person which to set."""


ADDRESS_NAMES = {
    "openai": "OPENAI_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
    "google": "GOOGLE_GEMINI_BASE_URL",
    "ollama": "OLLAMA_BASE_URL",
    "rerank": "RERANK_BASE_URL",
}
"""The setting that holds each provider's address, for the same sentences."""


class ProviderKeys(BaseSettings):
    """What the worker may call and how; an empty value counts as unset."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, populate_by_name=True
    )

    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = Field(
        default=None, description="Any OpenAI-compatible address, such as a gateway's; without a key none is sent."
    )
    anthropic_api_key: SecretStr | None = None
    anthropic_base_url: str | None = None
    google_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("GOOGLE_API_KEY", "GEMINI_API_KEY")
    )
    google_base_url: str | None = Field(default=None, validation_alias=AliasChoices("GOOGLE_GEMINI_BASE_URL"))
    ollama_base_url: str = "http://127.0.0.1:11434/v1"
    ollama_api_key: SecretStr | None = Field(default=None, description="Only Ollama's cloud asks for one.")
    rerank_base_url: str | None = Field(
        default=None, description="Where `POST {it}/rerank` answers as Jina's, Cohere's and vLLM's do."
    )
    rerank_api_key: SecretStr | None = None
    rerank_model: str | None = Field(
        default=None, description="The endpoint's model for flows that name none; unset: their chat model reranks."
    )

    def secrets(self) -> Iterable[str]:
        """The keys themselves, for cutting them out of what a provider says."""
        keys = (
            self.openai_api_key,
            self.anthropic_api_key,
            self.google_api_key,
            self.ollama_api_key,
            self.rerank_api_key,
        )
        for key in keys:
            if key is not None:
                yield key.get_secret_value()
