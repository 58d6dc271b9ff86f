"""JSON bodies, read strictly: what PostgreSQL or another JSON reader could not take is refused here, with its place."""

import re
from collections.abc import Callable, Coroutine, Iterator
from math import isfinite
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import JsonValue
from pydantic_core import from_json
from starlette.exceptions import HTTPException

from perdure.domain.errors import BadRequestError, FieldProblem, PerdureError
from perdure.domain.validation import does_not_validate

# Only a body with one of these can hold a NUL, a number beyond 64 bits or one that overflows a float.
_SUSPICIOUS = re.compile(rb"\\u0000|[0-9]{19}|[eE]\+?[0-9]{3}")
_LARGEST = 2**63 - 1
_DEEPEST = 100


class ProblemException(HTTPException):
    """Carries a problem through FastAPI's reading of the body, which lets nothing but HTTP exceptions pass."""

    def __init__(self, problem: PerdureError) -> None:
        super().__init__(problem.status, problem.detail)
        self.problem = problem


class StrictRequest(Request):
    """A request whose JSON is UTF-8 without NaN, without NULs, of numbers that fit, and not too deep."""

    async def json(self) -> JsonValue:
        """Read the body.

        Raises:
            ProblemException: 400 when it is no JSON, 422 when it holds what cannot be kept.
        """
        body = await self.body()
        try:
            value: JsonValue = from_json(body, allow_inf_nan=False, cache_strings="keys")
        except ValueError as error:
            raise ProblemException(BadRequestError("The body is not JSON in UTF-8: check its syntax.")) from error
        if _nested_deeper(body, _DEEPEST) or _SUSPICIOUS.search(body) is not None:
            problems = list(_unkeepable(value, ("body",)))
            if problems:
                raise ProblemException(does_not_validate(problems))
        return value


class StrictJsonRoute(APIRoute):
    """The class of every route of this API: `APIRouter(route_class=StrictJsonRoute)`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Hand the endpoint a strict request."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly


def _nested_deeper(body: bytes, depth: int) -> bool:
    """Whether it could be: there are so many brackets that open."""
    return body.count(b"[") + body.count(b"{") > depth


def _unkeepable(value: JsonValue, loc: tuple[str | int, ...]) -> Iterator[FieldProblem]:
    if len(loc) > _DEEPEST:
        yield FieldProblem(loc=list(loc[:3]), msg=f"This is nested deeper than {_DEEPEST} levels.")
    elif isinstance(value, dict):
        for key, item in value.items():
            if "\0" in key:
                yield FieldProblem(loc=list(loc), msg="A key here holds a NUL character: take it out.")
            yield from _unkeepable(item, (*loc, key[:100]))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _unkeepable(item, (*loc, place))
    else:
        complaint = _complaint(value)
        if complaint is not None:
            yield FieldProblem(loc=list(loc), msg=complaint)


def _complaint(value: str | float | None) -> str | None:
    if isinstance(value, str):
        return "This holds a NUL character: take it out." if "\0" in value else None
    if isinstance(value, float):
        return None if isfinite(value) else "This number is too large."
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "This number does not fit into 64 bits: send it as a string."
    return None
