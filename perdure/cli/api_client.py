"""The few calls that the command line makes to the HTTP API."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Self, TypeVar
from uuid import UUID

import aiohttp
from pydantic import BaseModel, ConfigDict, JsonValue

from perdure.domain.errors import PerdureError
from perdure.domain.executions import Execution

Answer = TypeVar("Answer", bound=BaseModel)
_BASE = "/api/agent-builder"


class KeptAgent(BaseModel):
    """An agent of a flow that was made."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str


class KeptFlow(BaseModel):
    """What is needed of a flow that was made."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    agents: tuple[KeptAgent, ...] = ()


class _Problem(BaseModel):
    detail: str = "it gives no reason"


class ApiClient:
    """Calls the API with a token. Every method raises PerdureError when the API refuses, with the API's own words."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, token: str) -> AsyncGenerator[Self]:
        """Open a client of the API at `url`."""
        async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as session:
            yield cls(session)

    async def is_ready(self) -> bool:
        """Tell whether the API and what it depends on answer, and whether it takes the token."""
        try:
            async with self._session.get("/health/ready") as ready, self._session.get("/api/auth/me") as me:
                return ready.ok and me.ok
        except aiohttp.ClientConnectionError:
            return False

    async def create(self, kind: str, flow: Mapping[str, JsonValue]) -> KeptFlow:
        """Make a flow; `kind` is `agentflows` or `chatflows`."""
        return await self._call("POST", f"{_BASE}/{kind}", KeptFlow, flow)

    async def execute(self, flow: UUID, input_data: Mapping[str, JsonValue]) -> Execution:
        """Start an execution; it goes on after this returns."""
        return await self._call("POST", f"{_BASE}/flows/{flow}/execute", Execution, {"input_data": dict(input_data)})

    async def execution(self, execution: UUID) -> Execution:
        """Read an execution as it stands."""
        return await self._call("GET", f"{_BASE}/executions/{execution}", Execution)

    async def _call(
        self, method: str, path: str, expected: type[Answer], body: Mapping[str, JsonValue] | None = None
    ) -> Answer:
        try:
            async with self._session.request(method, path, json=body) as answer:
                content = await answer.read()
        except aiohttp.ClientError as error:
            raise PerdureError(f"The API stopped answering ({error}).") from error
        if not answer.ok:
            raise PerdureError(f"The API answered {answer.status}: {_Problem.model_validate_json(content).detail}")
        return expected.model_validate_json(content)
