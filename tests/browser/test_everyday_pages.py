"""The pages of every day as a person uses them: chat, knowledge bases, approvals, the audit log."""

import hashlib
import json
from pathlib import Path
from typing import cast

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.console import fits, serious_findings
from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedModel
from tests.support.uploads import until, uploaded

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

WORDS = " ".join(f"word{number}" for number in range(60))
SHIPS = "# Ships\n\nShips float because they displace water.\n"


@pytest.fixture(scope="module")
async def base(product: Product) -> JsonObject:
    """A knowledge base with a document that is ready, and one that could not be read."""
    made = await product.post(f"{API}/knowledgebases", {"name": "Handbook"})
    path = f"{API}/knowledgebases/{made['id']}"
    for name, content, status in (("ships.md", SHIPS, "ready"), ("broken.pdf", "no PDF", "failed")):
        document = await uploaded(product, path, name, content)
        await until(product, f"{path}/documents/{document['id']}", status=status)
    return made


@pytest.fixture(scope="module")
async def chatflow(product: Product, base: JsonObject) -> JsonObject:
    """A chatflow that asks the knowledge base."""
    return await product.post(
        f"{API}/chatflows",
        {"name": "Harbourmaster", "rag_config": {"enabled": True, "knowledgebase_ids": [base["id"]], "top_k": 1}},
    )


async def asking_run(product: Product) -> JsonObject:
    """A run that waits for somebody to approve its one agent."""
    flow = await product.post(
        f"{API}/agentflows",
        {"name": "Asks first", "agents": [{"id": "w", "name": "Writer", "requires_approval": True}]},
    )
    run = await product.post(f"{API}/flows/{flow['id']}/execute", {"input_data": {"message": "Why do ships float?"}})
    await product.asked(run["id"])
    return run


async def test_documents_are_uploaded_watched_searched_and_deleted(page: Page, tmp_path: Path) -> None:
    for name, content in (("boats.md", SHIPS * 400), ("torn.pdf", "no PDF")):
        (tmp_path / name).write_text(content)
    await page.goto("/knowledge")
    await page.get_by_role("button", name="New knowledge base").click()
    await page.get_by_label("Name", exact=True).fill("Boats")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", name="Boats")).to_be_visible()
    # What an upload tells on its way is gone before one can look: it is kept as it comes.
    await page.evaluate(
        """new MutationObserver(() => (window.seen = [...(window.seen ?? []),
             ...[...document.querySelectorAll("progress")].map((bar) => [bar.ariaLabel, bar.value, bar.max])])
           ).observe(document.body, { subtree: true, childList: true, attributes: true })"""
    )
    await page.get_by_label("Upload documents").set_input_files([tmp_path / "boats.md", tmp_path / "torn.pdf"])
    boats = page.get_by_role("row", name="boats.md")
    await expect(boats.get_by_text("ready")).to_be_visible()
    torn = page.get_by_role("row", name="torn.pdf")
    await expect(torn.get_by_text("failed")).to_be_visible()
    await expect(torn).to_contain_text("This is no readable PDF")
    seen = cast("list[tuple[str, float, float]]", await page.evaluate("window.seen"))
    assert any(label == "Uploading boats.md" and done == most > len(SHIPS) * 400 for label, done, most in seen)

    await page.get_by_label("What to look for").fill("Why do ships float?")
    await page.get_by_label("How many").fill("2")
    await page.get_by_role("button", name="Search").click()
    await expect(page.get_by_role("article")).to_have_count(2)
    await expect(page.get_by_role("article").first).to_contain_text("displace water")

    await torn.get_by_role("button", name="Delete: torn.pdf").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(torn).to_have_count(0)
    await page.get_by_role("button", name="Delete: Boats", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="Knowledge bases")).to_be_visible()
    await expect(page.get_by_role("link", name="Boats")).to_have_count(0)


async def test_a_chat_shows_its_sources_outlives_a_reload_and_stops(
    page: Page, model: ScriptedModel, chatflow: JsonObject
) -> None:
    await model.reset()
    await model.script(*[Behaviour(text=WORDS, token_delay_ms=40)] * 2)
    await page.goto("/chat")
    await page.get_by_label("Chatflow").select_option("Harbourmaster")
    await page.get_by_label("Your message").fill("Why do ships float?")
    await page.get_by_label("Your message").press("Enter")
    answering = page.get_by_test_id("answering")
    await expect(answering).to_contain_text("word3 ")
    await page.reload()
    await expect(answering).to_contain_text("word0 word1 word2 ")
    log = page.get_by_role("log")
    await expect(log).to_contain_text(WORDS)
    await expect(log.get_by_role("listitem").filter(has_text="ships.md · Part 1 · score 0.").last).to_be_visible()
    # As it is recorded, and not only as it was told.
    await page.reload()
    await expect(log.get_by_role("listitem").filter(has_text="ships.md · Part 1 · score 0.").last).to_be_visible()
    assert "token" not in page.url
    assert str(chatflow["id"]) in page.url

    await page.get_by_label("Your message").fill("And submarines?")
    await page.get_by_role("button", name="Send").click()
    await expect(answering).to_contain_text("word3 ")
    await page.get_by_role("button", name="Stop").click()
    await expect(log.get_by_text("Stopped.")).to_be_visible()
    await expect(page.get_by_role("button", name="Send")).to_be_visible()


