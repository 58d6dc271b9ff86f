"""Users and their API keys in PostgreSQL. What happens to a user is written as an event of that user."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from pydantic import JsonValue
from sqlalchemy import Row, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.audit import Deed
from perdure.domain.errors import ConflictError, NotFoundError
from perdure.domain.events import Event
from perdure.domain.users import ApiKey, NewKey, Origin, User, normal_email
from perdure.storage.audit import note
from perdure.storage.events import append, next_version
from perdure.storage.tables import ApiKeyRow, UserRow

_USER_COLUMNS = (UserRow.id, UserRow.email, UserRow.is_active, UserRow.created_at)
_KEY_COLUMNS = (
    ApiKeyRow.id,
    ApiKeyRow.name,
    ApiKeyRow.prefix,
    ApiKeyRow.created_at,
    ApiKeyRow.expires_at,
    ApiKeyRow.last_used_at,
)
_MOST_KEYS = 100


def _user(row: Row[int, str, bool, datetime]) -> User:
    return User(id=row.id, email=row.email, is_active=row.is_active, created_at=row.created_at)


async def ensure_user(session: AsyncSession, email: str) -> User:
    """Find the user with this address, or make one without a password.

    Raises:
        UnprocessableError: this is no address.
    """
    address = normal_email(email)
    made = await session.execute(
        upsert(UserRow).values(email=address).on_conflict_do_nothing().returning(*_USER_COLUMNS)
    )
    row = made.one_or_none()
    if row is not None:
        user = _user(row)
        await _record(session, "UserCreated", user.id, {"email": user.email})
        return user
    found = await session.execute(select(*_USER_COLUMNS).where(UserRow.email == address))
    return _user(found.one())


async def get_user(connection: AsyncConnection | AsyncSession, user_id: int) -> User | None:
    """Read a user."""
    row = (await connection.execute(select(*_USER_COLUMNS).where(UserRow.id == user_id))).one_or_none()
    return None if row is None else _user(row)


async def find_login(connection: AsyncConnection | AsyncSession, email: str) -> tuple[User, str | None] | None:
    """Read the user with this address and the hash of the password, None where there is no password."""
    found = await connection.execute(
        select(*_USER_COLUMNS, UserRow.password_hash).where(UserRow.email == email.strip().lower())
    )
    row = found.one_or_none()
    if row is None:
        return None
    user = User(id=row.id, email=row.email, is_active=row.is_active, created_at=row.created_at)
    return user, row.password_hash


async def set_password(session: AsyncSession, user_id: int, password_hash: str) -> None:
    """Keep the hash of a new password."""
    await session.execute(update(UserRow).where(UserRow.id == user_id).values(password_hash=password_hash))
    await _record(session, "PasswordSet", user_id, {})


async def set_active(session: AsyncSession, user_id: int, *, is_active: bool) -> None:
    """Let a user in or keep a user out; running processes notice within seconds."""
    await session.execute(update(UserRow).where(UserRow.id == user_id).values(is_active=is_active))
    await _record(session, "UserActivated" if is_active else "UserDeactivated", user_id, {})


async def add_api_key(
    session: AsyncSession, origin: Origin, key: NewKey, *, name: str, expires_at: datetime | None
) -> ApiKey:
    """Keep a new key.

    Raises:
        ConflictError: the user has a hundred already.
    """
    user_id = origin.user_id
    await _hold(session, user_id)
    count = await session.scalar(select(func.count()).select_from(ApiKeyRow).where(ApiKeyRow.user_id == user_id))
    if (count or 0) >= _MOST_KEYS:
        raise ConflictError(f"You have {_MOST_KEYS} API keys, which is the most: delete one first.")
    kept = ApiKey(id=uuid4(), name=name, prefix=key.prefix, created_at=datetime.now(UTC), expires_at=expires_at)
    await session.execute(
        insert(ApiKeyRow).values(
            id=kept.id,
            user_id=user_id,
            name=kept.name,
            prefix=kept.prefix,
            key_hash=key.digest,
            created_at=kept.created_at,
            expires_at=expires_at,
        )
    )
    await _record(session, "ApiKeyCreated", user_id, {"api_key_id": str(kept.id), "name": name}, origin)
    return kept


async def list_api_keys(connection: AsyncConnection | AsyncSession, user_id: int) -> list[ApiKey]:
    """Read a user's keys, newest first."""
    found = await connection.execute(
        select(*_KEY_COLUMNS)
        .where(ApiKeyRow.user_id == user_id)
        .order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id.desc())
    )
    return [ApiKey.model_validate(dict(row)) for row in found.mappings()]


async def delete_api_key(session: AsyncSession, origin: Origin, key_id: UUID) -> bytes:
    """Delete one of a user's keys and give its digest.

    Raises:
        NotFoundError: there is none, or it is not this user's.
    """
    user_id = origin.user_id
    await _hold(session, user_id)
    digest = await session.scalar(
        delete(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.user_id == user_id).returning(ApiKeyRow.key_hash)
    )
    if digest is None:
        raise NotFoundError("There is no such API key, or it is not yours: check its id.")
    await _record(session, "ApiKeyDeleted", user_id, {"api_key_id": str(key_id)}, origin)
    return digest


async def use_api_key(connection: AsyncConnection, digest: bytes) -> tuple[User, datetime | None] | None:
    """Find whose key this is and when it expires, and note its use, at most once a minute. None: no such key."""
    found = await connection.execute(
        select(*_USER_COLUMNS, ApiKeyRow.expires_at)
        .join(ApiKeyRow, ApiKeyRow.user_id == UserRow.id)
        .where(ApiKeyRow.key_hash == digest)
    )
    row = found.one_or_none()
    if row is None:
        return None
    stale = or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at < func.now() - text("interval '1 minute'"))
    used = await connection.execute(
        update(ApiKeyRow)
        .where(ApiKeyRow.key_hash == digest, stale)
        .values(last_used_at=func.now())
        .returning(ApiKeyRow.id, ApiKeyRow.name, ApiKeyRow.prefix)
    )
    key = used.one_or_none()
    if key is not None:
        facts: dict[str, JsonValue] = {"api_key_id": str(key.id), "name": key.name, "prefix": key.prefix}
        await note(connection, Deed("ApiKeyUsed", "User", str(row.id), row.id, row.id, facts))
    user = User(id=row.id, email=row.email, is_active=row.is_active, created_at=row.created_at)
    return user, row.expires_at


async def _hold(session: AsyncSession, user_id: int) -> None:
    """Let changes of one user follow one another, so that the versions of its events have no holes."""
    await session.execute(select(UserRow.id).where(UserRow.id == user_id).with_for_update())


async def _record(
    session: AsyncSession, event_type: str, user_id: int, data: dict[str, JsonValue], origin: Origin | None = None
) -> None:
    await append(
        session,
        Event(
            aggregate_id=str(user_id),
            aggregate_type="User",
            event_type=event_type,
            event_data=data,
            # Without an origin it was done on the command line, by nobody who is known here.
            user_id=origin.user_id if origin else None,
            metadata=origin.metadata if origin else {"source": "command line"},
            timestamp=datetime.now(UTC),
            version=await next_version(session, "User", str(user_id)),
        ),
    )
