"""The events of everything but executions: what each records in `event_data`.

They are written by `perdure.storage` in the transaction of the change. What a later build adds to one is kept.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from perdure.domain.events import AggregateType


class _Change(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    aggregate_type: ClassVar[AggregateType]


class _FlowChange(_Change):
    aggregate_type = "Flow"

    flow: dict[str, JsonValue] = Field(description="The flow after the change.")
    changed: list[str] = Field(default_factory=list[str], description="The names of the fields that were changed.")


class FlowCreated(_FlowChange):
    """A flow was made."""

    type: Literal["FlowCreated"] = "FlowCreated"


class FlowUpdated(_FlowChange):
    """A flow was changed."""

    type: Literal["FlowUpdated"] = "FlowUpdated"


class FlowDeleted(_FlowChange):
    """A flow was deleted; its executions stay."""

    type: Literal["FlowDeleted"] = "FlowDeleted"


class _KnowledgeBaseChange(_Change):
    aggregate_type = "KnowledgeBase"

    knowledgebase: dict[str, JsonValue] = Field(description="The knowledge base after the change.")


class KnowledgeBaseCreated(_KnowledgeBaseChange):
    """A knowledge base was made."""

    type: Literal["KnowledgeBaseCreated"] = "KnowledgeBaseCreated"


class KnowledgeBaseUpdated(_KnowledgeBaseChange):
    """A knowledge base was changed."""

    type: Literal["KnowledgeBaseUpdated"] = "KnowledgeBaseUpdated"
    changed: list[str] = Field(default_factory=list[str])


class KnowledgeBaseDeleted(_KnowledgeBaseChange):
    """A knowledge base was deleted with its documents."""

    type: Literal["KnowledgeBaseDeleted"] = "KnowledgeBaseDeleted"


class _DocumentChange(_KnowledgeBaseChange):
    document: dict[str, JsonValue] = Field(description="The document after the change.")


class DocumentAdded(_DocumentChange):
    """A document was uploaded; its ingestion begins."""

    type: Literal["DocumentAdded"] = "DocumentAdded"


class DocumentReady(_DocumentChange):
    """A document was parsed, cut, and embedded: it is found from here on."""

    type: Literal["DocumentReady"] = "DocumentReady"


class DocumentFailed(_DocumentChange):
    """A document could not be ingested; `error_message` says why."""

    type: Literal["DocumentFailed"] = "DocumentFailed"


class DocumentDeleted(_DocumentChange):
    """A document was deleted."""

    type: Literal["DocumentDeleted"] = "DocumentDeleted"


class _ReindexChange(_KnowledgeBaseChange):
    reindex: dict[str, JsonValue] = Field(description="The re-index after the change: model, progress, error.")


class ReindexStarted(_ReindexChange):
    """The chunks of a knowledge base are embedded by another model."""

    type: Literal["ReindexStarted"] = "ReindexStarted"


class ReindexCompleted(_ReindexChange):
    """Searches use the vectors of the new model from here on."""

    type: Literal["ReindexCompleted"] = "ReindexCompleted"


class ReindexFailed(_ReindexChange):
    """A re-index could not be completed; the vectors before stay in use."""

    type: Literal["ReindexFailed"] = "ReindexFailed"


class ReindexCancelled(_ReindexChange):
    """A re-index was cancelled, or another one took its place; the vectors before stay in use."""

    type: Literal["ReindexCancelled"] = "ReindexCancelled"


class _SessionChange(_Change):
    aggregate_type = "Session"

    session_id: str


class SessionCreated(_SessionChange):
    """A conversation began."""

    type: Literal["SessionCreated"] = "SessionCreated"
    chatflow_id: str


class SessionCleared(_SessionChange):
    """A conversation's messages were deleted; `messages` of them."""

    type: Literal["SessionCleared"] = "SessionCleared"
    messages: int


class SessionDeleted(_SessionChange):
    """A conversation was deleted, with `messages` messages."""

    type: Literal["SessionDeleted"] = "SessionDeleted"
    messages: int


class SessionMemoryChanged(_SessionChange):
    """A conversation got a memory of its own."""

    type: Literal["SessionMemoryChanged"] = "SessionMemoryChanged"
    memory_config: dict[str, JsonValue]


class SessionSummarized(_SessionChange):
    """Older messages were folded into the conversation's summary."""

    type: Literal["SessionSummarized"] = "SessionSummarized"
    upto: int = Field(description="The sequence number of the last message in the summary.")
    summary: str
    model: str
    execution_id: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


class _UserChange(_Change):
    aggregate_type = "User"


class UserCreated(_UserChange):
    """A user was made."""

    type: Literal["UserCreated"] = "UserCreated"
    email: str


class PasswordSet(_UserChange):
    """A user got a new password."""

    type: Literal["PasswordSet"] = "PasswordSet"


class UserActivated(_UserChange):
    """A user was let in again."""

    type: Literal["UserActivated"] = "UserActivated"


class UserDeactivated(_UserChange):
    """A user is kept out from here on."""

    type: Literal["UserDeactivated"] = "UserDeactivated"


class ApiKeyCreated(_UserChange):
    """A user made an API key."""

    type: Literal["ApiKeyCreated"] = "ApiKeyCreated"
    api_key_id: str
    name: str


class ApiKeyDeleted(_UserChange):
    """A user deleted an API key."""

    type: Literal["ApiKeyDeleted"] = "ApiKeyDeleted"
    api_key_id: str


ChangeEventData = Annotated[
    FlowCreated
    | FlowUpdated
    | FlowDeleted
    | KnowledgeBaseCreated
    | KnowledgeBaseUpdated
    | KnowledgeBaseDeleted
    | DocumentAdded
    | DocumentReady
    | DocumentFailed
    | DocumentDeleted
    | ReindexStarted
    | ReindexCompleted
    | ReindexFailed
    | ReindexCancelled
    | SessionCreated
    | SessionCleared
    | SessionDeleted
    | SessionMemoryChanged
    | SessionSummarized
    | UserCreated
    | PasswordSet
    | UserActivated
    | UserDeactivated
    | ApiKeyCreated
    | ApiKeyDeleted,
    Field(discriminator="type"),
]
