"""Tools: what a flow says of them, and what passes between a run and the tool that is called.

A flow names a tool by its type alone (`"http_request"`) or as an object with its settings. Which of a run's tools a
model's call means is said by `tool_of`, from the name alone, so that workflow code can tell without any I/O.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from perdure.domain.errors import UnprocessableError
from perdure.domain.generation import ModelRef
from perdure.domain.reranking import ModelUse
from perdure.domain.users import normal_email

ToolName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,40}$")]

MOST_PASSAGES = 50
"""What one search shows a model at most."""

MCP_SEPARATOR = "__"
"""Between an MCP server's name and its tool's in the name that a model sees."""

LONGEST_NAME = 64
"""Characters of a tool's name that all providers take."""

_MODEL_NAME = re.compile(rf"[a-zA-Z0-9_-]{{1,{LONGEST_NAME}}}")
_OTHER = re.compile(r"[^a-zA-Z0-9_-]")


class ApprovalPolicy(BaseModel):
    """Who must agree before a tool is called or an agent begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    approvers: list[str] = Field(
        default_factory=list[str], max_length=100, description="Email addresses; empty: whoever started the run."
    )
    quorum: int = Field(default=1, ge=1, le=100, description="So many must approve; one rejection rejects.")
    deadline_seconds: float | None = Field(
        default=None, gt=0, description="Unset: the run waits, for months if need be."
    )
    default_decision: Literal["approve", "reject"] = Field(default="reject", description="At the deadline.")

    @field_validator("approvers")
    @classmethod
    def _normal(cls, approvers: list[str]) -> list[str]:
        try:
            return list(dict.fromkeys(normal_email(approver) for approver in approvers))
        except UnprocessableError as error:
            raise ValueError(error.detail) from None

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.quorum > max(len(self.approvers), 1):
            raise ValueError("There are fewer approvers than its quorum: name more of them, or ask for fewer.")
        return self


def _of_its_kind(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    # By itself, the union would also complain that the policy is no boolean, and under places that nobody sent.
    return ApprovalPolicy.model_validate(value) if isinstance(value, dict) else validate(value)


RequiresApproval = Annotated[bool | ApprovalPolicy, WrapValidator(_of_its_kind)]


class _Tool(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    requires_approval: RequiresApproval = False

    @property
    def approval(self) -> ApprovalPolicy | None:
        """Who must agree to a call, None where nobody need."""
        return policy_of(self.requires_approval)


class HttpRequestTool(_Tool):
    """Calls an HTTP address that the model chooses."""

    type: Literal["http_request"] = "http_request"
    name: ToolName = "http_request"
    allowed_hosts: list[str] = Field(
        default_factory=list[str],
        max_length=100,
        description="`api.example.org`, `*.example.org`; empty: any public one.",
    )
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)


class KnowledgeSearchTool(_Tool):
    """Searches knowledge bases of the flow's owner."""

    type: Literal["knowledge_search"] = "knowledge_search"
    name: ToolName = "knowledge_search"
    knowledgebase_ids: list[str] = Field(min_length=1, max_length=100)
    retrieval_strategy: Literal["similarity", "mmr", "hybrid"] = "hybrid"
    top_k: int = Field(default=5, ge=1, le=MOST_PASSAGES)
    score_threshold: float | None = Field(default=None, ge=0, le=1)
    reranking_enabled: bool = False
    reranking_model: str | None = Field(default=None, min_length=1, max_length=255)


class RunFlowTool(_Tool):
    """Runs another flow as a run of its own and waits for its answer."""

    type: Literal["run_flow"] = "run_flow"
    name: ToolName = "run_flow"
    flow_id: UUID
    description: str | None = Field(default=None, max_length=2000, description="What the model is told it does.")


class PythonTool(_Tool):
    """Runs a piece of Python in a sandbox: no network, no files, no packages."""

    type: Literal["python"] = "python"
    name: ToolName = "python"
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)


class McpTool(_Tool):
    """All tools of an MCP server that is set up for the worker under this name (`PERDURE_TOOLS__MCP_SERVERS`)."""

    type: Literal["mcp"] = "mcp"
    server: ToolName
    tools: list[str] = Field(default_factory=list[str], max_length=200, description="Of its tools these; empty: all.")

    @property
    def name(self) -> str:
        """The server's name, which begins the names of its tools."""
        return self.server