async def test_a_step_is_approved_with_other_words(page: Page, product: Product, model: ScriptedModel) -> None:
    await model.reset()
    run = await asking_run(product)
    await page.goto("/approvals")
    card = page.get_by_role("region", name="Writer begins").first
    await card.get_by_label("Task").fill("Why do boats float?")
    await card.get_by_label("Comment").fill("Boats, please.")
    await card.get_by_role("button", name="Edit and approve").click()
    await expect(page.get_by_role("status").filter(has_text="Writer begins: edited")).to_be_visible()
    assert (await product.ended(run["id"]))["status"] == "completed"
    assert "Why do boats float?" in (await model.requests())[-1].last_user_message
    await page.get_by_label("Status").select_option("edited")
    await expect(page.get_by_role("region", name="Writer begins").first).to_contain_text("Boats, please.")


async def test_the_audit_log_is_searched_checked_and_exported(page: Page, chatflow: JsonObject) -> None:
    await page.goto("/audit")
    await page.get_by_label("What", exact=True).fill("FlowCreated")
    await page.get_by_role("button", name="Apply").click()
    await expect(page.get_by_role("cell", name="KnowledgeBaseCreated")).to_have_count(0)
    helper = page.get_by_role("row", name=str(chatflow["name"]))
    await expect(helper).to_contain_text("FlowCreated")
    assert "event_type=FlowCreated" in page.url
    await helper.get_by_role("button", name="Details").click()
    await expect(page.get_by_role("dialog")).to_contain_text('"name": "Harbourmaster"')
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)

    await page.get_by_role("button", name="Check the chain").click()
    await expect(page.get_by_text("The chain is unbroken")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export").click()
    link = b""
    for line in (await (await download.value).path()).read_text().splitlines():
        sealed = json.loads(line)
        link = hashlib.sha256(link + hashlib.sha256(sealed["entry"].encode()).digest()).digest()
        assert sealed["hash"] == link.hex()
    assert link


async def test_a_key_is_made_used_and_taken_away(page: Page, product: Product, browser: Browser) -> None:
    await page.goto("/keys")
    await page.get_by_label("Name", exact=True).fill("nightly import")
    await page.get_by_role("button", name="Create").click()
    key = await page.get_by_test_id("key").inner_text()
    stranger = await browser.new_page()
    await stranger.goto(product.base_url)
    await stranger.get_by_label("Token or API key").fill(key)
    await stranger.get_by_role("button", name="Log in").click()
    await expect(stranger.get_by_role("heading", name="Flows")).to_be_visible()
    await stranger.close()

    await page.reload()
    await expect(page.get_by_role("cell", name=key[:8])).to_be_visible()
    await expect(page.get_by_text(key)).to_have_count(0)
    await page.get_by_role("button", name="Delete: nightly import").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("No keys yet.")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_pages_are_accessible_on_a_phone_in_korean(
    product: Product, browser: Browser, token: str, base: JsonObject, chatflow: JsonObject, tmp_path: Path, theme: str
) -> None:
    await asking_run(product)
    context = await browser.new_context(
        base_url=product.base_url,
        color_scheme="dark" if theme == "dark" else "light",
        locale="ko",
        viewport={"width": 390, "height": 800},
    )
    await context.add_init_script(f"sessionStorage.setItem('perdure.token', '{token}')")
    page = await context.new_page()
    for path, heading in (
        ("/flows", "플로우"),
        ("/flows/new", "새 팀"),
        ("/executions", "실행"),
        ("/knowledge", "지식 베이스"),
        (f"/knowledge/{base['id']}", "Handbook"),
        (f"/chat/{chatflow['id']}", "채팅"),
        ("/approvals", "승인"),
        ("/audit", "감사 로그"),
        ("/keys", "API 키"),
    ):
        await page.goto(path)
        await expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        await page.wait_for_load_state("networkidle")
        assert not await serious_findings(page), path
        assert await fits(page), path
        await page.screenshot(path=tmp_path / f"{path.replace('/', '-')}.png", full_page=True)
    await context.close()
