"""MCP servers in processes of their own, written with the official SDK, and one of the protocol's former kind by hand.

`python -m tests.support.mcp_server` talks over standard input and output; `--port 0` serves streamable HTTP and prints
its port as the first line; `--former` speaks the handshake of 2025 over standard input and output.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from types import TracebackType
from typing import Annotated, Any, Self

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import BlobResourceContents, CallToolResult, EmbeddedResource, ResourceLink, TextResourceContents
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.scripted_model import CHECKOUT, STOP_SECONDS

COMMAND = ["-m", "tests.support.mcp_server"]


def picture() -> list[Image | str]:
    return [Image(data=b"\x89PNG" * 3, format="png"), "a cat"]


def mixed() -> CallToolResult:
    text = TextResourceContents(uri="file:///notes.txt", text="milk, eggs")
    blob = BlobResourceContents(uri="file:///cat.gif", blob="R0lG")
    link = ResourceLink(type="resource_link", name="more", uri="file:///more.txt")
    embedded = [EmbeddedResource(type="resource", resource=each) for each in (text, blob)]
    return CallToolResult(content=[*embedded, link])


def bare() -> CallToolResult:
    return CallToolResult(content=[], structured_content={"answer": 42})


def server() -> MCPServer:
    app = MCPServer("test")
    for tool in (picture, mixed, bare):
        app.add_tool(tool)

    @app.tool()
    def add(a: Annotated[int, Field(description="One.")], b: int) -> int:
        """Adds two numbers."""
        return a + b

    @app.tool()
    def meta(ctx: Context[Any, Any]) -> str:
        """What the call carried beside its arguments."""
        return json.dumps(ctx.request_context.meta, default=str)

    @app.tool()
    def environment(name: str) -> str:
        return os.environ.get(name, "")

    @app.tool()
    def fail() -> str:
        raise ToolError("no such file: notes.txt")

    @app.tool()
    def die() -> str:
        """As `kill -9` in the middle of a call."""
        os.kill(os.getpid(), signal.SIGKILL)
        return "never"

    @app.tool()
    async def hang() -> str:
        await asyncio.Event().wait()
        return "never"

    @app.tool()
    async def grow(ctx: Context[Any, Any]) -> str:
        """Gets the server another tool."""
        app.add_tool(lambda: "grown", name="grown.up", description="New.")
        await ctx.notify_tools_changed()
        return "grew"

    return app


class Gate:
    """Answers with a status of its own in place of the server while one is set: `POST /status/503`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._status = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        response: Response | None = None
        path = Request(scope).url.path
        if path.startswith("/status/"):
            self._status = int(path.rpartition("/")[2])
            response = JSONResponse({})
        elif self._status:
            response = JSONResponse({"detail": "not now"}, self._status)
        elif Request(scope).headers.get("authorization") != "Bearer letmein-please":
            response = JSONResponse({}, 401)
        await (response or self._app)(scope, receive, send)


class McpOverHttp:
    """A streamable HTTP server in a process of its own; `restart` gives a killed one back its port."""

    def __init__(self) -> None:
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        return f"{self.root}/mcp"

    async def start(self) -> None:
        """Start the process, on the port of the one before it, and wait until it listens."""
        await self.stop()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *COMMAND, "--port", str(self._port), stdout=asyncio.subprocess.PIPE, cwd=CHECKOUT
        )
        if self._process.stdout is None:
            raise RuntimeError("the server has no output")
        self._port = int(await self._process.stdout.readline())

    async def stop(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.stop()


def _serve(port: int) -> None:
    listening = socket.create_server(("127.0.0.1", port), backlog=64)
    print(listening.getsockname()[1], flush=True)  # noqa: T201 - the caller reads it
    config = uvicorn.Config(Gate(server().streamable_http_app()), log_level="error")
    uvicorn.Server(config).run(sockets=[listening])


def _speak_as_before() -> None:
    """The handshake of 2025, by hand: `initialize`, a tool that brings another, `list_changed` unasked."""
    names = ["grow"]
    for line in sys.stdin:
        message = json.loads(line)
        said: list[dict[str, object]] = []
        match message.get("method"):
            case "initialize":
                result: object = {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {"listChanged": True}},
                    "serverInfo": {"name": "former", "version": "1"},
                }
            case "tools/list":
                result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]}
            case "tools/call":
                names.append("grown")
                said.append({"method": "notifications/tools/list_changed"})
                result = {"content": [{"type": "text", "text": "grew"}]}
            case _:
                result = None
        if "id" in message:
            error = {"code": -32601, "message": "Method not found"}
            said.append({"id": message["id"], **({"error": error} if result is None else {"result": result})})
        for each in said:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", **each}) + "\n")
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--former", action="store_true")
    options = parser.parse_args()
    if options.former:
        _speak_as_before()
    elif options.port is None:
        server().run()
    else:
        _serve(options.port)


if __name__ == "__main__":
    main()
