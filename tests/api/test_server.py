"""The API as a process's work: binding, draining, health."""

import asyncio
import socket
from dataclasses import replace

import httpx2
import pytest
from temporalio.client import Client

from api import server
from api.app import create_app
from perdure.bootstrap import Runtime
from perdure.domain.errors import SetupError
from perdure.settings import ApiSettings
from tests.api.callers import BASE_URL, Call


def on(runtime: Runtime, **settings: object) -> Runtime:
    api = ApiSettings.model_validate(settings)
    return replace(runtime, settings=runtime.settings.model_copy(update={"api": api}))


async def test_it_serves_until_told_to_stop_and_finishes_what_is_under_way(runtime: Runtime) -> None:
    stop = asyncio.Event()
    bound: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        server.run(on(runtime, port=0), stop, on_bound=lambda host, port: bound.set_result((host, port)))
    )
    host, port = await bound

    async with httpx2.AsyncClient(base_url=f"http://{host}:{port}") as client:
        assert (await client.get("/health/live")).json() == {"status": "live"}
        assert (await client.get("/health/ready")).json()["status"] == "ready"
        assert "server" not in (await client.get("/docs")).headers
        under_way = asyncio.create_task(client.get("/health/ready"))
        await asyncio.sleep(0)
        stop.set()
        assert (await under_way).status_code in {200, 503}
        await asyncio.wait_for(serving, 5)
        with pytest.raises(httpx2.ConnectError):
            await client.get("/health/live")


async def test_a_port_in_use_names_the_setting(runtime: Runtime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match="PERDURE_API__PORT"):
            await server.run(on(runtime, port=port), asyncio.Event())


async def test_a_host_that_is_not_here_names_the_setting(runtime: Runtime) -> None:
    with pytest.raises(SetupError, match="PERDURE_API__HOST"):
        await server.run(on(runtime, host="192.0.2.1", port=0), asyncio.Event())


async def test_readiness_names_what_does_not_answer(runtime: Runtime) -> None:
    nowhere = await Client.connect("127.0.0.1:1", lazy=True)
    transport = httpx2.ASGITransport(create_app(replace(runtime, client=nowhere)))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        problem = await Call(client).problem(503, "GET", "/health/ready")

    assert "Temporal does not answer" in problem["detail"]
    assert "database" not in problem["detail"]
