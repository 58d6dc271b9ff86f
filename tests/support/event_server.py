"""A server for the protocols that the scripted model does not speak: it streams the events a test gives it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from pydantic import JsonValue, SecretStr

from perdure.llm import ProviderKeys
from perdure.llm.models import Models

Event = tuple[str, dict[str, JsonValue]]
"""Name and data of a server-sent event; the name is empty where the protocol gives events none."""


@dataclass
class Provider:
    """A server that sends the events it is given, or an error, and keeps what it was asked, oldest first."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    error: JsonValue = None
    events: list[Event] = field(default_factory=list[Event])
    hang: bool = False
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    called: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Send what there is to send, whatever was asked."""
        self.bodies.append(orjson.loads(await request.read()))
        self.called.set()
        if self.status != 200:
            return web.json_response(self.error, status=self.status, headers=self.headers)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for name, data in self.events:
            named = f"event: {name}\n".encode() if name else b""
            body = {"type": name, **data} if name else data
            await response.write(named + b"data: " + orjson.dumps(body) + b"\n\n")
        if self.hang:
            try:
                await asyncio.Event().wait()
            finally:
                self.hung_up.set()
        return response


@asynccontextmanager
async def event_server() -> AsyncGenerator[Provider]:
    """Serve on a free port of the loopback address."""
    provider = Provider()
    app = web.Application()
    app.router.add_post("/{path:.*}", provider.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield provider
    await runner.cleanup()


def models_at(provider: Provider) -> Models:
    """Models whose Anthropic and Google are that server."""
    keys = ProviderKeys(
        anthropic_api_key=SecretStr("sk-ant-secret-key-1"),
        anthropic_base_url=provider.url,
        google_api_key=SecretStr("AIzaSecretKey12345"),
        google_base_url=provider.url,
    )
    return Models(keys)
