"""Proof of who calls: signed tokens, password hashes, API keys. No HTTP and no SQL here."""

import hashlib
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from perdure.domain.errors import SetupError, UnauthenticatedError, UnprocessableError
from perdure.domain.users import NewKey, User
from perdure.settings import Settings

_ALGORITHM = "HS256"
_ISSUER = "perdure"
_SECRET_FILE = "token-secret"  # noqa: S105 - the name of a file
_SHORTEST_SECRET = 32
_SHORTEST_PASSWORD, _LONGEST_PASSWORD = 8, 1024
_KEY_PREFIX = "pdr_"
_SHOWN_LETTERS = 12
# Clocks of two machines may differ by so much.
_LEEWAY = timedelta(seconds=5)


class TokenKind(StrEnum):
    """What a token is good for; one kind is never accepted as the other."""

    ACCESS = "access"
    REFRESH = "refresh"


class _Claims(BaseModel):
    model_config = ConfigDict(frozen=True)

    sub: str = Field(pattern=r"^[0-9]{1,18}$")


@dataclass(frozen=True)
class Tokens:
    """Makes and reads signed tokens."""

    secret: str
    access_seconds: int
    refresh_seconds: int

    @classmethod
    def of(cls, settings: Settings) -> "Tokens":
        """Build from the settings; makes the secret when there is none yet."""
        return cls(
            secret=load_secret(settings),
            access_seconds=settings.auth.access_token_seconds,
            refresh_seconds=settings.auth.refresh_token_seconds,
        )

    def issue(self, user_id: int, kind: TokenKind) -> str:
        """Sign a token for a user; how long it lives is a setting of its kind."""
        now = datetime.now(UTC)
        seconds = self.access_seconds if kind is TokenKind.ACCESS else self.refresh_seconds
        return jwt.encode(
            {
                "sub": str(user_id),
                "iss": _ISSUER,
                "aud": kind.value,
                "iat": now,
                "exp": now + timedelta(seconds=seconds),
                "jti": secrets.token_hex(8),
            },
            self.secret,
            algorithm=_ALGORITHM,
        )

    def read(self, token: str, kind: TokenKind) -> int:
        """Say whose token this is.

        Raises:
            UnauthenticatedError: it is not ours, of the other kind, or expired.
        """
        try:
            claims = jwt.decode(
                token,
                self.secret,
                algorithms=[_ALGORITHM],
                audience=kind.value,
                issuer=_ISSUER,
                leeway=_LEEWAY,
                options={"require": ["sub", "iss", "aud", "iat", "exp"]},
            )
            return int(_Claims.model_validate(claims).sub)
        except jwt.ExpiredSignatureError as error:
            raise UnauthenticatedError("The token has expired: log in again, or use the refresh token.") from error
        except (jwt.InvalidTokenError, ValidationError) as error:
            raise UnauthenticatedError("The token is not valid: log in again.") from error


def issue_token(settings: Settings, user: User) -> str:
    """Sign an access token for a user, as the command line does."""
    return Tokens.of(settings).issue(user.id, TokenKind.ACCESS)


def load_secret(settings: Settings) -> str:
    """Give the secret that signs tokens: the configured one, else the data folder's, made at its first use.

    Processes that start at once agree on one. Raises SetupError when it cannot be read or kept.
    """
    if settings.auth.secret is not None:
        return settings.auth.secret.get_secret_value()
    path = settings.data_dir.expanduser().resolve() / _SECRET_FILE
    try:
        secret = _read_or_make(path)
    except OSError as error:
        reason = error.strerror or "it cannot be written"
        raise SetupError(
            f"The secret for tokens cannot be kept in {path}: {reason}. Set PERDURE_AUTH__SECRET or PERDURE_DATA_DIR."
        ) from error
    if len(secret) < _SHORTEST_SECRET:
        raise SetupError(f"{path} holds no secret of {_SHORTEST_SECRET} letters: delete it, and a new one is made.")
    return secret


def _read_or_make(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written whole under another name, then linked: whoever links first wins, and nobody reads half a secret.
    with NamedTemporaryFile("w", dir=path.parent, prefix=".token-secret-", encoding="ascii") as draft:
        draft.write(secrets.token_urlsafe(48))
        draft.flush()
        os.fsync(draft.fileno())
        # Where another process was first, its secret is the one read below.
        with suppress(FileExistsError):
            os.link(draft.name, path)
    return path.read_text(encoding="ascii", errors="replace").strip()


class Passwords:
    """Hashes and checks passwords with argon2id. Each call takes some 50 ms of processor: run it in a thread."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()

    @cached_property
    def _nobody(self) -> str:
        """What is checked where there is no such user, so that both answers take the same time."""
        return self._hasher.hash(secrets.token_hex())

    def hash(self, password: str) -> str:
        """Hash a new password.

        Raises:
            UnprocessableError: it is shorter than 8 or longer than 1,024 letters.
        """
        if not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
            raise UnprocessableError(f"Choose a password of {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} letters.")
        return self._hasher.hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Say whether this is the password; always no where there is no hash, and as slowly."""
        if len(password) > _LONGEST_PASSWORD:
            return False
        # Made at the first check, whoever that is of.
        nobody = self._nobody
        try:
            self._hasher.verify(password_hash or nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None


def new_api_key() -> NewKey:
    """Make a key of 256 random bits. Why its SHA-256 is enough: docs/decisions/0005-api-keys-by-sha256.md."""
    key = f"{_KEY_PREFIX}{secrets.token_urlsafe(32)}"
    return NewKey(key=key, prefix=key[:_SHOWN_LETTERS], digest=key_digest(key))


def is_api_key(token: str) -> bool:
    """Say whether a bearer token looks like an API key, and not like a signed token."""
    return token.startswith(_KEY_PREFIX)


def key_digest(key: str) -> bytes:
    """Give what is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
