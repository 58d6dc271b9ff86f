"""The console at `/`: the files that `scripts/console` builds, or a page that says how to get them.

Its pages answer with one document, in which the browser's router shows what the address names.
"""

import mimetypes
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

BUILT = Path(__file__).resolve().parents[1] / "web" / "console" / "dist"
_NOT_FOUND = 404
_FIRST_PARTS = ("approvals", "audit", "chat", "dashboard", "executions", "flows", "keys", "knowledge")
_PAGES = ("/", *(path for part in _FIRST_PARTS for path in (f"/{part}", f"/{part}/{{rest:path}}")))
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Perdure</title>
<h1>The console is not built</h1>
<p>Install Node 20 or later, run <code>scripts/console</code> in the checkout and load this page again.
<p>The API is here: <a href="docs">its documentation</a>.
</html>
"""

router = APIRouter(include_in_schema=False)


async def show_console(request: Request) -> HTMLResponse:
    """Show the console. Browsers ask anew each time, since the page names the files of its build."""
    page = _folder(request) / "index.html"
    content = page.read_text() if page.is_file() else _NOT_BUILT
    return HTMLResponse(content, headers={**_HEADERS, "Cache-Control": "no-cache"})


for _path in _PAGES:
    router.add_api_route(_path, show_console)


@router.get("/assets/{name}")
async def send_console_file(name: str, request: Request) -> Response:
    """Send a file of the build. Its name changes with its content, so it is kept for ever."""
    folder = _folder(request) / "assets"
    if not folder.is_dir():
        raise HTTPException(_NOT_FOUND)
    files = StaticFiles(directory=folder)
    headers = {**_HEADERS, "Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", "") and (folder / f"{name}.gz").is_file():
        response = await files.get_response(f"{name}.gz", request.scope)
        headers |= {"Content-Encoding": "gzip", "Content-Type": f"{mimetypes.guess_type(name)[0]}; charset=utf-8"}
    else:
        response = await files.get_response(name, request.scope)
    response.headers.update(headers)
    return response


def _folder(request: Request) -> Path:
    """Say where this application's build lies."""
    folder: Path = request.app.state.console_folder
    return folder
