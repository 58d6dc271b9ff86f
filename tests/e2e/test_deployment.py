"""The deployed topology and its updates: external servers, processes that share nothing but addresses, two builds."""

import asyncio

import pytest
from temporalio.client import Client

from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

TEAM: JsonObject = {
    "name": "Team",
    "supervisor_config": {"llm_provider": "openai", "llm_model": "scripted"},
    "agents": [{"name": "One"}, {"name": "Two"}],
}


@pytest.fixture(autouse=True)
async def forgetful(model: ScriptedModel) -> None:
    await model.reset()


async def build_of(product: Product, execution_id: object) -> str:
    """The build that a run is pinned to."""
    client = await Client.connect(product.temporal_address)
    description = await client.get_workflow_handle(str(execution_id)).describe()
    versioning = description.raw_description.workflow_execution_info.versioning_info
    pinned = versioning.versioning_override.pinned.version.build_id
    return pinned or versioning.deployment_version.build_id


async def test_processes_that_know_only_addresses_run_together(
    tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel
) -> None:
    """What docker-compose.yml starts: a migration job, an API and two workers, no folder shared between them."""
    folder = tmp_path_factory.mktemp("deployment")
    async with Product(folder / "servers") as servers:
        await servers.start("services")
        environment = {
            "PERDURE_DATABASE__URL": servers.database_url.replace("postgresql+asyncpg", "postgres"),
            "PERDURE_TEMPORAL__ADDRESS": servers.temporal_address,
            "PERDURE_AUTH__SECRET": "a secret of the deployment, the same for all",
            "PERDURE_WORKER__BUILD_ID": "commit-1",
            "OPENAI_BASE_URL": model.base_url,
        }
        async with Product(folder / "api", environment) as product:
            await product.command("migrate")
            await product.start("api")
            for number in (1, 2):
                own = {"PERDURE_DATA_DIR": str(folder / f"worker-{number}")}
                await product.start("worker", name=f"worker {number}", environment=own)
            await product.log_in("ops@example.com")
            flow_id = (await product.post(f"{API}/agentflows", TEAM))["id"]
            path = f"{API}/flows/{flow_id}/execute?wait=30"
            answers = await asyncio.gather(*(product.post(path, {"input_data": {"message": "Go."}}) for _ in range(6)))
            assert [answer["status"] for answer in answers] == ["completed"] * 6
            await product.kill("worker 1")
            after = await product.post(path, {"input_data": {"message": "Go."}})
            assert after["status"] == "completed"


async def test_a_run_stays_with_its_build_and_new_runs_get_the_new_one(
    tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel
) -> None:
    environment = {"OPENAI_BASE_URL": model.base_url, "PERDURE_WORKER__BUILD_ID": "one"}
    async with Product(tmp_path_factory.mktemp("builds") / "data", environment) as product:
        await product.start("services")
        await product.migrate()
        await product.start("api", "worker")
        await product.log_in()
        flow_id = (await product.post(f"{API}/agentflows", TEAM))["id"]
        await model.script(Behaviour(user="^Old", delay_ms=6000), Behaviour(user="^Old", times=1))
        old = await product.post(f"{API}/flows/{flow_id}/execute", {"input_data": {"message": "Old."}})
        await model.wait_for_requests(1)
        await product.start("worker", name="worker two", environment={"PERDURE_WORKER__BUILD_ID": "two"})
        async with asyncio.timeout(30):
            while True:  # the newest worker's build takes over once its pollers have registered
                path = f"{API}/flows/{flow_id}/execute?wait=20"
                new = await product.post(path, {"input_data": {"message": "New."}})
                if await build_of(product, new["id"]) == "two":
                    break
        assert new["status"] == "completed"
        assert (await product.ended(old["id"]))["status"] == "completed"
        assert await build_of(product, old["id"]) == "one"


async def test_up_killed_and_pulled_goes_on_where_it_was(
    tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel
) -> None:
    """`kill -9` of everything, then a start of another build: the run is taken along, what it had is not paid again."""
    environment = {"OPENAI_BASE_URL": model.base_url, "PERDURE_WORKER__BUILD_ID": "before-pull"}
    async with Product(tmp_path_factory.mktemp("pulled") / "data", environment) as product:
        await product.start("up")
        await product.log_in()
        flow_id = (await product.post(f"{API}/agentflows", TEAM))["id"]
        await model.script(Behaviour(text="one"), Behaviour(hang_after_tokens=1))
        run = await product.post(f"{API}/flows/{flow_id}/execute", {"input_data": {"message": "Go."}})
        await model.wait_for_requests(2)
        await product.kill("up")
        await product.start("up", environment={"PERDURE_WORKER__BUILD_ID": "after-pull"})
        assert (await product.ended(run["id"]))["status"] == "completed"
        assert await build_of(product, run["id"]) == "after-pull"
        assert len(await model.requests()) == 3
