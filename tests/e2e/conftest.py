"""One running product for the whole session: services, API and worker, each a process of its own as in production."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.support.product import API, Product
from tests.support.scripted_model import ScriptedModel


@pytest.fixture(scope="session")
async def shared_product(tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> AsyncGenerator[Product]:
    """Started once; whoever kills a process of it starts it again."""
    environment = {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": "sk-e2e"}
    async with Product(tmp_path_factory.mktemp("product") / "data", environment) as running:
        await running.start("services")
        await running.migrate()
        await asyncio.gather(running.start("api"), running.start("worker"), running.log_in("ada@example.com"))
        yield running


@pytest.fixture
async def product(shared_product: Product, model: ScriptedModel) -> Product:
    """The running product, no run of other tests in it, with a model that has forgotten what they told it."""
    while running := await shared_product.running():
        for execution_id in running:
            await shared_product.call("POST", f"{API}/executions/{execution_id}/cancel")
            await shared_product.ended(execution_id)
    await model.reset()
    return shared_product
