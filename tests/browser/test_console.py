"""The console as a person uses it: a team made by form, its run watched, reloaded and wound back."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.console import make_team, run, serious_findings
from tests.support.product import Product
from tests.support.scripted_model import Behaviour, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

WORDS = " ".join(f"word{number}" for number in range(60))


async def log_in(page: Page, product: Product, token: str) -> None:
    await page.goto(product.base_url)
    await page.get_by_label("Token or API key").fill(token)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("heading", name="Flows")).to_be_visible()


async def test_a_team_is_made_run_watched_reloaded_and_wound_back(
    product: Product, model: ScriptedModel, browser: Browser, token: str, tmp_path: Path
) -> None:
    await model.reset()
    await model.script(*[Behaviour(text=WORDS, token_delay_ms=40)] * 2)
    page = await browser.new_page()
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(error.message))
    await log_in(page, product, token)
    await make_team(page, "Ships")
    await run(page, "Ships")
    first = page.locator("[data-status=running]").get_by_test_id("words")
    await expect(first).to_contain_text("word3 ")
    await page.reload()
    await expect(first).to_contain_text("word0 word1 word2 ")
    await expect(page.get_by_test_id("status")).to_have_text("completed")
    await expect(page.get_by_test_id("output")).to_contain_text(WORDS)
    assert "token" not in page.url
    await slide_through(page, product)
    assert not await serious_findings(page)
    await page.screenshot(path=tmp_path / "light.png", full_page=True)
    assert not mistakes
    await page.close()


async def slide_through(page: Page, product: Product) -> None:
    """At every version the console's own fold shows what the server's says."""
    execution_id = page.url.rsplit("/", 1)[-1]
    slider = page.get_by_role("slider")
    for version in range(1, int(await slider.get_attribute("max") or 0) + 1):
        await slider.fill(str(version))
        state = await product.get(f"/api/events/state/{execution_id}?to_version={version}")
        nodes = state["node_executions"]
        assert isinstance(nodes, list)
        steps = page.locator("[data-step]")
        shown = await steps.evaluate_all("all => all.map(({ dataset }) => [dataset.step, dataset.status])")
        assert shown == [[node["id"], node["status"]] for node in nodes if isinstance(node, dict)]
        await expect(page.get_by_test_id("status")).to_have_text(str(state["status"]))


async def test_a_run_that_is_not_there_says_what_to_do(page: Page) -> None:
    await page.goto("/executions/00000000-0000-4000-8000-000000000000")
    await expect(page.get_by_role("alert")).to_contain_text("Not found")


async def test_who_is_not_known_logs_in_again(product: Product, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(product.base_url)
    await page.get_by_label("Token or API key").fill("no token")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).to_contain_text("Not authenticated")
    await page.evaluate("sessionStorage.setItem('perdure.token', 'has run out')")
    await page.goto(f"{product.base_url}/audit")
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    await page.close()
