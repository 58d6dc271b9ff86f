"""A web server within the test's process, and a name server that says what it is told to."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

PAGES = {
    "/latin": ("text/plain; charset=latin-1", "Grüße".encode("latin-1")),
    "/odd": ("text/plain; charset=klingon", b"fine"),
    "/picture": ("image/png", b"\x89PNG" * 5),
    "/unnamed": ("application/octet-stream", b"\0\1\2"),
    "/unnamed-text": ("application/octet-stream", "Grüße".encode()),
}


class Names(AbstractResolver):
    """Answers of a name server, the first to the first question; the last stays."""

    def __init__(self, **addresses: list[list[str]]) -> None:
        self._answers = {name.replace("_", "."): answers for name, answers in addresses.items()}
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        answers = self._answers.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
            for address in (answers.pop(0) if len(answers) > 1 else answers[0])
        ]

    async def close(self) -> None:
        pass


class Site:
    """A server of this machine that notes what it was sent."""

    def __init__(self) -> None:
        self.port = 0
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.pages = dict(PAGES)
        self.redirects: dict[str, tuple[int, str]] = {}
        self.hung_up = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append((request.method, request.path, headers, await request.read()))
        if request.path in self.redirects:
            status, location = self.redirects[request.path]
            return web.Response(status=status, headers={"Location": location})
        if request.path in {"/huge", "/endless", "/slow", "/broken"}:
            return await self._stream(request)
        if request.path == "/missing":
            return web.json_response({"detail": "no such thing"}, status=404)
        content_type, body = self.pages.get(request.path, ("text/plain", b"hello"))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        if request.path == "/huge":
            response.content_length = 5000
        await response.prepare(request)
        try:
            if request.path == "/huge":
                await response.write(b"x" * 5000)
            while request.path == "/endless":
                await response.write(b"y" * 700)
            if request.path == "/broken" and request.transport is not None:
                request.transport.abort()
            if request.path == "/slow":
                await response.write(b"a little")
                await asyncio.Event().wait()
        except (ConnectionError, asyncio.CancelledError):
            self.hung_up.set()
            raise
        return response


@asynccontextmanager
async def serving() -> AsyncGenerator[Site]:
    """A site that answers on a port of its own."""
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        site.port = runner.addresses[0][1]
        yield site
    finally:
        await runner.cleanup()
