"""The API on a port of its own, in this process: for clients that need a real server."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from api import server
from perdure.auth import issue_token
from perdure.bootstrap import Runtime
from perdure.domain.users import User
from perdure.settings import ApiSettings


@dataclass(frozen=True)
class Served:
    """A server on a port of its own."""

    port: int
    stop: asyncio.Event

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def stream(self, execution_id: UUID) -> str:
        """Where a run is watched by server-sent events."""
        return f"{self.url}/api/agent-builder/executions/{execution_id}/stream"

    def socket(self, execution_id: UUID | str, **query: str | int) -> str:
        """Where a run is watched by WebSocket."""
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        return f"ws://127.0.0.1:{self.port}/ws/executions/{execution_id}?{asked}"


@asynccontextmanager
async def serving(runtime: Runtime, **settings: int) -> AsyncGenerator[Served]:
    """Serve the API with these settings; on a free port where they name none."""
    api = ApiSettings.model_validate({"port": 0, **settings})
    stop = asyncio.Event()
    bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    own = replace(runtime, settings=runtime.settings.model_copy(update={"api": api}))
    task = asyncio.create_task(server.run(own, stop, on_bound=lambda _host, port: bound.set_result(port)))
    yield Served(await bound, stop)
    stop.set()
    await task


def token_of(runtime: Runtime, user_id: int) -> str:
    """A token of that user."""
    return issue_token(
        runtime.settings, User(id=user_id, email="ada@example.com", is_active=True, created_at=datetime.now(UTC))
    )
