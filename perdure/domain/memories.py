"""What a chat's memory gives a model, and the record of it."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from perdure.domain.generation import PromptMessage


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PastTurn(_Part):
    """A turn of the conversation: a message of the user and all that answered it, tools and their results included."""

    execution_id: UUID
    first: int = Field(description="The sequence number of its first message.")
    last: int
    messages: tuple[PromptMessage, ...] = Field(min_length=1)


class RecalledTurn(_Part):
    """An older turn found by its likeness to the new message."""

    turn: PastTurn
    score: float = Field(description="Cosine of the two, at most 1.")


class Past(_Part):
    """What is stored of a conversation, as far as a memory may ask for it."""

    turns: tuple[PastTurn, ...] = Field(default=(), description="The newest, oldest first.")
    summary: str = Field(default="", description="Of all up to `folded`.")
    folded: int = Field(default=0, description="The sequence number of the last message in the summary.")
    recalled: tuple[RecalledTurn, ...] = Field(default=(), description="The likest first.")


class UsedTurn(_Part):
    """A recalled turn that the model was shown."""

    execution_id: UUID
    sequence: int
    score: float


class MemoryUse(_Part):
    """What of a conversation a model was shown."""

    type: str
    budget_tokens: int = Field(description="Estimated tokens that there was room for.")
    used_tokens: int = Field(description="Estimated tokens that were used.")
    messages: int = Field(description="How many messages of the newest turns.")
    first_message: int | None = Field(description="The sequence number of the oldest of them; None: there is none.")
    last_message: int | None
    summary_upto: int | None = Field(default=None, description="The last message in the summary; None: none was used.")
    recalled: tuple[UsedTurn, ...] = ()


class Recollection(_Part):
    """What goes into the prompt: messages before the new one, and notes behind the system prompt."""

    messages: tuple[PromptMessage, ...]
    notes: str
    use: MemoryUse
