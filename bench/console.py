"""`python -m bench.console`: the console in a real browser.

Its first load, what its caching saves in ordinary use, and how late a token is on the screen while other runs
are watched too. Chromium is the system's, as in the tests.
"""

import argparse
import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

import aiohttp
import orjson
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, async_playwright, expect
from pydantic import BaseModel, ConfigDict, JsonValue
from rich.console import Console
from rich.table import Table

from bench.streams import SILENT, opened, percentile, say, start_run
from perdure.live import LiveWriter
from tests.support.product import API, CHECKOUT, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedModel

MODEL: JsonObject = {"llm_provider": "openai", "llm_model": "scripted"}


class LoadFigure(BaseModel):
    """What opening the console takes, median of several times."""

    model_config = ConfigDict(frozen=True)

    what: str
    requests: int
    kilobytes: float
    painted_ms: float
    """Until the first of it is on the screen."""
    loaded_ms: float


class SessionFigure(BaseModel):
    """What a session asks of the API; streams are left out, they are the same in both."""

    model_config = ConfigDict(frozen=True)

    what: str
    reads: int
    unchanged: int
    """Answered with 304."""
    kilobytes: float


class LagFigure(BaseModel):
    """From a token's publication to the screen, in milliseconds, with so many streams open at once."""

    model_config = ConfigDict(frozen=True)

    streams: int
    tokens: int
    p50_ms: float
    p95_ms: float


class Traffic:
    """What a page's network carries, as the browser itself counts it."""

    def __init__(self, connection: CDPSession) -> None:
        self._connection = connection
        self._asked: dict[str, tuple[str, str]] = {}
        self._answers: dict[str, tuple[int, float]] = {}

    async def begin(self, *, cached: bool = True) -> None:
        """Count from here on."""
        self._connection.on("Network.requestWillBeSent", self._sent)
        self._connection.on("Network.responseReceived", self._answered)
        self._connection.on("Network.loadingFinished", self._finished)
        for method, settings in (("enable", {}), ("setCacheDisabled", {"cacheDisabled": not cached})):
            await self._connection.send(f"Network.{method}", settings)  # pyright: ignore[reportUnknownMemberType]

    def _sent(self, event: dict[str, dict[str, str]]) -> None:
        self._asked[str(event["requestId"])] = (event["request"]["method"], event["request"]["url"])

    def _answered(self, event: dict[str, dict[str, int]]) -> None:
        self._answers[str(event["requestId"])] = (event["response"]["status"], 0.0)

    def _finished(self, event: dict[str, float]) -> None:
        request = str(event["requestId"])
        status, _ = self._answers.get(request, (0, 0.0))
        self._answers[request] = (status, event["encodedDataLength"])

    def all(self) -> tuple[int, float]:
        """How many requests there were, and their bytes."""
        return len(self._asked), sum(size for _, size in self._answers.values())

    def reads(self) -> tuple[int, int, float]:
        """Reads of the API: how many, how many of them unchanged, and the bytes of all."""
        reads = [
            self._answers.get(request, (0, 0.0))
            for request, (method, url) in self._asked.items()
            if method == "GET" and "/api/" in url and not url.endswith(("/stream", "/explain"))
        ]
        return len(reads), sum(status == _NOT_MODIFIED for status, _ in reads), sum(size for _, size in reads)


_NOT_MODIFIED = 304


async def first_load(browser: Browser, product: Product, *, times: int) -> list[LoadFigure]:
    """Open the console in browsers that have never seen it, and again in each."""
    new: list[tuple[int, float, float, float]] = []
    again: list[tuple[int, float, float, float]] = []
    for _ in range(times):
        context = await browser.new_context()
        new.append(await _open(context, product))
        again.append(await _open(context, product))
        await context.close()
    return [_load_figure("first load", new), _load_figure("the next", again)]


async def _open(context: BrowserContext, product: Product) -> tuple[int, float, float, float]:
    page = await context.new_page()
    traffic = Traffic(await context.new_cdp_session(page))
    await traffic.begin()
    await page.goto(product.base_url)
    await page.get_by_label("Token or API key").wait_for()
    await page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    painted, loaded = await page.evaluate(
        "[performance.getEntriesByName('first-contentful-paint')[0].startTime,"
        " performance.getEntriesByType('navigation')[0].loadEventEnd]"
    )
    await page.close()
    return (*traffic.all(), float(painted), float(loaded))


