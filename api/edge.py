"""The edge of the API, outside of FastAPI: too large a body is turned away, and no error leaves unrendered."""

import logging
import re
from secrets import token_hex

from pydantic import JsonValue
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import render, render_unexpected
from perdure.domain.audit import calling
from perdure.domain.errors import BadRequestError, PerdureError, TooLargeError

_log = logging.getLogger(__name__)

_UPLOAD = re.compile(r"/api/agent-builder/knowledgebases/[^/]+/documents")


_LONGEST_AGENT = 300


def caller_of(scope: Scope) -> dict[str, JsonValue]:
    """From where a call comes and with what, as events and the audit log keep it."""
    client = scope.get("client")
    sent = next((value for name, value in scope["headers"] if name == b"user-agent"), None)
    # Header bytes may be anything; PostgreSQL's JSON may not.
    agent = sent.decode("latin-1")[:_LONGEST_AGENT].replace("\0", "") if sent is not None else None
    return {"source": "api", "ip": client[0] if client else None, "user_agent": agent}


class Edge:
    """Middleware in plain ASGI: it costs microseconds and holds no body back."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, max_upload_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI's entry
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        with calling(caller_of(scope)):
            await self._call(scope, receive, send)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await render(refusal, scope["path"].replace("\0", ""))(scope, receive, send)
            return
        await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = self._limit(scope)
        received = 0
        started = False

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    # FastAPI lets an HTTP exception pass where it reads the body.
                    raise HTTPException(TooLargeError.status, _too_large(limit).detail)
            return message

        async def note_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive_within_limit, note_start)
        except Exception:
            # The process edge: whatever nobody foresaw is told to the log in full and to the caller as a number.
            error_id = token_hex(6)
            _log.exception("Error %s while answering %s %s", error_id, scope["method"], scope["path"])
            if started:
                raise
            await render_unexpected(error_id, scope["path"])(scope, receive, send)

    def _refusal(self, scope: Scope) -> PerdureError | None:
        if b"%00" in scope["query_string"] or "\0" in scope["path"]:
            return BadRequestError("The address holds a NUL character: take it out.")
        limit = self._limit(scope)
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > limit:
                return _too_large(limit)
        return None

    def _limit(self, scope: Scope) -> int:
        return self._max_upload_bytes if _UPLOAD.fullmatch(scope["path"]) else self._max_body_bytes


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"The body is larger than {limit} bytes, the most that is taken.")
