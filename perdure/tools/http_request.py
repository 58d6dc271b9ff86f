"""`http_request`: any HTTP call a model thinks of, to addresses that it may reach, within limits of time and size."""

import asyncio
import re
import socket
from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Literal, Self

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver
from pydantic import BaseModel, ConfigDict, JsonValue
from yarl import URL

from perdure.domain.generation import ToolSpec
from perdure.domain.tools import HttpRequestTool, ToolContext, ToolOutput
from perdure.settings import ToolSettings
from perdure.tools.addresses import is_refused
from perdure.tools.errors import ToolCallError
from perdure.tools.http_answer import Answer, read_answer

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
WITHOUT_EFFECT = frozenset({"GET", "HEAD"})

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSENDABLE = re.compile(r"[\x00\r\n]")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})
"""Headers that decide where a request goes and where it ends: a model that sets them could reach past the checks."""
_ACROSS_ORIGINS = frozenset({"accept", "accept-language", "content-type", "idempotency-key", "user-agent"})
"""What is sent on when a redirect leads elsewhere; any other header may be a credential."""
# The last is host and port, and for IPv6 flow and scope.
_AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[str | int, ...]]
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})

_PARAMETERS: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "method": {"type": "string", "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], "default": "GET"},
        "url": {"type": "string", "description": "http:// or https://, with the query in it."},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "body": {
            "anyOf": [{"type": "string"}, {"type": "object"}, {"type": "array", "items": {}}],
            "description": "Text as it is to be sent, or JSON.",
        },
    },
    "required": ["url"],
    "additionalProperties": False,
}


class HttpArguments(BaseModel):
    """What a model asks for."""

    model_config = ConfigDict(frozen=True)

    method: Method = "GET"
    url: str
    headers: dict[str, str] = {}
    body: JsonValue = None


class RefusedError(Exception):
    """A request that is not made; the sentence is for the model."""


class RefusedAddressError(OSError):
    """The same for one address; as an OSError, so that a name's other addresses are tried."""


def http_spec(tool: HttpRequestTool) -> ToolSpec:
    """What a model is told of it."""
    hosts = f" Only these hosts: {', '.join(tool.allowed_hosts)}." if tool.allowed_hosts else ""
    return ToolSpec(
        name=tool.name,
        description=f"Makes one HTTP request and returns the status and the answer's text.{hosts}",
        parameters=_PARAMETERS,
    )


class HttpRequests:
    """The HTTP client that models use; its connections are shared by all runs of the process, its cookies by none.

    Args:
        settings: limits, and whether private addresses may be reached.
        resolver: finds the addresses of names; unset, the system's.
    """

    def __init__(self, settings: ToolSettings, *, resolver: AbstractResolver | None = None) -> None:
        self._settings = settings
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._resolver or aiohttp.ThreadedResolver(), socket_factory=self._socket
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "perdure"},
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, tool: HttpRequestTool, arguments: Mapping[str, JsonValue], context: ToolContext) -> ToolOutput:
        """Make the request. An answer of any status is an output, an error from 400 on; so is a refusal.

        Raises:
            ToolCallError: no connection, a broken one, or no whole answer in the tool's time; always retryable.
        """
        asked = HttpArguments.model_validate(arguments)
        try:
            async with asyncio.timeout(tool.timeout_seconds):
                answer = await self._follow(tool, asked, context)
        except RefusedError as refusal:
            return ToolOutput(content=str(refusal), is_error=True)
        except (aiohttp.ClientError, OSError) as error:
            outcome = _outcome(error, tool, asked)
        else:
            return answer.output()
        if isinstance(outcome, ToolOutput):
            return outcome
        # Raised out here so that the transport's error is not its context: see ToolCallError.
        raise outcome

    async def _follow(self, tool: HttpRequestTool, asked: HttpArguments, context: ToolContext) -> Answer:
        method, url = asked.method, _url(asked.url)
        headers, body = _sent(asked, context)
        _check(tool, url)
        for _ in range(MAX_REDIRECTS + 1):
            if any(name.lower() == "authorization" for name in headers):
                # A header says it already; the client would refuse both.
                url = url.with_user(None)
            async with self._open.request(method, url, headers=headers, data=body, allow_redirects=False) as response:
                location = response.headers.get("Location")
                if response.status not in REDIRECTS or location is None:
                    return await read_answer(response, limit=self._settings.http_max_bytes)
                target = url.join(_url(location))
                _check(tool, target)
                if response.status == 303 or (response.status in {301, 302} and method == "POST"):  # noqa: PLR2004
                    method, body = "HEAD" if method == "HEAD" else "GET", None
                    headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
                if target.origin() != url.origin():
                    headers = {name: value for name, value in headers.items() if name.lower() in _ACROSS_ORIGINS}
                    target = target.with_user(None)
                url = target
        raise RefusedError(f"The answer was {MAX_REDIRECTS + 1} redirects in a row; the last led to {_shown(url)}.")

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("HttpRequests is used within `async with`")
        return self._session

    def _socket(self, info: _AddressInfo) -> socket.socket:
        """Make the socket of one connection, unless it would lead where models may not go."""
        family, kind, protocol, _, address = info
        if is_refused(str(address[0]), allow_private=self._settings.http_allow_private):
            raise RefusedAddressError(
                "The address is not on the public Internet, and this tool may only call public ones."
                if not self._settings.http_allow_private
                else "The address is a cloud's metadata service or link-local, which this tool never calls."
            )
        return socket.socket(family, kind, protocol)


