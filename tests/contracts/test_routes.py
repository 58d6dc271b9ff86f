"""The API's routes as a whole."""

import re
from collections import Counter

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import compile_path

from api import console
from scripts.openapi import build_app


@pytest.fixture(scope="module")
async def app() -> FastAPI:
    return await build_app()


@pytest.fixture(scope="module")
def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of every route, in the order in which they are tried."""
    return [
        (method, context.path)
        for context in iter_route_contexts(app.routes)
        for method in sorted(context.methods or ())
        if context.path is not None
    ]


def test_no_route_is_there_twice(routes: list[tuple[str, str]]) -> None:
    count = Counter((method, re.sub(r"\{\w+(:\w+)?\}", "{}", path)) for method, path in routes)

    assert len(routes) > 20
    assert [route for route, times in count.items() if times > 1] == []


def test_no_route_is_hidden_by_one_before_it(routes: list[tuple[str, str]]) -> None:
    hidden = [
        f"{method} {path} by {earlier}"
        for position, (method, path) in enumerate(routes)
        for earlier_method, earlier in routes[:position]
        if earlier_method == method and _matches(earlier, re.sub(r"\{\w+(:\w+)?\}", "1", path))
    ]

    assert hidden == []


def _matches(route: str, path: str) -> bool:
    pattern, _, _ = compile_path(route)
    return pattern.match(path) is not None


def test_every_route_is_documented(app: FastAPI, routes: list[tuple[str, str]]) -> None:
    paths: dict[str, dict[str, object]] = app.openapi()["paths"]
    documented = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    pages = {"/openapi.json", "/docs", "/docs/{name}", "/redoc", "/redoc/{name}", "/problems/{name}"}
    pages |= {route.path for route in console.router.routes if isinstance(route, APIRoute)}

    # The document names a parameter without saying that it may hold slashes.
    served = {(method, path.replace(":path}", "}")) for method, path in routes if path not in pages}
    assert documented == served
