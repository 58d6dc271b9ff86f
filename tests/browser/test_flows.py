"""Flows, their versions, forks and statistics in the console, as a person uses them."""

import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Page, expect
from pydantic import JsonValue

from tests.browser.console import fits, make_team, run, serious_findings
from tests.support.product import Product
from tests.support.scripted_model import Behaviour, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


async def look(page: Page, path: Path) -> None:
    """Keep a picture, and insist that axe finds nothing serious."""
    await page.screenshot(path=path, full_page=True)
    assert not await serious_findings(page)


async def test_a_run_is_forked_compared_and_counted(
    product: Product, model: ScriptedModel, page: Page, tmp_path: Path
) -> None:
    await model.reset()
    await model.script(
        Behaviour(text="A draft."), Behaviour(status=503), Behaviour(text="Sinking."), Behaviour(text="Floating.")
    )
    await page.goto("/flows")
    await make_team(page, "Forkers")
    await expect(page.get_by_role("group", name="Who works after whom")).to_contain_text("Writer")
    await look(page, tmp_path / "flow.png")
    await run(page, "Forkers")
    await expect(page.get_by_test_id("status")).to_have_text("completed")
    writer = page.locator('[data-node="Writer"]')
    await expect(writer).to_have_attribute("data-status", "completed")
    await expect(writer).to_contain_text("1 retry")
    await expect(page.get_by_role("region", name="Time line")).to_contain_text("failed and is tried again")
    link = page.get_by_role("link", name="In Temporal's Web UI")
    assert page.url.rsplit("/", 1)[-1] in str(await link.get_attribute("href"))
    await look(page, tmp_path / "run.png")
    await writer.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Steps of Writer")).to_be_visible()
    assert await page.locator("[data-step]").count() == 1
    await page.get_by_role("button", name="Fork from Writer").click()
    fork = page.get_by_role("dialog")
    await fork.get_by_label("Put another output in the place of").select_option("Finder")
    await fork.get_by_label("The output instead").fill("Another draft.")
    await fork.get_by_text("Change how the flow runs").click()
    await fork.get_by_role("group", name="Agent 2").get_by_label("System prompt").fill("Rhyme.")
    await look(page, tmp_path / "fork.png")
    await fork.get_by_role("button", name="Start the fork").click()
    await expect(page.get_by_test_id("output")).to_contain_text("Floating.")
    asked = (await model.requests())[-1]
    assert "Another draft." in asked.last_user_message
    assert asked.messages[0] == {"role": "system", "content": "Rhyme."}
    await page.get_by_role("link", name="compare", exact=True).click()
    await expect(page.get_by_role("heading", name="Two runs compared")).to_be_visible()
    await expect(page.get_by_text("-Sinking.").first).to_be_visible()
    await look(page, tmp_path / "diff.png")
    await page.get_by_role("link", name="Dashboard").click()
    counted = await product.get("/api/agent-builder/executions/statistics")
    totals = counted["totals"]
    assert isinstance(totals, dict)
    await expect(page.get_by_test_id("runs")).to_have_text(str(totals["executions"]))
    await expect(page.get_by_role("table", name="By flow")).to_contain_text("Forkers")
    await look(page, tmp_path / "dashboard.png")


async def test_a_team_is_told_who_decides_and_what_its_answer_looks_like(
    product: Product, page: Page, tmp_path: Path
) -> None:
    await page.goto("/flows")
    await page.get_by_role("link", name="New team").click()
    await page.get_by_label("Name", exact=True).first.fill("Careful")
    agent = page.get_by_role("group", name="Agent 1")
    await agent.get_by_label("Name", exact=True).fill("Clerk")
    details = agent.get_by_text("Model, tools and limits")
    await details.click()
    schema = agent.get_by_label("JSON schema of its answer")
    await schema.fill('{"type": ')
    await details.click()
    await page.get_by_role("button", name="Create").click()
    # What keeps it from being sent is unfolded, and says so.
    await expect(schema).to_be_focused()
    await expect(schema).to_have_accessible_description(re.compile(r"^This is not JSON yet\."))
    await schema.fill('{"type": "object", "required": ["sum"], "properties": {"sum": {"type": "number"}}}')
    await agent.get_by_label("People decide before it begins").check()
    await agent.get_by_label("Approvers").fill("ada@example.com, bob@example.com")
    quorum = agent.get_by_label("So many must approve")
    await quorum.fill("3")
    await page.get_by_role("button", name="Create").click()
    await expect(agent.get_by_role("group", name="Who decides")).to_contain_text(
        "There are fewer approvers than its quorum"
    )
    await quorum.fill("2")
    await agent.get_by_label("Seconds until the deadline").fill("3600")
    await agent.get_by_label("At the deadline").select_option("it is approved")
    await look(page, tmp_path / "careful.png")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", name="Careful")).to_be_visible()
    kept = await product.get(f"/api/agent-builder/flows/{page.url.rsplit('/', 1)[-1]}")
    assert isinstance(kept["agents"], list)
    (clerk,) = kept["agents"]
    assert isinstance(clerk, dict)
    assert clerk["output_schema"] == {
        "type": "object",
        "required": ["sum"],
        "properties": {"sum": {"type": "number"}},
    }
    assert clerk["requires_approval"] == {
        "approvers": ["ada@example.com", "bob@example.com"],
        "quorum": 2,
        "deadline_seconds": 3600,
        "default_decision": "approve",
    }