def _load_figure(what: str, found: Sequence[tuple[int, float, float, float]]) -> LoadFigure:
    requests, size, painted, loaded = (statistics.median(column) for column in zip(*found, strict=True))
    return LoadFigure(
        what=what,
        requests=int(requests),
        kilobytes=round(size / 1000, 1),
        painted_ms=round(painted),
        loaded_ms=round(loaded),
    )


async def caching(browser: Browser, product: Product) -> list[SessionFigure]:
    """One session with the client's caching, and the same pages each opened anew with nothing cached."""
    flows: list[str] = []
    for number in range(30):
        made = await product.post(f"{API}/agentflows", _team(f"Team {number}"))
        flows.append(str(made["id"]))
    token = await product.token()
    figures: list[SessionFigure] = []
    for what, cached in (("each page opened anew", False), ("with the client's cache", True)):
        context = await browser.new_context()
        page = await context.new_page()
        await _log_in(page, product, token)
        traffic = Traffic(await context.new_cdp_session(page))
        await traffic.begin(cached=cached)
        await _use(page, product, flows[-5:], cached=cached)
        reads, unchanged, size = traffic.reads()
        figures.append(SessionFigure(what=what, reads=reads, unchanged=unchanged, kilobytes=round(size / 1000, 1)))
        await context.close()
    return figures


def _team(name: str) -> JsonObject:
    agents: list[JsonValue] = [{"name": f"Agent {number}", "id": f"a{number}"} for number in range(3)]
    return {"name": name, "supervisor_config": MODEL, "agents": agents}


async def _use(page: Page, product: Product, flow_ids: Sequence[str], *, cached: bool) -> None:
    """Browse, open, edit, run: what somebody does who looks through teams, mends two of them and tries these."""

    async def go(path: str, heading: str) -> None:
        if not cached:
            await page.goto(f"{product.base_url}{path}")
        elif await (link := page.locator(f'a[href="{path}"]').first).count():
            await link.click()
        else:
            await page.go_back()
        await expect(page.get_by_role("heading", name=heading).first).to_be_visible()
        await page.wait_for_load_state("networkidle")

    for number, flow_id in enumerate(flow_ids):
        name = str((await product.get(f"{API}/flows/{flow_id}"))["name"])
        for _ in range(2):  # there, back to the list to compare, and there again
            await go("/flows", "Flows")
            await go(f"/flows/{flow_id}", name)
        if number % 2 == 0:
            continue
        await go(f"/flows/{flow_id}/edit", name)
        await page.get_by_label("Description").first.fill("Mended.")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        await page.get_by_label("Message").fill("Go.")
        await page.get_by_role("button", name=f"Run: {name}").click()
        await expect(page.get_by_test_id("status")).to_have_text("completed")
        await page.wait_for_load_state("networkidle")
        run = page.url.removeprefix(product.base_url)
        await go("/executions", "Executions")
        await go(run, name)
        await go("/flows", "Flows")
        await go(f"/flows/{flow_id}", name)


async def _log_in(page: Page, product: Product, token: str) -> None:
    await page.goto(product.base_url)
    await page.get_by_label("Token or API key").fill(token)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("heading", name="Flows")).to_be_visible()


_WATCH = """
() => {
  window.lags = [];
  let seen = 0;
  new MutationObserver(() => {
    const words = document.querySelector('[data-testid=words]')?.textContent.trim().split(/\\s+/) ?? [];
    const now = performance.timeOrigin + performance.now();
    for (; seen < words.length; seen++) window.lags.push(now - Number(words[seen]) * 1000);
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}
"""


