"""Who may call, and the keys they call with."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


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
