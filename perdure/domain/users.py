"""Who may call, and the keys they call with."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from perdure.domain.errors import UnprocessableError

_EMAIL = re.compile(r"[^@\s\x00]{1,64}@[^@\s\x00]{1,255}")


def normal_email(text: str) -> str:
    """Bring an address to the one form that users are found by: without spaces round it, in lower case.

    Raises:
        UnprocessableError: this is no address.
    """
    email = text.strip().lower()
    if _EMAIL.fullmatch(email) is None:
        raise UnprocessableError("This is no email address: write it as name@example.org.")
    return email


class User(BaseModel):
    """A person or a program with flows of its own."""

    model_config = ConfigDict(frozen=True)

    id: int
    email: str
    is_active: bool = True
    created_at: datetime


class ApiKey(BaseModel):
    """A key for programs, as it can be shown again: the key itself is shown once, when it is made."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    prefix: str = Field(description="How the key begins, to tell keys apart.")
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = Field(default=None, description="To the minute.")


@dataclass(frozen=True)
class NewKey:
    """An API key at the only moment it is known."""

    key: str = field(repr=False)
    prefix: str
    digest: bytes


@dataclass(frozen=True)
class Origin:
    """Who asks for a change, and by which way: what its event tells of it."""

    user_id: int
    metadata: dict[str, JsonValue]
