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
