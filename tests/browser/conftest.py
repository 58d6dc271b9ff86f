"""A real browser before the running product; the console is built first."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.support.product import CHECKOUT, Product
from tests.support.scripted_model import ScriptedModel


@pytest.fixture(scope="session")
async def product(tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> AsyncGenerator[Product]:
    """The product with a default model, since the console's forms name none."""
    environment = {
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_API_KEY": "sk-browser",
        "PERDURE_LLM__DEFAULT_MODEL": "openai:scripted",
    }
    async with Product(tmp_path_factory.mktemp("browser") / "data", environment) as running:
        await running.start("services")
        await running.command("migrate")
        await asyncio.gather(running.start("api"), running.start("worker"), running.log_in("ada@example.com"))
        yield running


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the system's Chromium is; a machine without it has no browser to test with."""
    path = shutil.which("chromium")
    assert path is not None, "the tests in tests/browser need Chromium: apt-get install chromium"
    return path


@pytest.fixture
async def browser(chromium: str) -> AsyncGenerator[Browser]:
    """A browser with nothing in it."""
    subprocess.run([CHECKOUT / "scripts" / "console"], check=True)  # noqa: ASYNC221 - nothing else runs by then
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        await running.close()
