"""`/api/auth`: log in, stay logged in, and keys for programs."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.bodies import StrictJsonRoute
from api.deps import AuthenticatorDep, Caller, OriginDep, ReaderDep, RuntimeDep
from api.login_guard import LoginGuard
from api.problems import problems
from perdure.auth import Passwords, TokenKind, Tokens, new_api_key
from perdure.domain.audit import NOBODY, Deed
from perdure.domain.errors import (
    BadRequestError,
    FieldProblem,
    UnauthenticatedError,
    UnprocessableError,
    UnsupportedMediaTypeError,
)
from perdure.domain.users import ApiKey, User
from perdure.storage import users
from perdure.storage.audit import note

router = APIRouter(prefix="/api/auth", tags=["auth"], route_class=StrictJsonRoute)

_AT_ONCE = 2
_NO_STORE = "no-store"
_LONGEST_ADDRESS = 320


class TokenPair(BaseModel):
    """Tokens of a user."""

    model_config = ConfigDict(frozen=True)

    access_token: str = Field(description="For `Authorization: Bearer`.")
    refresh_token: str = Field(description="For `/api/auth/refresh` alone.")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - OAuth's word
    expires_in: int = Field(description="Seconds that the access token lives.")


class RefreshRequest(BaseModel):
    """What to stay logged in with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    refresh_token: str = Field(max_length=4096)


class NewApiKey(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [{"name": "nightly import"}]})

    name: str = Field(min_length=1, max_length=100, pattern=r"\S")
    expires_at: AwareDatetime | None = Field(default=None, description="Unset: it lives until it is deleted.")


class MadeApiKey(ApiKey):
    """A key that was just made."""

    key: str = Field(description="The key itself: it is shown this once, and kept as a hash.")


class ApiKeyList(BaseModel):
    """The caller's keys, newest first."""

    api_keys: list[ApiKey]
    total: int


class Deleted(BaseModel):
    """What was deleted."""

    success: Literal[True] = True
    id: UUID


class LoginDesk:
    """Checks passwords beside the event loop, two at a time: each takes processor and 64 MiB."""

    def __init__(self) -> None:
        self.guard = LoginGuard()
        self._passwords = Passwords()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Say whether this is the password."""
        async with self._places:
            return await asyncio.to_thread(self._passwords.verify, password_hash, password)


async def _desk(request: Request) -> LoginDesk:
    desk: LoginDesk = request.app.state.login_desk
    return desk


async def _form_only(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        raise UnsupportedMediaTypeError("Send `username` and `password` as a form.")


def _login(user: User | None, address: str, *, succeeded: bool) -> Deed:
    return Deed(
        event_type="LoginSucceeded" if succeeded else "LoginFailed",
        aggregate_type="User",
        aggregate_id=str(user.id) if user else "unknown",
        tenant_id=user.id if user else NOBODY,
        # Who failed to log in is anybody.
        user_id=user.id if user and succeeded else None,
        data={"email": address[:_LONGEST_ADDRESS]},
    )


def _pair(tokens: Tokens, user: User) -> TokenPair:
    return TokenPair(
        access_token=tokens.issue(user.id, TokenKind.ACCESS),
        refresh_token=tokens.issue(user.id, TokenKind.REFRESH),
        expires_in=tokens.access_seconds,
    )


@router.post(
    "/login", operation_id="login", dependencies=[Depends(_form_only)], responses=problems(400, 401, 413, 415, 422, 429)
)
async def login(
    request: Request,
    response: Response,
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    reader: ReaderDep,
    authenticator: AuthenticatorDep,
    desk: Annotated[LoginDesk, Depends(_desk)],
) -> TokenPair:
    """Exchange address and password for tokens (the OAuth2 password form; `username` is the email address)."""
    if "\0" in form.username:
        raise BadRequestError("The user name holds a NUL character: take it out.")
    address = request.client.host if request.client else "unknown"
    desk.guard.begin(form.username, address)
    async with reader.connect() as connection:
        found = await users.find_login(connection, form.username)
    user, password_hash = found or (None, None)
    known = await desk.verify(password_hash, form.password)
    succeeded = user is not None and known and user.is_active
    async with reader.connect() as connection:
        await note(connection, _login(user, form.username, succeeded=succeeded))
    if user is None or not succeeded:
        raise UnauthenticatedError("The email address or the password is not right.")
    desk.guard.succeed(form.username, address)
    response.headers["Cache-Control"] = _NO_STORE
    return _pair(authenticator.tokens, user)


@router.post("/refresh", operation_id="refreshTokens", responses=problems(400, 401, 413, 415, 422, 503))
async def refresh(body: RefreshRequest, response: Response, authenticator: AuthenticatorDep) -> TokenPair:
    """Exchange a refresh token for a new pair."""
    user = await authenticator.user_of_refresh(body.refresh_token)
    response.headers["Cache-Control"] = _NO_STORE
    return _pair(authenticator.tokens, user)


@router.get("/me", operation_id="getMe", responses=problems(401, 503))
async def me(caller: Caller) -> User:
    """Say who calls."""
    return caller


@router.post("/api-keys", operation_id="createApiKey", responses=problems(400, 401, 409, 413, 415, 422, 503))
async def create_api_key(body: NewApiKey, response: Response, origin: OriginDep, runtime: RuntimeDep) -> MadeApiKey:
    """Make a key for a program of the caller's; it may do what the caller may."""
    if body.expires_at is not None and body.expires_at <= datetime.now(UTC):
        problem = FieldProblem(loc=["body", "expires_at"], msg="This moment is past already.")
        raise UnprocessableError("expires_at: This moment is past already.", errors=[problem])
    made = new_api_key()
    async with runtime.sessions.begin() as session:
        kept = await users.add_api_key(session, origin, made, name=body.name, expires_at=body.expires_at)
    response.headers["Cache-Control"] = _NO_STORE
    response.headers["Location"] = f"/api/auth/api-keys/{kept.id}"
    return MadeApiKey(key=made.key, **kept.model_dump())


@router.get("/api-keys", operation_id="listApiKeys", responses=problems(401, 503))
async def list_api_keys(caller: Caller, reader: ReaderDep) -> ApiKeyList:
    """List the caller's keys, newest first; the keys themselves are not kept."""
    async with reader.connect() as connection:
        keys = await users.list_api_keys(connection, caller.id)
    return ApiKeyList(api_keys=keys, total=len(keys))


@router.delete("/api-keys/{api_key_id}", operation_id="deleteApiKey", responses=problems(401, 404, 503))
async def delete_api_key(
    api_key_id: UUID, origin: OriginDep, runtime: RuntimeDep, authenticator: AuthenticatorDep
) -> Deleted:
    """Delete one of the caller's keys; other processes of the API notice within 10 s."""
    async with runtime.sessions.begin() as session:
        digest = await users.delete_api_key(session, origin, api_key_id)
    authenticator.forget_key(digest)
    return Deleted(id=api_key_id)
