"""The console's addresses: its document at its pages, its files for ever, and nothing of it at the API's."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.api.callers import Call


@pytest.fixture
def built(tmp_path: Path, app: FastAPI) -> Iterator[Path]:
    """Where the API looks for a build: an empty place."""
    folder = tmp_path / "dist"
    before, app.state.console_folder = app.state.console_folder, folder
    yield folder
    app.state.console_folder = before


@pytest.mark.parametrize("path", ["/", "/flows/new", "/executions/1"])
async def test_a_page_is_the_document_of_the_build(stranger: Call, built: Path, path: str) -> None:
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("the console")
    page = await stranger.ask("GET", path)
    assert (page.status_code, page.text) == (200, "the console")
    assert page.headers["Cache-Control"] == "no-cache"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]


async def test_files_of_the_build_are_kept_for_ever_and_nothing_beside_them_is_sent(
    stranger: Call, built: Path
) -> None:
    (built / "assets").mkdir(parents=True)
    (built / "assets" / "index-1.js").write_text("1")
    script = await stranger.ask("GET", "/assets/index-1.js")
    assert script.status_code == 200
    assert "immutable" in script.headers["Cache-Control"]
    assert (await stranger.ask("GET", "/assets/none.js")).status_code == 404
    assert (await stranger.ask("GET", "/assets/..%2Findex.html")).status_code == 404


async def test_a_file_is_sent_compressed_where_that_is_taken_and_there(stranger: Call, built: Path) -> None:
    (built / "assets").mkdir(parents=True)
    (built / "assets" / "index-1.js").write_text("let one = 1;")
    (built / "assets" / "index-1.js.gz").write_bytes(gzip.compress(b"let one = 1;"))
    packed = await stranger.ask("GET", "/assets/index-1.js", headers={"Accept-Encoding": "gzip, br"})
    plain = await stranger.ask("GET", "/assets/index-1.js", headers={"Accept-Encoding": "identity"})
    assert (packed.text, plain.text) == ("let one = 1;", "let one = 1;")
    assert (packed.headers.get("Content-Encoding"), plain.headers.get("Content-Encoding")) == ("gzip", None)
    assert packed.headers["Content-Type"] == plain.headers["Content-Type"]
    assert all("Accept-Encoding" in each.headers["Vary"] for each in (packed, plain))
    assert "immutable" in packed.headers["Cache-Control"]


@pytest.mark.usefixtures("built")
async def test_without_a_build_the_page_says_how_to_get_one(stranger: Call) -> None:
    page = await stranger.ask("GET", "/")
    assert page.status_code == 200
    assert "scripts/console" in page.text
    assert (await stranger.ask("GET", "/assets/index-1.js")).status_code == 404


@pytest.mark.parametrize("path", ["/api/none", "/v1/none", "/health/none", "/none"])
async def test_other_addresses_are_not_the_console(stranger: Call, path: str) -> None:
    answer = await stranger.ask("GET", path)
    assert answer.status_code == 404
    assert "text/html" not in answer.headers["Content-Type"]
