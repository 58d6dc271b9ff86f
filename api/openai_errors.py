"""Errors in OpenAI's shape, `{"error": {message, type, param, code}}`: what clients of `/v1` read.

The statuses are those of the other paths, but for 422, which OpenAI has as 400.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from perdure.domain.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    PerdureError,
    TooLargeError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnavailableError,
    UnprocessableError,
)

PREFIX = "/v1/"
_INVALID, _SERVER = "invalid_request_error", "server_error"
_TYPES_AND_CODES: dict[type[PerdureError], tuple[str, str | None]] = {
    UnauthenticatedError: (_INVALID, "invalid_api_key"),
    ForbiddenError: (_INVALID, "forbidden"),
    NotFoundError: (_INVALID, "not_found"),
    ConflictError: (_INVALID, "conflict"),
    TooLargeError: (_INVALID, "request_too_large"),
    TooManyRequestsError: ("rate_limit_error", "rate_limit_exceeded"),
    UnavailableError: (_SERVER, "service_unavailable"),
}


class ErrorBody(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(frozen=True)

    message: str = Field(description="One sentence that says what to do.")
    type: str
    param: str | None = Field(default=None, description="The field that is wrong.")
    code: str | None = None


class ErrorAnswer(BaseModel):
    """An error as OpenAI's clients read it."""

    model_config = ConfigDict(frozen=True)

    error: ErrorBody


class ModelNotFoundError(NotFoundError):
    """No flow of this id or name is the caller's to run."""

    def __init__(self, model: str) -> None:
        super().__init__(f"The model '{model[:100]}' does not exist or is not yours to run: see GET /v1/models.")


class RefusedParameterError(BadRequestError):
    """The request asks for what a flow cannot do here."""

    def __init__(self, param: str, detail: str, code: str = "unsupported_parameter") -> None:
        super().__init__(detail)
        self.param = param
        self.code = code


class RunFailedError(PerdureError):
    """The flow ran and gave no answer."""

    status = 502
    title = "Run failed"


class RunCancelledError(ConflictError):
    """The run was cancelled before it gave an answer."""


def answer_of(error: PerdureError) -> ErrorAnswer:
    """Say an error in OpenAI's words."""
    return ErrorAnswer(error=_body(error))


def _body(error: PerdureError) -> ErrorBody:
    if isinstance(error, RefusedParameterError):
        return ErrorBody(message=error.detail, type=_INVALID, param=error.param, code=error.code)
    if isinstance(error, ModelNotFoundError):
        return ErrorBody(message=error.detail, type=_INVALID, param="model", code="model_not_found")
    if isinstance(error, RunFailedError):
        return ErrorBody(message=error.detail, type=_SERVER, code="run_failed")
    if isinstance(error, RunCancelledError):
        return ErrorBody(message=error.detail, type=_INVALID, code="run_cancelled")
    kind, code = _TYPES_AND_CODES.get(
        type(error), (_INVALID if error.status < RunFailedError.status else _SERVER, None)
    )
    if type(error) is PerdureError:
        kind = _SERVER
    # FastAPI's places begin with where the field stands: body, query, header.
    param = ".".join(str(part) for part in error.errors[0].loc[1:]) if error.errors else ""
    return ErrorBody(message=error.detail, type=kind, param=param or None, code=code)


def render(error: PerdureError) -> Response:
    """Write an error as the answer to a call of `/v1`."""
    status = BadRequestError.status if isinstance(error, UnprocessableError) else error.status
    response = Response(answer_of(error).model_dump_json(), status_code=status, media_type="application/json")
    if isinstance(error, ConflictError | RunFailedError):
        # OpenAI's clients try 409 and 5xx again: the first changes nothing, the second would pay the run once more.
        response.headers["x-should-retry"] = "false"
    return response


def documented(*kinds: type[PerdureError]) -> dict[int | str, dict[str, Any]]:
    """Document the errors of a route."""
    return {status: {"model": ErrorAnswer, "description": text} for status, text in _described(kinds)}


def _described(kinds: Iterable[type[PerdureError]]) -> Iterable[tuple[int, str]]:
    return ((kind.status, (kind.__doc__ or kind.title).strip()) for kind in kinds)
