"""The pages that show the API: they work on a machine that reaches no other."""

import re
from urllib.parse import urljoin

import httpx2
import pytest
from fastapi import FastAPI

from tests.api.callers import BASE_URL, Call

PAGES = {
    "/docs": {"/openapi.json", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"},
    "/redoc": {"/openapi.json", "/redoc/redoc.standalone.js"},
}
LOADED = re.compile(r"""(?:src|href|spec-url)="([^"]*)"|url: '([^']*)'""")


def loaded_by(page: str) -> set[str]:
    """The addresses that a page names, but for its empty icon."""
    return {script or description for script, description in LOADED.findall(page)} - {"data:,"}


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_names_no_other_host_and_what_it_loads_is_there(stranger: Call, path: str) -> None:
    page = await stranger.ask("GET", path)

    assert page.status_code == 200
    assert "//" not in re.sub(r"(?m)^\s*//.*$", "", page.text)
    assert loaded_by(page.text) == PAGES[path]
    for address in PAGES[path]:
        asset = await stranger.ask("GET", urljoin(path, address))
        assert asset.status_code == 200, address
        assert asset.content


async def test_redoc_finds_its_logo_beside_the_page(stranger: Call) -> None:
    script = (await stranger.ask("GET", "/redoc/redoc.standalone.js")).text

    assert 'window.location.pathname+"/logo-mini.svg"' in script
    assert "cdn." not in script
    assert (await stranger.ask("GET", "/redoc/logo-mini.svg")).headers["content-type"] == "image/svg+xml"


async def test_assets_are_asked_for_again_only_when_they_changed(stranger: Call) -> None:
    first = await stranger.ask("GET", "/docs/swagger-ui.css")
    again = await stranger.ask("GET", "/docs/swagger-ui.css", headers={"If-None-Match": first.headers["etag"]})

    assert again.status_code == 304


async def test_behind_a_proxy_that_adds_a_path_the_pages_load_from_under_it(app: FastAPI) -> None:
    transport = httpx2.ASGITransport(app, root_path="/perdure")
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        for path, addresses in PAGES.items():
            page = await client.get(f"/perdure{path}")
            assert loaded_by(page.text) == {f"/perdure{address}" for address in addresses}
            for address in addresses:
                assert (await client.get(f"/perdure{address}")).status_code == 200


@pytest.mark.parametrize("path", ["/docs/nothing.js", "/redoc/", "/docs/../app.py", "/docs/%2e%2e/%2e%2e/core.py"])
async def test_nothing_else_is_served(stranger: Call, path: str) -> None:
    await stranger.problem(404, "GET", path)


async def test_an_asset_cannot_be_written(stranger: Call) -> None:
    await stranger.problem(405, "POST", "/docs/swagger-ui.css")
