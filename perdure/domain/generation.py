"""One model call: what goes in and what comes out. The boundary between the flows and `perdure.llm`."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

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


class ToolSpec(BaseModel):
    """What a model is told of a tool."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$", description="As providers take it.")
    description: str
    parameters: dict[str, JsonValue] = Field(description="JSON Schema of the arguments, an object.")


class ToolCall(BaseModel):
    """A model's wish to have a tool called."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="The provider's; the result goes back under it.")
    name: str
    arguments: dict[str, JsonValue] = {}
    malformed: str | None = Field(default=None, description="What the model wrote where it is no JSON object.")


class PromptMessage(BaseModel):
    """One message of the conversation a model is shown, oldest first."""

    model_config = ConfigDict(frozen=True)

    role: Literal["user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = Field(default=(), description="What an assistant's message asked for.")
    tool_call_id: str | None = Field(default=None, description="Of a tool's message: the call it answers.")
    tool_name: str | None = Field(default=None, description="Of a tool's message: which tool it was.")


class GenerationRequest(BaseModel):
    """Everything one model call needs."""

    model_config = ConfigDict(frozen=True)

    model: ModelRef
    system_prompt: str = Field(default="", description="Empty: the model gets no system message.")
    messages: tuple[PromptMessage, ...] = Field(min_length=1)
    temperature: float | None = Field(default=None, ge=0, le=2, description="Unset: the provider's default.")
    max_tokens: int | None = Field(default=None, gt=0, description="Longest answer, in tokens. Unset: the model's.")
    tools: tuple[ToolSpec, ...] = Field(default=(), description="What the model may ask for.")
    output_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON Schema of an object that the answer must be, as JSON text."
    )


class Usage(BaseModel):
    """Tokens as the provider counted them, never estimated here."""

    model_config = ConfigDict(frozen=True)

    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)


class Generation(BaseModel):
    """A model's whole answer."""

    model_config = ConfigDict(frozen=True)

    text: str
    tool_calls: tuple[ToolCall, ...] = Field(default=(), description="In the order the model asked for them.")
    usage: Usage | None = Field(default=None, description="None where the provider reported none.")
    model: ModelRef = Field(description="The model that was asked for.")
    cost_usd: float | None = Field(default=None, description="None where the price or the usage is unknown, never 0.")
    finish_reason: str | None = Field(
        default=None, description="`stop`, `tool_call`, or `length`: max_tokens cut it off."
    )