def _url(text: str) -> URL:
    try:
        return URL(text)
    except ValueError:
        raise RefusedError(f"'{text[:200]}' is no URL.") from None


def _check(tool: HttpRequestTool, url: URL) -> None:
    host = (url.raw_host or "").rstrip(".").lower()
    if url.scheme not in {"http", "https"} or not host:
        raise RefusedError(f"{_shown(url)} cannot be called: use a URL that begins with http:// or https://.")
    if tool.allowed_hosts and not any(fnmatchcase(host, allowed.lower()) for allowed in tool.allowed_hosts):
        raise RefusedError(f"{host} may not be called, only {', '.join(tool.allowed_hosts)}.")


def _sent(asked: HttpArguments, context: ToolContext) -> tuple[dict[str, str], bytes | None]:
    headers = dict(asked.headers)
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or _UNSENDABLE.search(value):
            raise RefusedError(f"Header {name[:100]!r} cannot be sent: it holds characters that headers may not.")
        if name.lower() in _OURS:
            raise RefusedError(f"Leave out header {name}: it is set for you.")
    given = {name.lower() for name in headers}
    body: bytes | None = None
    if asked.body is not None:
        is_text = isinstance(asked.body, str)
        body = asked.body.encode() if isinstance(asked.body, str) else orjson.dumps(asked.body)
        if "content-type" not in given:
            headers["Content-Type"] = "text/plain; charset=utf-8" if is_text else "application/json"
    if asked.method not in WITHOUT_EFFECT and "idempotency-key" not in given:
        headers["Idempotency-Key"] = context.idempotency_key
    return headers, body


def _outcome(error: Exception, tool: HttpRequestTool, asked: HttpArguments) -> ToolOutput | ToolCallError:
    """What an error on the way means: something for the model to change, or to try again."""
    place = _shown(_url(asked.url))
    if isinstance(error, aiohttp.ClientConnectorDNSError) and error.os_error.errno in _NO_SUCH_NAME:
        return ToolOutput(content=f"There is no host {error.host}.", is_error=True)
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, RefusedAddressError):
        return ToolOutput(content=str(error.os_error), is_error=True)
    if isinstance(error, aiohttp.InvalidURL):
        return ToolOutput(content=f"{place} is no URL that can be called.", is_error=True)
    if isinstance(error, aiohttp.ClientSSLError):
        return ToolOutput(content=f"{place} has no TLS certificate that can be trusted.", is_error=True)
    if isinstance(error, TimeoutError):
        what = f"did not answer within {tool.timeout_seconds:g} s"
    else:
        what = "could not be reached, or the connection broke"
    return ToolCallError(f"Tool {tool.name}: {place} {what}. Check the address if it stays so.", retryable=True)


def _shown(url: URL) -> str:
    """A URL without what may be secret in it: user, password, query."""
    return str(url.with_user(None).with_query(None).with_fragment(None))[:200] if url.absolute else str(url)[:200]
