"""Settings: read once from the environment and `.env`, nested with `__`, then passed in.

`PERDURE_API__PORT=9000` sets `settings.api.port`. Provider keys (`OPENAI_API_KEY`, ...) keep the names their own
SDKs use and are read by `perdure.llm`.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_MODEL = re.compile(r"[^\s:]+:\S+")


def _checked_model(text: str) -> str:
    if not _MODEL.fullmatch(text):
        raise PydanticCustomError("model_name", "write it as provider:model, such as openai:gpt-4o-mini")
    return text


def _read_list(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise PydanticCustomError("json_list", 'write it as a JSON list, such as ["https://example.org"]') from error


# pydantic-settings would decode it too, but its complaint does not name the variable.
_JsonList = Annotated[list[str], NoDecode, BeforeValidator(_read_list)]


def _read_object(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise PydanticCustomError("json_object", 'write it as a JSON object, such as {"name": {…}}') from error


class ApiSettings(BaseModel):
    """Where the HTTP API listens and how much it takes in."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    max_body_bytes: int = Field(default=10 * 1024 * 1024, gt=0, description="A larger request body is a 413.")
    max_upload_bytes: int = Field(
        default=50 * 1024 * 1024, gt=0, description="The same for the upload of a document to a knowledge base."
    )
    cors_origins: _JsonList = Field(
        default=["http://localhost:3000", "http://localhost:5173"],
        description="Where browsers may call from: front ends that are served elsewhere.",
    )
    watcher_backlog: int = Field(
        default=10_000, gt=0, description="How many frames whoever watches a run may fall behind before it is cut off."
    )


class TemporalSettings(BaseModel):
    """Which Temporal server to use; with no address the embedded one is started."""

    address: str | None = None
    namespace: str = "default"
    port: int = Field(default=7233, ge=0, le=65535, description="Port of the embedded server.")
    ui_port: int = Field(default=8233, ge=0, le=65535, description="Port of the embedded server's Web UI.")
    ui_url: str | None = Field(default=None, description="Where people reach the Web UI of a server of your own.")


class DatabaseSettings(BaseModel):
    """Which PostgreSQL to use; with no URL the embedded one is started."""

    url: SecretStr | None = None
    pool_size: int = Field(default=10, gt=0, description="Connections for transactions, as many again for statements.")


class LlmSettings(BaseModel):
    """Models: the embedded one, and the one used where a flow names none."""

    local_model: bool = Field(default=True, description="Serve the embedded model from the worker's machine.")
    default_model: Annotated[str, AfterValidator(_checked_model)] | None = Field(
        default=None, description="`provider:model` used where a flow names none; unset: the embedded model."
    )


class AuthSettings(BaseModel):
    """Tokens."""

    secret: SecretStr | None = Field(
        default=None, min_length=32, description="Signs tokens; unset: made once in the data folder."
    )
    access_token_seconds: int = Field(default=3600, gt=0)
    refresh_token_seconds: int = Field(default=30 * 24 * 3600, gt=0)


class WorkerSettings(BaseModel):
    """The worker deployment this process belongs to."""

    deployment: str = Field(
        default="perdure", pattern=r"^[A-Za-z0-9_-]+$", description="No dot: Temporal splits there."
    )
    build_id: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_-]+$", description="Unset: made of version and commit."
    )
    make_current: bool = Field(
        default=True, description="Give new runs to this build when its worker starts; false for staged rollouts."
    )
    max_concurrent_steps: int = Field(default=100, gt=0, description="Model calls one worker process has open at once.")


class McpServerSettings(BaseModel):
    """An MCP server: a command that talks over its standard input and output, or the URL of a streamable HTTP one."""

    model_config = ConfigDict(extra="forbid")

    command: str | None = None
    args: list[str] = []
    env: dict[str, SecretStr] = Field(default={}, description="Beyond PATH, HOME and the like, all that it gets.")
    url: str | None = Field(default=None, pattern=r"^https?://")
    headers: dict[str, SecretStr] = Field(default={}, description="Sent with every request, such as Authorization.")
    timeout_seconds: float = Field(default=60, gt=0, description="How long one call may take.")

    @model_validator(mode="after")
    def _one_way_to_it(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise PydanticCustomError("mcp_server", "give each server either a command or a url")
        return self


# Two underscores end the name in those of its tools.
_McpServerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+(_[A-Za-z0-9-]+)*$", max_length=40)]


class ArchiveSettings(BaseModel):
    """The archive of what ended executions did, for when Temporal has forgotten it."""

    after_seconds: int = Field(
        default=3600, ge=0, description="How long after its end an execution is archived: before Temporal forgets it."
    )
    retention_days: int | None = Field(
        default=None, gt=0, description="How long after an execution's end it stays there; unset: for ever."
    )


class ToolSettings(BaseModel):
    """What agents' tools may do, and the MCP servers that flows may name."""

    http_allow_private: bool = Field(
        default=False, description="Let http_request reach addresses that are not public: loopback, your networks."
    )
    http_max_bytes: int = Field(default=5 * 1024 * 1024, gt=0, description="What is read of an HTTP answer at most.")
    output_characters: int = Field(default=20_000, gt=0, description="What a model is shown of a tool's output.")
    mcp_servers: Annotated[dict[_McpServerName, McpServerSettings], NoDecode, BeforeValidator(_read_object)] = {}


class Settings(BaseSettings):
    """Everything that can be configured; an empty value counts as unset. A test fails on a field that nothing reads."""

    model_config = SettingsConfigDict(
        env_prefix="PERDURE_",
        env_nested_delimiter="__",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    data_dir: Path = Path(".perdure")
    api: ApiSettings = ApiSettings()
    temporal: TemporalSettings = TemporalSettings()
    database: DatabaseSettings = DatabaseSettings()
    llm: LlmSettings = LlmSettings()
    worker: WorkerSettings = WorkerSettings()
    auth: AuthSettings = AuthSettings()
    archive: ArchiveSettings = ArchiveSettings()
    tools: ToolSettings = ToolSettings()