Tool = Annotated[
    HttpRequestTool | KnowledgeSearchTool | RunFlowTool | PythonTool | McpTool, Field(discriminator="type")
]
_tool: TypeAdapter[HttpRequestTool | KnowledgeSearchTool | RunFlowTool | PythonTool | McpTool] = TypeAdapter(Tool)


_TYPES = ("http_request", "knowledge_search", "run_flow", "python", "mcp")


class BadToolError(ValueError):
    """A flow's words for a tool make no tool; the message says what to change."""


def policy_of(required: RequiresApproval) -> ApprovalPolicy | None:
    """The policy of a `requires_approval`: its own, the default one for `true`, None for `false`."""
    if isinstance(required, ApprovalPolicy):
        return required
    return ApprovalPolicy() if required else None


def parse_tools(references: Iterable[str | Mapping[str, JsonValue]]) -> list[Tool]:
    """Read a flow's tools. Raises BadToolError for what is none, and for two of one name."""
    tools = [_parse(reference) for reference in references]
    names = [tool.name for tool in tools]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadToolError(f"Two tools are called '{twice}': give one of them another name.")
    return tools


def _parse(reference: str | Mapping[str, JsonValue]) -> Tool:
    fields = {"type": reference} if isinstance(reference, str) else reference
    try:
        return _tool.validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if not first["loc"]:
            known = ", ".join(sorted(_TYPES))
            raise BadToolError(f"Tool {reference!r} is of no type that there is: use one of {known}.") from None
        place = ".".join(str(part) for part in first["loc"])
        raise BadToolError(f"Tool {reference!r} cannot be used ({place}: {first['msg']}).") from None


def tool_of(name: str, tools: Sequence[Tool]) -> Tool | None:
    """The tool that a model means by this name, None where it made the name up."""
    for tool in tools:
        if isinstance(tool, McpTool):
            server, separator, _ = name.partition(MCP_SEPARATOR)
            named = {mcp_tool_name(tool.server, inner) for inner in tool.tools}
            if separator and server == tool.server and (not tool.tools or name in named):
                return tool
        elif tool.name == name:
            return tool
    return None


def tool_step_id(step_id: str, number: int, name: str) -> str:
    """The id of the step of a model call's `number`-th tool call, counted from 1."""
    return f"{step_id}/{number}-{name}"[:255]


def refusal_id(step_id: str) -> str:
    """Where our own answer to a tool call is kept, in the place of a tool's output."""
    return f"{step_id}:refused"


def mcp_tool_name(server: str, tool: str) -> str:
    """The name that models see of an MCP server's tool: what providers take, at most 64 characters.

    A tool whose name is longer, or has other characters in it, gets a name made of it and a digest of it.
    """
    name = f"{server}{MCP_SEPARATOR}{tool}"
    if _MODEL_NAME.fullmatch(name):
        return name
    digest = hashlib.blake2b(tool.encode(), digest_size=4).hexdigest()
    return f"{_OTHER.sub('_', name)[: LONGEST_NAME - len(digest) - 1]}_{digest}"


class ToolContext(BaseModel):
    """On whose behalf a tool is called, and what makes the call one of a kind."""

    model_config = ConfigDict(frozen=True)

    user_id: int
    execution_id: UUID
    step_id: str
    idempotency_key: str = Field(description="The same for every attempt at one call, another after a reset.")
    model: ModelRef | None = Field(default=None, description="The model of whoever calls, for tools that need one.")
    first_passage: int = Field(default=1, ge=1, description="The number of the first passage that a search shows.")


class ToolOutput(BaseModel):
    """What a tool gave back. A failure that the model may react to (a 404, no such file) is an output too."""

    model_config = ConfigDict(frozen=True)

    content: str
    is_error: bool = False
    data: JsonValue = Field(default=None, description="Facts about the call for the record: status, sources, …")
    model_use: ModelUse | None = Field(default=None, description="What a model did for the tool.")
