"""Who calls the API in tests, in few words."""

# ruff: noqa: ANN401 - what is sent and what comes back is JSON, into which each test looks by itself

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx2

from perdure.domain.users import User

BASE_URL = "http://perdure.test"
PASSWORD = "correct horse battery staple"
FLOWS = "/api/agent-builder/flows"
AGENTFLOWS = "/api/agent-builder/agentflows"
CHATFLOWS = "/api/agent-builder/chatflows"


Flow = Mapping[str, Any]
"""A flow as the API answers it."""


class Call:
    """A client; `ok` insists on success and gives the JSON."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client

    async def ask(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        return await self.client.request(method, path, **arguments)

    async def ok(self, method: str, path: str, **arguments: Any) -> Any:
        response = await self.ask(method, path, **arguments)
        assert response.status_code == 200, response.text
        return response.json()

    async def problem(self, status: int, method: str, path: str, **arguments: Any) -> Any:
        """Insist on a problem of this status, in the one form that problems have."""
        response = await self.ask(method, path, **arguments)
        assert response.status_code == status, response.text
        return problem_of(response)


class Caller(Call):
    """A user's client."""

    def __init__(self, client: httpx2.AsyncClient, user: User) -> None:
        super().__init__(client)
        self.user = user

    async def agentflow(self, **fields: Any) -> Any:
        return await self.ok("POST", AGENTFLOWS, json={"name": "Team", **fields})

    async def chatflow(self, **fields: Any) -> Any:
        return await self.ok("POST", CHATFLOWS, json={"name": "Assistant", **fields})

    async def names(self, path: str = FLOWS, **query: Any) -> list[str]:
        return [flow["name"] for flow in (await self.ok("GET", path, params=query))["flows"]]


NewCaller = Callable[[], Awaitable[Caller]]


def problem_of(response: httpx2.Response) -> Any:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["type"].startswith("/problems/")
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"].startswith("/")
    assert set(problem) <= {"type", "title", "status", "detail", "instance", "errors"}
    return problem
