"""One model call: what goes in and what comes out. The boundary between the flows and `perdure.llm`."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

LOCAL_MODEL_NAME = "smollm2-135m-instruct"
"""The one model that provider `local` has: the embedded one."""


class ModelRef(BaseModel):
    """Which model, at which provider: `openai` and `gpt-4`, written `openai:gpt-4`."""

    model_config = ConfigDict(frozen=True)

    provider: str = Field(min_length=1)
    name: str = Field(min_length=1)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `provider:name`; the name may hold further colons, as Ollama's do (`ollama:llama3.2:3b`).

        Raises:
            ValueError: there is no colon, or nothing on one side of it.
        """
        provider, _, name = text.partition(":")
        if not provider or not name:
            raise ValueError(
                f"'{text}' does not name a model: write it as provider:model, for example openai:gpt-4o-mini."
            )
        return cls(provider=provider, name=name)

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"


class PromptMessage(BaseModel):
    """One message of the conversation a model is shown, oldest first."""

    model_config = ConfigDict(frozen=True)

    role: Literal["user", "assistant"]
    content: str


class GenerationRequest(BaseModel):
    """Everything one model call needs."""

    model_config = ConfigDict(frozen=True)

    model: ModelRef
    system_prompt: str = Field(default="", description="Empty: the model gets no system message.")
    messages: tuple[PromptMessage, ...] = Field(min_length=1)
    temperature: float | None = Field(default=None, ge=0, le=2, description="Unset: the provider's default.")
    max_tokens: int | None = Field(default=None, gt=0, description="Longest answer, in tokens. Unset: the model's.")


class Usage(BaseModel):
    """Tokens as the provider counted them, never estimated here."""

    model_config = ConfigDict(frozen=True)

    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)


class Generation(BaseModel):
    """A model's whole answer."""

    model_config = ConfigDict(frozen=True)

    text: str
    usage: Usage | None = Field(default=None, description="None where the provider reported none.")
    model: ModelRef = Field(description="The model that was asked for.")
    cost_usd: float | None = Field(default=None, description="None where the price or the usage is unknown, never 0.")
    finish_reason: str | None = Field(default=None, description="`stop`, or `length` where max_tokens cut it off.")
