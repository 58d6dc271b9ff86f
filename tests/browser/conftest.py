"""A real browser before the running product, one of each for all tests; the console is built first."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.console import ADA
from tests.support.product import CHECKOUT, Product
from tests.support.scripted_model import ScriptedModel

# The worker has no door to knock at: the first run may have to wait for it, on a busy machine for long.
expect.set_options(timeout=30_000)


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
        await running.migrate()
        await asyncio.gather(running.start("api"), running.start("worker"), running.log_in(ADA))
        yield running


@pytest.fixture(scope="session")
async def token(product: Product) -> str:
    """The access token of the user whose flows the tests make."""
    return product.http.headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the system's Chromium is; a machine without it has no browser to test with."""
    path = shutil.which("chromium")
    assert path is not None, "the tests in tests/browser need Chromium: apt-get install chromium"
    return path


@pytest.fixture(scope="session")
async def browser(chromium: str) -> AsyncGenerator[Browser]:
    """The browser; each test has pages of its own in it."""
    subprocess.run([CHECKOUT / "scripts" / "console"], check=True)  # noqa: ASYNC221 - nothing else runs by then
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        await running.close()


@pytest.fixture
async def page(product: Product, browser: Browser, token: str) -> AsyncGenerator[Page]:
    """A page of a user who is logged in; addresses are the product's. A script's mistake in it fails the test."""
    context = await browser.new_context(base_url=product.base_url, accept_downloads=True)
    await context.add_init_script(f"sessionStorage.setItem('perdure.token', '{token}')")
    opened = await context.new_page()
    mistakes: list[str] = []
    opened.on("pageerror", lambda error: mistakes.append(error.message))
    yield opened
    await context.close()
    assert not mistakes
