"""Errors as `application/problem+json` (RFC 9457), from this one place: business errors, FastAPI's, the drivers'.

No answer carries a class name, SQL, a stack or what was sent.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

from asyncpg import PostgresError
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import ErrorDetails
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from temporalio.service import RPCError, RPCStatusCode

from api import openai_errors
from api.bodies import ProblemException
from perdure.domain.errors import (
    BadRequestError,
    ConflictError,
    FieldProblem,
    ForbiddenError,
    NotFoundError,
    PerdureError,
    PreconditionFailedError,
    TooLargeError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnavailableError,
    UnprocessableError,
    UnsupportedMediaTypeError,
)
from perdure.domain.validation import does_not_validate, field_problems
from perdure.storage.outages import is_outage

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_INTERNAL = 500
_RETRY_AFTER_SECONDS = 5
_WHAT_WENT_WRONG = "Something went wrong on our side. Tell the operator this number, which is in the log too: {}."
_PASSING_CODES = frozenset(
    {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED}
)


class MethodNotAllowedError(PerdureError):
    """The path exists, but not for this method; `Allow` says for which."""

    status = 405
    title = "Method not allowed"


KINDS: tuple[type[PerdureError], ...] = (
    BadRequestError,
    UnauthenticatedError,
    ForbiddenError,
    NotFoundError,
    MethodNotAllowedError,
    ConflictError,
    PreconditionFailedError,
    TooLargeError,
    UnsupportedMediaTypeError,
    UnprocessableError,
    TooManyRequestsError,
    UnavailableError,
)
_BY_STATUS = {kind.status: kind for kind in KINDS}


class Problem(BaseModel):
    """What went wrong, and what to do."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="Which problem this is; the address tells more.")
    title: str
    status: int
    detail: str = Field(description="One sentence that says what to do.")
    instance: str = Field(description="The path that was called.")
    errors: list[FieldProblem] | None = Field(default=None, description="The fields that do not validate.")


def type_of(kind: type[PerdureError]) -> str:
    """Give the stable reference of a kind of problem; `GET` on it explains it."""
    return f"/problems/{kind.title.lower().replace(' ', '-')}"


def render(error: PerdureError, path: str) -> Response:
    """Write an error as the answer to a call of this path."""
    if path.startswith(openai_errors.PREFIX):
        response = openai_errors.render(error)
        _add_headers(response.headers, error)
        return response
    problem = Problem(
        type=type_of(type(error)),
        title=error.title,
        status=error.status,
        detail=error.detail,
        instance=path,
        errors=list(error.errors) or None,
    )
    response = Response(problem.model_dump_json(exclude_none=True), status_code=error.status, media_type=MEDIA_TYPE)
    _add_headers(response.headers, error)
    return response


def _add_headers(headers: MutableHeaders, error: PerdureError) -> None:
    retry_after = error.retry_after
    if retry_after is None and isinstance(error, UnavailableError):
        retry_after = _RETRY_AFTER_SECONDS
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = "Bearer"


def render_unexpected(error_id: str, path: str) -> Response:
    """Write the answer to a call that failed as nobody foresaw; the log tells the rest under this id."""
    return render(PerdureError(_WHAT_WENT_WRONG.format(error_id)), path)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the errors of a route by their status, with an example of each."""
    return {status: _documented(_BY_STATUS[status]) for status in sorted(statuses)}


def _documented(kind: type[PerdureError]) -> dict[str, Any]:
    description = (kind.__doc__ or kind.title).strip()
    example: dict[str, object] = {
        "type": type_of(kind),
        "title": kind.title,
        "status": kind.status,
        "detail": description,
        "instance": "/api/agent-builder/flows",
    }
    if kind is UnprocessableError:
        example["detail"] = "name: This field is required."
        example["errors"] = [{"loc": ["body", "name"], "msg": "This field is required."}]
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}
    return {"description": description, "content": content}


def install(app: FastAPI) -> None:
    """Let every error of the application be answered from here."""

    async def on_http_exception(request: Request, exc: Exception) -> Response:
        return _of_http_exception(app.routes, request, cast("HTTPException", exc))

    for kind, handler in {
        PerdureError: _on_perdure_error,
        HTTPException: on_http_exception,
        RequestValidationError: _on_validation,
        PoolTimeoutError: _on_lost_part,
        DBAPIError: _on_database_error,
        # Raised as they are while a connection is made. The only files the API reads while it answers are the pages'
        # own, whose errors `StaticFiles` answers, so that an operating system's error here is a connection's.
        PostgresError: _on_database_error,
        OSError: _on_lost_part,
        RPCError: _on_rpc_error,
    }.items():
        app.add_exception_handler(kind, handler)


async def _on_perdure_error(request: Request, exc: Exception) -> Response:
    error = cast("PerdureError", exc)
    if error.status == _INTERNAL:
        raise error
    return render(error, request.url.path)


def _of_http_exception(routes: Sequence[BaseRoute], request: Request, exc: HTTPException) -> Response:
    path = request.url.path
    if isinstance(exc, ProblemException):
        return render(exc.problem, path)
    if exc.status_code == MethodNotAllowedError.status:
        allowed = ", ".join(method for method in _METHODS if _is_served(routes, request.scope, method))
        response = render(MethodNotAllowedError(f"This path takes {allowed}."), path)
        response.headers["Allow"] = allowed
        return response
    if exc.status_code == NotFoundError.status:
        return render(NotFoundError("There is nothing at this address: check the path."), path)
    kind = _BY_STATUS.get(exc.status_code)
    if kind is None:
        raise exc
    return render(kind(exc.detail), path)


def _is_served(routes: Sequence[BaseRoute], scope: Mapping[str, Any], method: str) -> bool:
    return any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)


async def _on_validation(request: Request, exc: Exception) -> Response:
    found = cast("Sequence[ErrorDetails]", cast("RequestValidationError", exc).errors())
    places = {detail["loc"][0] for detail in found if detail["loc"]}
    path = request.url.path
    if "path" in places:
        # An id that cannot be one names nothing.
        return render(NotFoundError("There is no such thing, or it is not yours: check the id."), path)
    if any(detail["loc"] == ("body",) and isinstance(detail["input"], bytes) for detail in found):
        return render(UnsupportedMediaTypeError("Send the body as JSON, with `Content-Type: application/json`."), path)
    return render(does_not_validate(field_problems(found)), path)


async def _on_database_error(request: Request, exc: Exception) -> Response:
    if not is_outage(exc):
        raise exc
    return await _on_lost_part(request, exc)


async def _on_lost_part(request: Request, exc: Exception) -> Response:
    _log.warning("The database does not answer: %s", exc)
    return render(UnavailableError("The database does not answer just now: try again."), request.url.path)


async def _on_rpc_error(request: Request, exc: Exception) -> Response:
    error = cast("RPCError", exc)
    if error.status not in _PASSING_CODES:
        raise exc
    _log.warning("Temporal does not answer: %s", error.message)
    return render(UnavailableError("Temporal does not answer just now: try again."), request.url.path)


router = APIRouter(tags=["problems"], include_in_schema=False)


@router.get("/problems/{name}")
async def explain_problem(name: str) -> dict[str, str | int]:
    """Say what a problem's `type` means."""
    for kind in KINDS:
        if type_of(kind) == f"/problems/{name}":
            return {"title": kind.title, "status": kind.status, "meaning": (kind.__doc__ or "").strip()}
    raise NotFoundError("There is no such kind of problem.")
