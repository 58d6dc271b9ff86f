"""The tables of the audit log; migration 0011 has their triggers and functions, and says what they are for."""

from datetime import date, datetime

from sqlalchemy import Identity, Index, LargeBinary, PrimaryKeyConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from perdure.storage.tables import Base, Json

_NEWEST_FIRST = (text('"timestamp" DESC'), text("id DESC"))


class AuditRow(Base):
    """Something that somebody did. Nobody can change or delete it: a trigger refuses."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    # Whose log it stands in; 0: nobody's, such as a login with an address that there is not.
    tenant_id: Mapped[int]
    # Who did it, where that is known.
    user_id: Mapped[int | None]
    event_type: Mapped[str]
    aggregate_type: Mapped[str]
    aggregate_id: Mapped[str]
    version: Mapped[int | None]
    before: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    event_data: Mapped[Json]
    event_metadata: Mapped[Json] = mapped_column("metadata")
    timestamp: Mapped[datetime]

    __table_args__ = (
        Index("ix_audit_log_tenant", "tenant_id", *_NEWEST_FIRST),
        Index("ix_audit_log_event_type", "tenant_id", "event_type", *_NEWEST_FIRST),
        Index("ix_audit_log_aggregate_type", "tenant_id", "aggregate_type", *_NEWEST_FIRST),
    )


class AuditUnsealedRow(Base):
    """A row of the log that has no place in its tenant's chain yet."""

    __tablename__ = "audit_unsealed"

    log_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[int]

    __table_args__ = (Index("ix_audit_unsealed_tenant", "tenant_id", "log_id"),)


class AuditChainRow(Base):
    """A link of a tenant's chain: `hash` is the SHA-256 of the one before and `row_hash`, that of the row."""

    __tablename__ = "audit_chain"

    tenant_id: Mapped[int]
    position: Mapped[int]
    log_id: Mapped[int] = mapped_column(unique=True)
    row_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (PrimaryKeyConstraint("tenant_id", "position"),)


class AuditHeadRow(Base):
    """The last link of each tenant's chain, kept apart: a chain whose end was cut off is still a chain."""

    __tablename__ = "audit_heads"

    tenant_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int]
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditCountRow(Base):
    """How many sealed rows there are of each kind and day (UTC), so that totals need not count millions."""

    __tablename__ = "audit_counts"

    tenant_id: Mapped[int]
    day: Mapped[date]
    event_type: Mapped[str]
    aggregate_type: Mapped[str]
    # 0: nobody who is known.
    user_id: Mapped[int]
    count: Mapped[int]

    __table_args__ = (PrimaryKeyConstraint("tenant_id", "day", "event_type", "aggregate_type", "user_id"),)
