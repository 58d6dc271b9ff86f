"""Who calls: from a bearer token to a user, with as few queries as safety allows."""

from datetime import UTC, datetime
from typing import Annotated

from cachetools import TTLCache
from fastapi import Depends, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, OAuth2PasswordBearer
from starlette.requests import HTTPConnection

from perdure.auth import TokenKind, Tokens, is_api_key, key_digest
from perdure.domain.audit import called_from
from perdure.domain.errors import UnauthenticatedError
from perdure.domain.users import Origin, User
from perdure.settings import Settings
from perdure.storage.engine import Single
from perdure.storage.users import get_user, use_api_key

_REMEMBERED = 10_000
_LONGEST_TOKEN = 4096
REMEMBERED_SECONDS = 10
"""A user who was shut out, or a key deleted through another process, is noticed within so many seconds."""


class Authenticator:
    """Tells who a token belongs to. One per process; it remembers users for some seconds."""

    def __init__(self, settings: Settings, reader: Single) -> None:
        self.tokens = Tokens.of(settings)
        self._reader = reader
        self._users = TTLCache[int, User | None, float](_REMEMBERED, REMEMBERED_SECONDS)
        self._keys = TTLCache[bytes, tuple[User, datetime | None] | None, float](_REMEMBERED, REMEMBERED_SECONDS)

    async def user_of(self, token: str) -> User:
        """Give the user of an access token or an API key.

        Raises:
            UnauthenticatedError: the token is not valid (any more), or its user is shut out.
        """
        if len(token) > _LONGEST_TOKEN:
            raise _refused()
        if is_api_key(token):
            user = await self._user_of_key(key_digest(token))
        else:
            user = await self._user_by_id(self.tokens.read(token, TokenKind.ACCESS))
        if user is None or not user.is_active:
            raise _refused()
        return user

    async def user_of_refresh(self, token: str) -> User:
        """Give the user of a refresh token, read from the database.

        Raises:
            UnauthenticatedError: the token is not valid (any more), or its user is shut out.
        """
        user_id = self.tokens.read(token, TokenKind.REFRESH)
        async with self._reader.connect() as connection:
            user = await get_user(connection, user_id)
        if user is None or not user.is_active:
            raise _refused()
        return user

    def forget_key(self, digest: bytes) -> None:
        """Let go of a key that was deleted, so that it is refused at once."""
        self._keys.pop(digest, None)

    def forget_users(self) -> None:
        """Let go of all that is remembered, so that the next call of each asks the database."""
        self._users.clear()
        self._keys.clear()

    async def _user_by_id(self, user_id: int) -> User | None:
        if user_id in self._users:
            return self._users[user_id]
        async with self._reader.connect() as connection:
            user = await get_user(connection, user_id)
        self._users[user_id] = user
        return user

    async def _user_of_key(self, digest: bytes) -> User | None:
        if digest in self._keys:
            found = self._keys[digest]
        else:
            async with self._reader.connect() as connection:
                found = await use_api_key(connection, digest)
            self._keys[digest] = found
        if found is None:
            return None
        user, expires_at = found
        return None if expires_at is not None and expires_at <= datetime.now(UTC) else user


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError("The token is not valid: log in again.")


async def get_authenticator(connection: HTTPConnection) -> Authenticator:
    """Give this process's authenticator."""
    authenticator: Authenticator = connection.app.state.authenticator
    return authenticator


AuthenticatorDep = Annotated[Authenticator, Depends(get_authenticator)]

_password = OAuth2PasswordBearer(
    tokenUrl="/api/auth/login",
    refreshUrl="/api/auth/refresh",
    scheme_name="Login",
    description="Log in with address and password.",
    auto_error=False,
)
_bearer = HTTPBearer(
    scheme_name="Token", description="An API key (`pdr_…`), or what `perdure token` prints.", auto_error=False
)


async def current_user(
    authenticator: AuthenticatorDep,
    token: Annotated[str | None, Depends(_password)],
    _documented: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> User:
    """Give the caller.

    Raises:
        UnauthenticatedError: there is no token, or it is not valid.
    """
    if not token:
        raise UnauthenticatedError("Send a token: `Authorization: Bearer TOKEN`.")
    return await authenticator.user_of(token)


Caller = Annotated[User, Depends(current_user)]
"""The user who calls; a route that takes it answers 401 without a valid token."""


async def watching_user(
    authenticator: AuthenticatorDep,
    header: Annotated[str | None, Depends(_password)],
    _documented: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    token: Annotated[
        str | None, Query(description="The token, for a browser's `EventSource`, which sends no headers.")
    ] = None,
) -> User:
    """Give the caller of an event stream.

    Raises:
        UnauthenticatedError: there is no token in header or query, or it is not valid.
    """
    return await current_user(authenticator, header or token, None)


Watcher = Annotated[User, Depends(watching_user)]
"""The user who calls, by a token in the header or in the query."""


async def origin_of(caller: Caller) -> Origin:
    """Say who asks, from where and with what, as the events of a change keep it."""
    return Origin(user_id=caller.id, metadata=called_from() or {"source": "api"})


OriginDep = Annotated[Origin, Depends(origin_of)]
