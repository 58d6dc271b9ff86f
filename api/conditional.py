"""Conditional requests (RFC 9110, 13): answers carry an `ETag`, `If-None-Match` saves the body, `If-Match` an edit."""

import re
from hashlib import blake2b
from typing import Any

from fastapi import Request, Response

from perdure.domain.errors import PreconditionFailedError

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "What `If-None-Match` names is current."}}
"""What the description of a route says of `json_answer`."""

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


def etag(body: bytes, version: int | None = None) -> str:
    """Tag a body; a flow's tag begins with its version.

    `If-Match` looks at that part alone, so that a run, which changes the counts shown with a flow, fails no edit.
    """
    digest = blake2b(body, digest_size=9).hexdigest()
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def json_answer(request: Request, body: bytes, *, version: int | None = None, location: str | None = None) -> Response:
    """Answer with JSON and its tag, or with 304 where the caller of a GET has it already."""
    tag = etag(body, version)
    headers = {"ETag": tag, **_HEADERS}
    if location is not None:
        headers["Location"] = location
    if request.method == "GET" and _names(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _names(header: str | None, tag: str) -> bool:
    if header is None:
        return False
    return header.strip() == "*" or tag.strip('"') in _TAG.findall(header)


class IfMatch:
    """The condition of a change, from the header `If-Match`; without one, everything passes."""

    def __init__(self, request: Request) -> None:
        self._headers = request.headers.getlist("if-match")

    def check(self, version: int) -> None:
        """Compare with the present version.

        A weak tag counts too, against the letter of the RFC: proxies that compress weaken our tags, and the version
        in it says exactly what the caller saw.

        Raises:
            PreconditionFailedError: none of the tags is of this version.
        """
        if not self._headers:
            return
        header = ", ".join(self._headers)
        if header.strip() == "*":
            return
        if str(version) in {tag.partition("-")[0] for tag in _TAG.findall(header)}:
            return
        raise PreconditionFailedError(
            "The flow has changed since you read it: read it again, then repeat your change on top of it."
        )
