"""The floor of an execution: a bare Temporal workflow with as many activities as ours, and nothing else.

One regular activity per model call and one local activity at the end, as our runs have; client and worker in one
process with eager start; no database, no HTTP, no model.
"""

import asyncio
from datetime import timedelta
from typing import Self
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = "bench-bare"
LIMIT = timedelta(seconds=30)


@activity.defn
async def step(pause_ms: int) -> str:
    """A model call that costs nothing but so many milliseconds of waiting."""
    if pause_ms:
        await asyncio.sleep(pause_ms / 1000)
    return "x"


@activity.defn
async def ending(text: str) -> str:
    """A last write that writes nothing."""
    return text


@workflow.defn(name="Bare")
class Bare:
    """So many activities one after another, then a local one."""

    @workflow.run
    async def run(self, steps: int, pause_ms: int) -> str:
        """Return the last one's text."""
        text = ""
        for _ in range(steps):
            text = await workflow.execute_activity(step, pause_ms, start_to_close_timeout=LIMIT)
        return await workflow.execute_local_activity(ending, text, start_to_close_timeout=LIMIT)


class BareTemporal:
    """A worker and a client of its own on the same server."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Client | None = None
        self._stop = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        client = await Client.connect(self._address)
        self._client = client

        async def serve() -> None:
            async with Worker(
                client,
                task_queue=QUEUE,
                workflows=[Bare],
                activities=[step, ending],
                workflow_runner=UnsandboxedWorkflowRunner(),
                max_eager_activity_reservations_per_workflow_task=20,
            ):
                await self._stop.wait()

        self._serving = asyncio.create_task(serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        if self._serving is not None:
            await self._serving

    async def run(self, steps: int, *, pause_ms: int = 0) -> None:
        """One workflow to its end; each step waits `pause_ms` milliseconds in the place of a model."""
        if self._client is None:
            msg = "Use `async with BareTemporal(...)`."
            raise RuntimeError(msg)
        handle = await self._client.start_workflow(
            Bare.run, args=[steps, pause_ms], id=f"bench-bare-{uuid4()}", task_queue=QUEUE, request_eager_start=True
        )
        await handle.result()
