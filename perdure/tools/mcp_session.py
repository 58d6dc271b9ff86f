"""One session with one MCP server: opened at its first use, kept, and opened anew after it broke."""

import asyncio
import time
from contextlib import suppress

from mcp import Client, InputRequiredRoundsExceededError, MCPError
from mcp.client.session import IncomingMessage
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp_types import CallToolResult, Tool, ToolListChangedNotification
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import JsonValue, ValidationError

from perdure.domain.tools import mcp_tool_name
from perdure.settings import McpServerSettings
from perdure.tools.errors import ToolCallError
from perdure.tools.mcp_transport import BROKEN, FAILURES, failure, mcp_client

TOOLS_KEPT_SECONDS = 300
"""How long a server's list of tools is believed, where the server does not say that it changed."""
MAX_PAGES = 100


class _Connection:
    """A client and the task that holds it open: its cancel scopes must be entered and left in one task."""

    def __init__(self, session: "McpSession") -> None:
        self.opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        self.task = asyncio.create_task(self._hold(session))

    @property
    def is_over(self) -> bool:
        return self.task.done() or self._closing.is_set()

    def end(self) -> None:
        """Ask the task to leave; it does so by itself."""
        self._closing.set()

    async def _hold(self, session: "McpSession") -> None:
        try:
            async with mcp_client(session.server, session.on_message) as client:
                self.opened.set_result(client)
                listening = asyncio.create_task(session.listen(client))
                try:
                    await self._closing.wait()
                finally:
                    listening.cancel()
                    await asyncio.wait({listening})
        except Exception as error:  # noqa: BLE001 - the edge of a task; transports raise bundles of anything
            # Once it was open, callers learn of its end by their own calls.
            if not self.opened.done():
                self.opened.set_exception(failure(session.name, session.server, error))
        finally:
            self.opened.cancel()


class McpSession:
    """The tools of one server, for all runs of the process."""

    def __init__(self, name: str, server: McpServerSettings) -> None:
        self.name = name
        self.server = server
        self._connection: _Connection | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._tools: dict[str, Tool] = {}
        self._tools_until = 0.0
        self._listing = asyncio.Lock()

    async def tools(self) -> dict[str, Tool]:
        """The server's tools by the names that models see; asked for at most every 300 s, or when they changed.

        Raises:
            ToolCallError: the server cannot be reached or asked.
        """
        async with self._listing:
            if time.monotonic() < self._tools_until:
                return self._tools
            connection, client = await self._client()
            # Before it is asked: of a change that is told meanwhile the answer may know nothing.
            self._tools_until = time.monotonic() + TOOLS_KEPT_SECONDS
            try:
                listed = await self._list(connection, client)
            except BaseException:
                self._forget()
                raise
            self._tools = {mcp_tool_name(self.name, tool.name): tool for tool in listed}
            return self._tools

    async def call(self, tool: str, arguments: dict[str, JsonValue], idempotency_key: str) -> CallToolResult | MCPError:
        """Call a tool by the server's own name for it; an MCPError is returned where the model may react to it.

        Raises:
            ToolCallError: the server cannot be reached, broke off, was too slow, or sent what is no answer.
        """
        connection, client = await self._client()
        try:
            return await client.call_tool(tool, arguments, meta={"idempotencyKey": idempotency_key})
        except MCPError as error:
            if error.code not in FAILURES:
                return error
            failed = self._failed(connection, error)
        except (ValidationError, InputRequiredRoundsExceededError) as error:
            failed = self._failed(connection, error)
        # Raised out here so that the SDK's error is not its context: see ToolCallError.
        raise failed

    async def aclose(self) -> None:
        """Close the session; a command that was started for it ends."""
        if self._connection is not None:
            self._connection.end()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def on_message(self, message: IncomingMessage) -> None:
        """Hear what the server says without being asked."""
        if isinstance(message, ToolListChangedNotification):
            self._forget()

    async def listen(self, client: Client) -> None:
        """Hear of changed tools from servers of the protocol's newer kind, which tell only those who ask."""
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return
        with suppress(ListenNotSupportedError, SubscriptionLost, MCPError, TimeoutError):
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._forget()

    async def _client(self) -> tuple[_Connection, Client]:
        connection = self._connection
        if connection is None or connection.is_over:
            connection = self._connection = _Connection(self)
            self._tasks.add(connection.task)
            connection.task.add_done_callback(self._tasks.discard)
            self._forget()
        # Shielded: one caller that is cancelled must not take the others' session along.
        return connection, await asyncio.shield(connection.opened)

    def _forget(self) -> None:
        self._tools_until = 0.0

    def _failed(self, connection: _Connection, error: Exception) -> ToolCallError:
        if isinstance(error, MCPError) and error.code in BROKEN:
            connection.end()
        return failure(self.name, self.server, error)

    async def _list(self, connection: _Connection, client: Client) -> list[Tool]:
        tools: list[Tool] = []
        cursor: str | None = None
        try:
            for _ in range(MAX_PAGES):
                page = await client.list_tools(cursor=cursor)
                tools += page.tools
                cursor = page.next_cursor
                if cursor is None:
                    break
        except (MCPError, ValidationError) as error:
            failed = self._failed(connection, error)
        else:
            return tools
        raise failed
