"""What the tests of the console share: who is logged in, what they have, what axe finds."""

from playwright.async_api import Page
from pydantic import JsonValue

from tests.support.product import CHECKOUT

ADA = "ada@example.com"
_AXE = CHECKOUT / "web" / "node_modules" / "axe-core" / "axe.min.js"
_SERIOUS = {"serious", "critical"}


async def serious_findings(page: Page) -> list[str]:
    """What axe finds wrong; injected past the page's security policy, which forbids foreign scripts."""
    await page.evaluate(_AXE.read_text())
    found: list[dict[str, JsonValue]] = await page.evaluate("axe.run().then(({ violations }) => violations)")
    return [f"{each['id']}: {each['nodes']}" for each in found if each["impact"] in _SERIOUS]


async def fits(page: Page) -> bool:
    """Whether nothing sticks out of the page to the side."""
    fitting: bool = await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return fitting


async def make_team(page: Page, name: str) -> None:
    """Make a team of a Finder and a Writer who works after it, from the list of flows; its page is open then."""
    await page.get_by_role("link", name="New team").click()
    await page.get_by_label("Name", exact=True).first.fill(name)
    await page.get_by_role("button", name="Add an agent").click()
    for index, agent in enumerate(("Finder", "Writer")):
        box = page.get_by_role("group", name=f"Agent {index + 1}")
        await box.get_by_label("Name").fill(agent)
    await (
        page.get_by_role("group", name="Agent 2")
        .get_by_role("group", name="Works after")
        .get_by_label("Finder")
        .check()
    )
    await page.get_by_role("button", name="Create").click()


async def run(page: Page, name: str) -> None:
    """Run the flow whose page is open."""
    await page.get_by_label("Message").fill("Why do ships float?")
    await page.get_by_role("button", name=f"Run: {name}").click()