async def lag(
    browser: Browser, product: Product, writer: LiveWriter, executions: Sequence[UUID], *, tokens: int, rate: float
) -> LagFigure:
    """Say words in each run; the console shows the first of them, and the others are read over connections."""
    # The policy would forbid what waits for the last word.
    context = await browser.new_context(bypass_csp=True)
    page = await context.new_page()
    await _log_in(page, product, await product.token())
    await page.goto(f"{product.base_url}/executions/{executions[0]}")
    await expect(page.get_by_test_id("status")).to_have_text("running")
    await page.evaluate(_WATCH)
    async with AsyncExitStack() as stack:
        answers = [await stack.enter_async_context(opened(product, each)) for each in executions[1:]]
        reading = [asyncio.create_task(_drain(answer)) for answer in answers]
        # A higher attempt than that of any measurement before.
        attempt = int(time.time())
        async with asyncio.TaskGroup() as group:
            for execution in executions:
                group.create_task(say(writer, execution, attempt, tokens=tokens, rate=rate))
        await page.wait_for_function(f"window.lags.length >= {tokens}", timeout=20_000)
        for task in reading:
            task.cancel()
    lags: list[float] = orjson.loads(await page.evaluate("JSON.stringify(window.lags)"))
    await context.close()
    return LagFigure(
        streams=len(executions),
        tokens=len(lags),
        p50_ms=round(percentile(lags, 50), 1),
        p95_ms=round(percentile(lags, 95), 1),
    )


async def _drain(answer: aiohttp.ClientResponse) -> None:
    async for _ in answer.content:
        pass


@asynccontextmanager
async def _browser() -> AsyncGenerator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("This bench needs Chromium: apt-get install chromium.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def run(
    streams: Sequence[int], *, tokens: int, rate: float, times: int
) -> tuple[list[LoadFigure], list[SessionFigure], list[LagFigure]]:
    """Start everything, measure, stop everything."""
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        data = Path(folder)
        async with ScriptedModel() as model, _browser() as browser:
            environment = {
                "OPENAI_BASE_URL": model.base_url,
                "OPENAI_API_KEY": "sk-bench",
                "PERDURE_WORKER__MAX_CONCURRENT_STEPS": "1000",
            }
            async with Product(data, environment) as product:
                await product.start("services")
                await product.migrate()
                await product.start("api", "worker")
                await product.log_in()
                loads = await first_load(browser, product, times=times)
                sessions = await caching(browser, product)
                await model.reset()
                await model.script(Behaviour(hang_after_tokens=0, times=None))
                team: JsonObject = {"name": "Team", "supervisor_config": MODEL, "agents": [SILENT]}
                flow_id = str((await product.post(f"{API}/agentflows", team))["id"])
                # The one that the console shows has said nothing before: it would show that first.
                shown = [await start_run(product, flow_id) for _ in streams]
                others = [await start_run(product, flow_id) for _ in range(max(streams) - 1)]
                await model.wait_for_requests(len(shown) + len(others))
                async with LiveWriter(product.database_url) as writer:
                    lags = [
                        await lag(browser, product, writer, [one, *others[: count - 1]], tokens=tokens, rate=rate)
                        for count, one in zip(streams, shown, strict=True)
                    ]
                await product.stop("worker")
                return loads, sessions, lags


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 50, 200])
    parser.add_argument("--tokens", type=int, default=250, help="tokens of each stream")
    parser.add_argument("--rate", type=float, default=50, help="tokens a second of each stream")
    parser.add_argument("--times", type=int, default=5, help="how often the console is opened")
    parser.add_argument("--json", type=Path, help="write the figures there too, one a line")
    arguments = parser.parse_args()
    subprocess.run([CHECKOUT / "scripts" / "console"], check=True)  # noqa: S603 - ours
    loads, sessions, lags = asyncio.run(
        run(arguments.streams, tokens=arguments.tokens, rate=arguments.rate, times=arguments.times)
    )
    console = Console()
    for title, figures in (("Opening the console", loads), ("A session", sessions), ("From worker to screen", lags)):
        table = Table(title=title, title_justify="left")
        for name in type(figures[0]).model_fields:
            table.add_column(name, justify="left" if name == "what" else "right")
        for figure in figures:
            table.add_row(*map(str, figure.model_dump().values()))
        console.print(table)
    anew, cached = sessions
    saved = 1 - cached.reads / anew.reads
    hits = 1 - (cached.reads - cached.unchanged) / anew.reads
    console.print(
        f"Caching saves {saved:.0%} of the reads and {1 - cached.kilobytes / anew.kilobytes:.0%} of the bytes;"
        f" {hits:.0%} of what pages ask for is answered from it."
    )
    if arguments.json:
        lines = [figure.model_dump_json() for figure in (*loads, *sessions, *lags)]
        arguments.json.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
