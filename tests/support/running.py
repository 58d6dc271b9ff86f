"""Fixtures of a session: embedded services, a scripted model, and a worker in this process."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import JsonValue, SecretStr
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.worker import Replayer

from perdure.bootstrap import Runtime, open_runtime
from perdure.domain.executions import Execution
from perdure.domain.flow_edits import overlay
from perdure.domain.flows import Agentflow, AgentflowCreate, Chatflow, ChatflowCreate
from perdure.domain.users import Origin
from perdure.embedded.services import open_services
from perdure.executions import StartRequest, get_execution, start_execution
from perdure.knowledge_tool import knowledge_search
from perdure.live import LiveWriter
from perdure.llm import ProviderKeys
from perdure.settings import Settings, ToolSettings
from perdure.storage import flows, migrate
from perdure.storage.users import ensure_user
from perdure.temporal.starting import run_handle
from perdure.tools import Toolbox
from tests.support.scripted_model import ScriptedModel
from worker import build_worker
from workflows import WORKFLOWS
from workflows.sandbox import checking_runner


@dataclass(frozen=True)
class Lab:
    """A running product without its HTTP part: start flows, look at what they did, replay it."""

    runtime: Runtime
    model: ScriptedModel
    user_id: int

    async def agentflow(self, **fields: JsonValue) -> Agentflow:
        """Keep an agentflow of the scripted model's."""
        supervisor: JsonValue = {"llm_provider": "openai", "llm_model": "scripted"}
        body = AgentflowCreate.model_validate({"name": "Team", "supervisor_config": supervisor, **fields})
        async with self.runtime.sessions.begin() as session:
            view = await flows.create(session, Origin(self.user_id, {}), body)
            flow = await flows.get_flow(session, view.id, user_id=self.user_id)
        if not isinstance(flow, Agentflow):
            raise TypeError("not an agentflow")
        return flow

    async def chatflow(self, **fields: JsonValue) -> Chatflow:
        """Keep a chatflow of the scripted model's."""
        chat: JsonValue = {"llm_provider": "openai", "llm_model": "scripted"}
        body = ChatflowCreate.model_validate({"name": "Assistant", "chat_config": chat, **fields})
        async with self.runtime.sessions.begin() as session:
            view = await flows.create(session, Origin(self.user_id, {}), body)
            flow = await flows.get_flow(session, view.id, user_id=self.user_id)
        if not isinstance(flow, Chatflow):
            raise TypeError("not a chatflow")
        return flow

    async def change(self, flow: Agentflow | Chatflow, fields: dict[str, JsonValue]) -> None:
        """Lay fields over a kept flow's own."""
        async with self.runtime.sessions.begin() as session:
            await flows.change(
                session,
                Origin(self.user_id, {}),
                flow.id,
                flow_type=flow.flow_type,
                check=lambda _version: None,
                edit=lambda kept: overlay(kept, fields),
            )

    async def read(self, flow: Agentflow | Chatflow) -> Agentflow | Chatflow:
        """A flow as it is kept by now."""
        async with self.runtime.sessions() as session:
            return await flows.get_flow(session, flow.id, user_id=self.user_id)

    async def start(self, flow: Agentflow | Chatflow, **input_data: JsonValue) -> UUID:
        """Start a run; its id."""
        request = StartRequest(flow.id, self.user_id, input_data, flow=flow)
        return (await start_execution(self.runtime, request, execution_id=uuid4())).id

    async def run(self, flow: Agentflow | Chatflow, **input_data: JsonValue) -> Execution:
        """Start a run, wait for its end in Temporal whatever it is, and return its row: see `finish`."""
        return await self.finish(await self.start(flow, **input_data))

    async def finish(self, execution_id: UUID) -> Execution:
        """Wait for the end of a run, replay its history, hold its events against its row, and return that."""
        async for _ in run_handle(self.runtime.client, execution_id).fetch_history_events(wait_new_event=True):
            pass
        await self.replay(execution_id)
        execution = await get_execution(self.runtime, execution_id, user_id=self.user_id)
        await self._compare(execution)
        return execution

    async def history(self, execution_id: UUID) -> WorkflowHistory:
        """A run's history as Temporal has it."""
        return await run_handle(self.runtime.client, execution_id).fetch_history()

    async def replay(self, execution_id: UUID) -> None:
        """Replay a run: today's code must take the same way again."""
        await replayer(self.runtime.client.data_converter).replay_workflow(await self.history(execution_id))

    async def _compare(self, execution: Execution) -> None:
        """The row that a run's workflow has written, and what its events add up to, say the same."""
        history = await self.runtime.records.read(execution.id)
        if history is None:
            raise LookupError("Temporal keeps no history of this run")
        state = history.state
        assert (state.status, state.output_data) == (execution.status, execution.output_data)
        assert state.error_message == execution.error_message
        # The workflow's clock is the beginning of its tasks, history has the moment of each event.
        times = {"started_at", "completed_at", "duration_ms", "total_duration_ms"}
        told, kept = (
            [node.model_dump(exclude=times) for node in each]
            for each in (state.ledger.nodes, execution.node_executions)
        )
        assert told == kept
        metrics = state.ledger.metrics(started_at=execution.started_at, until=execution.completed_at)
        assert metrics.model_dump(exclude=times) == execution.metrics.model_dump(exclude=times)