async def test_a_flow_is_edited_refused_overtaken_restored_and_deleted(
    product: Product, page: Page, tmp_path: Path
) -> None:
    await page.goto("/flows")
    await page.get_by_role("link", name="New assistant").click()
    await page.get_by_label("Name", exact=True).fill(" ")
    await page.get_by_label("System prompt").fill("Be brief.")
    await page.get_by_label("What it remembers").select_option("hybrid")
    await page.get_by_role("button", name="Create").click()
    refused = page.locator("[aria-invalid=true]")
    await expect(refused).to_be_focused()
    await expect(refused).to_have_accessible_description("This must not be blank.")
    await look(page, tmp_path / "refused.png")
    await refused.fill("Helper")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", name="Helper")).to_be_visible()
    flow_id = page.url.rsplit("/", 1)[-1]
    await page.get_by_role("link", name="Edit").click()
    await page.get_by_label("System prompt").fill("Be very brief.")
    await product.call("PUT", f"/api/agent-builder/flows/{flow_id}", {"tags": ["theirs"]})
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Somebody has changed this flow meanwhile")).to_be_visible()
    await look(page, tmp_path / "conflict.png")
    await page.get_by_role("button", name="Save mine over it").click()
    await page.get_by_role("link", name="Versions").click()
    await page.get_by_label("From version").fill("1")
    await expect(page.get_by_role("table", name="Compare")).to_contain_text("Be very brief.")
    await look(page, tmp_path / "versions.png")
    await page.get_by_role("button", name="Restore: 1").click()
    await page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    await expect(page.get_by_role("link", name="Look: 4")).to_be_visible()
    await page.get_by_role("link", name="Look: 2").click()
    await expect(page.get_by_role("button", name="Run version 2: Helper")).to_be_visible()
    await page.goto(f"/flows/{flow_id}")
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="Export").click()
    await (await saved.value).save_as(tmp_path / "helper.json")
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="Flows")).to_be_visible()
    await page.get_by_label("Import a file").set_input_files(tmp_path / "helper.json")
    await expect(page.get_by_role("heading", name="Helper")).to_be_visible()
    assert page.url.rsplit("/", 1)[-1] != flow_id


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_pages_are_usable_on_a_phone_in_korean(
    product: Product, page: Page, tmp_path: Path, theme: Literal["light", "dark"]
) -> None:
    await page.emulate_media(color_scheme=theme)
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.goto("/flows")
    agents: list[JsonValue] = [{"id": "a", "name": "가나다"}, {"id": "b", "name": "Writer", "dependencies": ["a"]}]
    made = await product.post("/api/agent-builder/agentflows", {"name": "팀", "agents": agents})
    await page.get_by_role("button", name="한국어").click()
    flow = f"/flows/{made['id']}"
    for name, path, heading in (
        ("flow", flow, "팀"),
        ("edit", f"{flow}/edit", "팀 편집"),
        ("versions", f"{flow}/versions", "팀의 버전"),
        ("assistant", "/flows/new-assistant", "새 어시스턴트"),
        ("dashboard", "/dashboard", "대시보드"),
    ):
        await page.goto(path)
        await expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        for details in await page.locator("details").all():
            await details.evaluate("box => { box.open = true; }")
        await look(page, tmp_path / f"{name}.png")
        assert await fits(page), path
