"""The way to an MCP server, and what its failures mean."""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.session import MessageHandlerFnT
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT
from pydantic import SecretStr

from perdure.settings import McpServerSettings
from perdure.tools.errors import ToolCallError

CONNECT_SECONDS = 10
PASSING = -32090
"""A JSON-RPC error code of our own, in the range left to implementations: 429 or 5xx of the transport."""
REFUSED = -32091
"""The same for 401 and 403."""
GONE = -32092
"""The same for a session that the server no longer knows."""

BROKEN = frozenset({CONNECTION_CLOSED, GONE})
"""Codes after which the session is of no more use."""
RETRIED = frozenset({CONNECTION_CLOSED, REQUEST_TIMEOUT, PASSING, GONE})
FAILURES = RETRIED | {REFUSED}
"""Codes that speak of the way to the server; any other is the server's own word on the call."""

_LONGEST_QUOTE = 300
_SESSION = "mcp-session-id"


@asynccontextmanager
async def mcp_client(server: McpServerSettings, on_message: MessageHandlerFnT) -> AsyncGenerator[Client]:
    """Start the command or open the session, and end it. To be entered and left in one task."""
    async with AsyncExitStack() as stack:
        if server.command is not None:
            way = StdioServerParameters(command=server.command, args=server.args, env=_revealed(server.env))
        else:
            http = httpx2.AsyncClient(
                transport=_StatusTransport(httpx2.AsyncHTTPTransport()),
                headers=_revealed(server.headers),
                timeout=httpx2.Timeout(server.timeout_seconds, connect=CONNECT_SECONDS),
            )
            way = streamable_http_client(server.url or "", http_client=await stack.enter_async_context(http))
        client = Client(way, read_timeout_seconds=server.timeout_seconds, message_handler=on_message, cache=None)
        yield await stack.enter_async_context(client)


def _revealed(secrets: dict[str, SecretStr]) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in secrets.items()}


class _StatusTransport(httpx2.AsyncBaseTransport):
    """Tells the SDK of statuses that it would make one and the same error of, as JSON-RPC errors with codes of ours.

    An exception here would end the session with all its calls; this fails one call.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        code = _code(response.status_code, in_session=_SESSION in request.headers)
        if code is None or request.method != "POST":
            return response
        await response.aclose()
        error = {"code": code, "message": f"HTTP {response.status_code}"}
        return httpx2.Response(
            response.status_code,
            headers={"Content-Type": "application/json"},
            content=json.dumps({"jsonrpc": "2.0", "id": 0, "error": error}).encode(),
            request=request,
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


def _code(status: int, *, in_session: bool) -> int | None:
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return PASSING
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return REFUSED
    return GONE if status == HTTPStatus.NOT_FOUND and in_session else None


def failure(name: str, server: McpServerSettings, error: BaseException) -> ToolCallError:
    """The sentence and the retry advice for what a client raised when it was opened or asked."""
    leaf = _leaf(error)
    if isinstance(leaf, MCPError):
        return _protocol_failure(name, server, leaf)
    if isinstance(leaf, FileNotFoundError | PermissionError):
        return ToolCallError(
            f"MCP server '{name}' cannot be started: check its command in PERDURE_TOOLS__MCP_SERVERS.", retryable=False
        )
    # The way to it: refused, broken off, too slow; or an answer that is no MCP.
    passing = isinstance(leaf, httpx2.HTTPError | OSError | TimeoutError)
    what = "cannot be reached" if passing else "sent what is no MCP answer"
    return ToolCallError(f"MCP server '{name}' {what}. Check that it runs if it stays so.", retryable=passing)


def _protocol_failure(name: str, server: McpServerSettings, error: MCPError) -> ToolCallError:
    if error.code == REFUSED:
        return ToolCallError(
            f"MCP server '{name}' refused the worker ({error.message}): "
            "check its headers in PERDURE_TOOLS__MCP_SERVERS.",
            retryable=False,
        )
    if error.code == REQUEST_TIMEOUT:
        return ToolCallError(
            f"MCP server '{name}' did not answer within {server.timeout_seconds:g} s. "
            "Raise its timeout_seconds in PERDURE_TOOLS__MCP_SERVERS if it stays so.",
            retryable=True,
        )
    if error.code in BROKEN:
        return ToolCallError(
            f"MCP server '{name}' ended its session. It is opened anew at the next try.", retryable=True
        )
    said = f" ({redacted(error.message, server)})" if error.message else ""
    return ToolCallError(f"MCP server '{name}' failed{said}.", retryable=error.code in RETRIED)


def redacted(text: str, server: McpServerSettings) -> str:
    """A server's own words, shortened, on one line, and without the secrets that it was given."""
    for secret in (*server.headers.values(), *server.env.values()):
        for word in secret.get_secret_value().split():
            if len(word) > len("Bearer"):
                text = text.replace(word, "[secret]")
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"


def _leaf(error: BaseException) -> BaseException:
    """The first error within task groups' bundles of them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType] - of any kind
    return error  # pyright: ignore[reportUnknownVariableType] - the same
