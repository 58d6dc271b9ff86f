"""The pages that show the API, `/docs` (Swagger UI) and `/redoc`, with every file served from here.

FastAPI's own pages load theirs from a CDN, and stay blank where there is none.
"""

from importlib.resources import files

from fastapi import APIRouter
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

_SWAGGER_UI = "/docs"
_REDOC = "/redoc"
_OPENAPI = "/openapi.json"
_NO_ICON = "data:,"
"""Keeps browsers from asking for one."""
_SWAGGER_UI_PARAMETERS = {"persistAuthorization": True, "validatorUrl": None}
"""Tokens outlive a reload of the page; no description is sent to swagger.io to be checked."""
# The package is used for the files that it carries.
_FILES = files("fastapi_standalone_docs") / "static"
_SWAGGER_UI_FILES = StaticFiles(directory=str(_FILES / "swagger"))
_REDOC_FILES = StaticFiles(directory=str(_FILES / "redoc"))

router = APIRouter(include_in_schema=False)


@router.get(_SWAGGER_UI)
async def show_swagger_ui(request: Request) -> HTMLResponse:
    """Show the API with a form for each call."""
    root = _root(request)
    return get_swagger_ui_html(
        openapi_url=f"{root}{_OPENAPI}",
        title="Perdure: API",
        swagger_js_url=f"{root}{_SWAGGER_UI}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{_SWAGGER_UI}/swagger-ui.css",
        swagger_favicon_url=_NO_ICON,
        swagger_ui_parameters=_SWAGGER_UI_PARAMETERS,
    )


@router.get(_REDOC)
async def show_redoc(request: Request) -> HTMLResponse:
    """Show the API as a page to read."""
    root = _root(request)
    return get_redoc_html(
        openapi_url=f"{root}{_OPENAPI}",
        title="Perdure: API",
        redoc_js_url=f"{root}{_REDOC}/redoc.standalone.js",
        redoc_favicon_url=_NO_ICON,
        with_google_fonts=False,
    )


@router.get(f"{_SWAGGER_UI}/{{name}}")
async def send_swagger_ui_file(name: str, request: Request) -> Response:
    """Send a file that Swagger UI loads."""
    return await _SWAGGER_UI_FILES.get_response(name, request.scope)


@router.get(f"{_REDOC}/{{name}}")
async def send_redoc_file(name: str, request: Request) -> Response:
    """Send a file that ReDoc loads; it looks for its logo beside the page."""
    return await _REDOC_FILES.get_response(name, request.scope)


def _root(request: Request) -> str:
    """Say under which path a proxy shows the API, if under any."""
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/")