def replayer(converter: DataConverter) -> Replayer:
    """A replayer of today's workflows, set up as workers are."""
    return Replayer(workflows=WORKFLOWS, data_converter=converter, workflow_runner=checking_runner())


def scripted_keys(model: ScriptedModel) -> ProviderKeys:
    """Keys that lead to the scripted model."""
    return ProviderKeys(
        openai_base_url=model.base_url,
        openai_api_key=SecretStr("sk-test"),
        rerank_base_url=model.base_url,
        rerank_api_key=SecretStr("rerank-test"),
    )


@asynccontextmanager
async def lab_runtime(folder: Path, model: ScriptedModel) -> AsyncGenerator[Runtime]:
    """PostgreSQL and Temporal of their own in `folder`, migrated and prepared; embeddings by the scripted model."""
    settings = Settings.model_validate(
        {
            "data_dir": folder,
            "temporal": {"port": 0, "ui_port": 0},
            "llm": {"local_model": False},
            "database": {"pool_size": 20},
        }
    )
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings, announce=lambda _line: None))
        await migrate.upgrade(services.endpoints.database_url)
        yield await stack.enter_async_context(
            open_runtime(services.settings, services.endpoints, keys=scripted_keys(model))
        )


@asynccontextmanager
async def lab_worker(runtime: Runtime) -> AsyncGenerator[asyncio.Task[None]]:
    """A worker in this process, its model calls answered by the scripted model; the task that it runs in."""
    async with (
        LiveWriter(runtime.endpoints.database_url) as live,
        Toolbox(ToolSettings(http_allow_private=True), search=knowledge_search(runtime)) as toolbox,
    ):
        worker = build_worker(runtime, toolbox, live, None, runner=checking_runner())
        running = asyncio.create_task(worker.run(), name="worker")
        try:
            yield running
        finally:
            await worker.shutdown()
            await running


async def new_lab(runtime: Runtime, model: ScriptedModel) -> Lab:
    """A lab whose model has forgotten what it was told before, for a user of its own."""
    await model.reset()
    async with runtime.sessions.begin() as session:
        user = await ensure_user(session, f"{uuid4().hex}@example.com")
    return Lab(runtime=runtime, model=model, user_id=user.id)


@pytest.fixture(scope="session")
async def model() -> AsyncGenerator[ScriptedModel]:
    """A scripted model for the session."""
    async with ScriptedModel() as running:
        yield running


@pytest.fixture(scope="session")
async def runtime(tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> AsyncGenerator[Runtime]:
    """PostgreSQL and Temporal of the session."""
    async with lab_runtime(tmp_path_factory.mktemp("lab"), model) as running:
        yield running


@pytest.fixture(scope="session")
async def session_worker(runtime: Runtime) -> AsyncGenerator[asyncio.Task[None]]:
    """A worker in this process for the session."""
    async with lab_worker(runtime) as running:
        yield running


@pytest.fixture
async def working(session_worker: asyncio.Task[None]) -> None:
    """The session's worker, alive: of one that has died each test says why, instead of waiting for it."""
    if session_worker.done():
        session_worker.result()
        pytest.fail("the session's worker has stopped")


@pytest.fixture
async def lab(runtime: Runtime, model: ScriptedModel, working: None) -> Lab:
    """A lab of the test's own on the session's servers."""
    del working
    return await new_lab(runtime, model)
