"""Errors that callers cause or must act on. Each carries its HTTP status and a sentence that says what to do.

PerdureError
├── BadRequestError 400        ├── ConflictError 409            ├── UnprocessableError 422
├── UnauthenticatedError 401   ├── PreconditionFailedError 412  ├── TooManyRequestsError 429
├── ForbiddenError 403         ├── TooLargeError 413            └── UnavailableError 503
├── NotFoundError 404          ├── UnsupportedMediaTypeError 415
└── SetupError (command line only: what is configured cannot work)

One handler (`api/problems.py`) renders them as `application/problem+json`; the command line prints their detail.
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class FieldProblem(BaseModel):
    """One field that does not validate: where it is, and what is wrong with it."""

    model_config = ConfigDict(frozen=True)

    loc: list[str | int]
    msg: str


class PerdureError(Exception):
    """A failure with advice. `detail` is one sentence for the person who can act on it; it never holds a secret."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, *, errors: Sequence[FieldProblem] = (), retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after
        """Seconds to wait before trying again, sent as `Retry-After`."""


class BadRequestError(PerdureError):
    """The request cannot be read at all."""

    status = 400
    title = "Bad request"


class UnauthenticatedError(PerdureError):
    """No token, or one that is not valid."""

    status = 401
    title = "Not authenticated"


class ForbiddenError(PerdureError):
    """The caller is known but may not do this."""

    status = 403
    title = "Not allowed"


class NotFoundError(PerdureError):
    """There is no such thing, or it is not the caller's: the two are never told apart."""

    status = 404
    title = "Not found"


class ConflictError(PerdureError):
    """The thing is in a state that does not allow this, or it exists already."""

    status = 409
    title = "Conflict"


class PreconditionFailedError(PerdureError):
    """`If-Match` names another version than the current one."""

    status = 412
    title = "Precondition failed"


class TooLargeError(PerdureError):
    """The body is larger than `PERDURE_API__MAX_BODY_BYTES`, or for an upload `PERDURE_API__MAX_UPLOAD_BYTES`."""

    status = 413
    title = "Too large"


class UnsupportedMediaTypeError(PerdureError):
    """The body is not of a type that this call reads."""

    status = 415
    title = "Unsupported media type"


class UnprocessableError(PerdureError):
    """The body or the query was read but does not validate; `errors` names the fields."""

    status = 422
    title = "Does not validate"


class TooManyRequestsError(PerdureError):
    """A quota is used up; `retry_after` says when to come back."""

    status = 429
    title = "Too many requests"


class UnavailableError(PerdureError):
    """The database or Temporal does not answer."""

    status = 503
    title = "Service unavailable"


class SetupError(PerdureError):
    """What is configured cannot work; `detail` names the setting to change."""

    title = "Set-up"
