"""The tables. What each is for is said once here; the migrations build them, the tests too."""

from datetime import datetime
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import (
    BigInteger,
    Computed,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from perdure.storage.metadata import metadata

Json = dict[str, JsonValue]

_NOT_DELETED = text("deleted_at IS NULL")


class Base(DeclarativeBase):
    """Maps Python types to columns: text without length limits, times with their zone, JSON in binary form."""

    metadata = metadata
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own form
        str: Text,
        int: BigInteger,
        datetime: DateTime(timezone=True),
        Json: JSONB(none_as_null=True),
        list[str]: ARRAY(Text),
        bytes: LargeBinary,
    }


class UserRow(Base):
    """Who may call. Without a password hash a user can only use tokens made on the command line."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str | None]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ApiKeyRow(Base):
    """A key for programs: only its SHA-256 is kept (the key itself is 256 random bits, so no slow hash is needed)."""

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class FlowRow(Base):
    """A flow of either kind; `definition` holds what only its kind has. A deleted flow keeps its row."""

    __tablename__ = "flows"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    flow_type: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    # JSON, not JSONB: what callers drew and set is returned with its keys in the order they came.
    definition: Mapped[Json] = mapped_column(JSON(none_as_null=True))
    graph_definition: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))
    is_public: Mapped[bool]
    is_active: Mapped[bool]
    version: Mapped[int]
    tags: Mapped[list[str]]
    category: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    # Deferred: for sorting and searching in the database only.
    name_key: Mapped[str | None] = mapped_column(Computed("search_fold(name)", persisted=True), deferred=True)
    search_text: Mapped[str | None] = mapped_column(
        Computed("search_fold(name || chr(10) || coalesce(description, ''))", persisted=True), deferred=True
    )

    __table_args__ = (
        *(
            Index(
                f"ix_flows_{order}",
                "user_id",
                order,
                "id",
                postgresql_include=["flow_type", "is_active"],
                postgresql_where=_NOT_DELETED,
            )
            for order in ("created_at", "updated_at", "name_key")
        ),
        Index(
            "ix_flows_category",
            "user_id",
            "category",
            "created_at",
            "id",
            postgresql_include=["flow_type", "is_active"],
            postgresql_where=text("deleted_at IS NULL AND category IS NOT NULL"),
        ),
        Index(
            "ix_flows_tags",
            text("owned_tags(user_id, tags)"),
            postgresql_using="gin",
            postgresql_where=_NOT_DELETED,
        ),
        Index(
            "ix_flows_grams",
            text("search_grams(user_id, search_text)"),
            postgresql_using="gin",
            postgresql_where=_NOT_DELETED,
        ),
        Index(
            "ix_flows_public",
            "created_at",
            "id",
            postgresql_include=["user_id", "flow_type", "is_active"],
            postgresql_where=text("deleted_at IS NULL AND is_public"),
        ),
    )


class FlowTotalRow(Base):
    """How many flows a user has that are not deleted, kept by triggers so that a list's total costs no count."""

    __tablename__ = "flow_totals"

    user_id: Mapped[int]
    flow_type: Mapped[str]
    is_active: Mapped[bool]
    flows: Mapped[int]

    __table_args__ = (
        PrimaryKeyConstraint("user_id", "flow_type", "is_active"),
        {"postgresql_with": {"fillfactor": 50}},
    )


class FlowActivityRow(Base):
    """How often a flow ran and how its last run stands; apart from `flows` so that a run rewrites no definition.

    A trigger makes the row together with its flow, and copies the kind so that one index serves its lists.
    """

    __tablename__ = "flow_activity"

    flow_id: Mapped[UUID] = mapped_column(ForeignKey("flows.id"), primary_key=True)
    user_id: Mapped[int]
    execution_count: Mapped[int] = mapped_column(server_default=text("0"))
    last_execution_id: Mapped[UUID | None]
    last_execution_status: Mapped[str | None]
    last_execution_at: Mapped[datetime | None]
    flow_type: Mapped[str | None]

    __table_args__ = (
        Index("ix_flow_activity_count", "user_id", "execution_count", "flow_id", postgresql_include=["flow_type"]),
    )


class ExecutionRow(Base):
    """The list entry of a run. The truth is Temporal's history; this row is upserted at its start and its end."""

    __tablename__ = "executions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    flow_id: Mapped[UUID] = mapped_column(ForeignKey("flows.id"))
    flow_type: Mapped[str]
    flow_name: Mapped[str]
    flow_version: Mapped[int]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    session_id: Mapped[str | None]
    status: Mapped[str]
    # Temporal's run that ended as this row says: after an operator's reset, another one of the same execution ends.
    run_id: Mapped[str | None]
    input_data: Mapped[Json]
    output_data: Mapped[Json | None]
    error_message: Mapped[str | None]
    started_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]
    node_executions: Mapped[list[JsonValue] | None] = mapped_column(JSONB(none_as_null=True))
    metrics: Mapped[Json | None]
    idempotency_key: Mapped[str | None]
    request_hash: Mapped[str | None]
    # The run that called this one as a tool.
    parent_execution_id: Mapped[UUID | None]
    # The run that this one is a fork or a retry of: execution_id, version, step.
    forked_from: Mapped[Json | None]
    # From where it was asked for, for the audit log: source, ip, user_agent.
    origin: Mapped[Json | None]
    # The run, of those that `run_id` had, whose history was archived last.
    archived_run_id: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("user_id", "idempotency_key"),
        Index("ix_executions_user", "user_id", text("started_at DESC"), text("id DESC")),
        Index("ix_executions_user_status", "user_id", "status", text("started_at DESC"), text("id DESC")),
        Index("ix_executions_flow", "flow_id", text("started_at DESC"), text("id DESC")),
        Index(
            "ix_executions_session",
            "user_id",
            "session_id",
            text("started_at DESC"),
            postgresql_where=text("session_id IS NOT NULL"),
        ),
        # What the reconciler looks through: the few that have not ended.
        Index("ix_executions_open", "started_at", postgresql_where=text("status IN ('pending', 'running')")),
        # What the archiver looks through: those that have ended since it was here.
        Index(
            "ix_executions_unarchived",
            "completed_at",
            "id",
            postgresql_where=text("completed_at IS NOT NULL AND archived_run_id IS DISTINCT FROM run_id"),
        ),
    )


class ArchivedHistoryRow(Base):
    """One run's history, in Temporal's sense of a run, for when Temporal has forgotten it: its message in zlib's form.

    `ended_at`: when the execution ended that it is of.
    """

    __tablename__ = "archived_histories"

    execution_id: Mapped[UUID]
    run_id: Mapped[str]
    events: Mapped[int]
    data: Mapped[bytes]
    ended_at: Mapped[datetime]

    __table_args__ = (
        PrimaryKeyConstraint("execution_id", "run_id"),
        Index("ix_archived_histories_ended", "ended_at"),
    )


class ExecutionOutcomeRow(Base):
    """What statistics count of a run that has ended: narrow rows, all of them in the index that finds them.

    A trigger on `executions` keeps it in the transaction of the change: there while the run has ended, gone while it
    runs again. `started_at` never changes.
    """

    __tablename__ = "execution_outcomes"

    user_id: Mapped[int]
    started_at: Mapped[datetime]
    execution_id: Mapped[UUID]
    flow_id: Mapped[UUID]
    status: Mapped[str]
    duration_ms: Mapped[int | None]
    llm_tokens: Mapped[int]
    # None: not known.
    cost_usd: Mapped[float | None]

    __table_args__ = (
        PrimaryKeyConstraint(
            "user_id",
            "started_at",
            "execution_id",
            postgresql_include=["flow_id", "status", "duration_ms", "llm_tokens", "cost_usd"],
        ),
    )


class ChatSessionRow(Base):
    """One conversation of one user with one chatflow. Its `id` is the caller's own word or a UUID we made."""

    __tablename__ = "chat_sessions"

    key: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    id: Mapped[str]
    flow_id: Mapped[UUID] = mapped_column(ForeignKey("flows.id"), index=True)
    message_count: Mapped[int] = mapped_column(server_default=text("0"))
    # How many turns were ever begun: the number of the last.
    turn_count: Mapped[int] = mapped_column(server_default=text("0"))
    # None: the flow's.
    memory_config: Mapped[Json | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("user_id", "id"),
        Index("ix_chat_sessions_user", "user_id", text("updated_at DESC"), text("key DESC")),
    )


class ChatMessageRow(Base):
    """One message. The two of a turn are written together, once, when the turn ends well."""

    __tablename__ = "chat_messages"

    session_key: Mapped[int] = mapped_column(ForeignKey("chat_sessions.key", ondelete="CASCADE"))
    sequence: Mapped[int]
    role: Mapped[str]
    content: Mapped[str]
    execution_id: Mapped[UUID]
    created_at: Mapped[datetime]
    # An answer that the next message cut off.
    interrupted: Mapped[bool] = mapped_column(server_default=text("false"))
    # Of an answer: the tool calls that it was made from with their results, as models are shown them again.
    steps: Mapped[list[JsonValue] | None] = mapped_column(JSON(none_as_null=True))

    __table_args__ = (
        PrimaryKeyConstraint("session_key", "sequence"),
        UniqueConstraint("execution_id", "role"),
    )


class ChatTurnRow(Base):
    """One turn's place in its session. Without a session: that was deleted or cleared, and the turn leaves nothing.

    `fate`: what a later turn wants done with this one when it ends, `interrupt` or `rollback`.
    """

    __tablename__ = "chat_turns"

    execution_id: Mapped[UUID] = mapped_column(primary_key=True)
    session_key: Mapped[int | None] = mapped_column(ForeignKey("chat_sessions.key", ondelete="SET NULL"))
    number: Mapped[int]
    ended: Mapped[bool] = mapped_column(server_default=text("false"))
    fate: Mapped[str | None]

    __table_args__ = (
        Index("ix_chat_turns_open", "session_key", "number", postgresql_where=text("NOT ended")),
        Index("ix_chat_turns_session", "session_key"),
    )


class ChatSummaryRow(Base):
    """The messages of a session up to `upto` in short, and what all folds together used. Null: not known."""

    __tablename__ = "chat_summaries"

    session_key: Mapped[int] = mapped_column(ForeignKey("chat_sessions.key", ondelete="CASCADE"), primary_key=True)
    upto: Mapped[int]
    content: Mapped[str]
    model: Mapped[str]
    folds: Mapped[int]
    input_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    cost_usd: Mapped[float | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ChatTurnVectorRow(Base):
    """A turn as a vector of length one, numbers of four bytes each, under the place of the turn's first message.

    Compared in full: a session's turns are few, and are read together anyway.
    """

    __tablename__ = "chat_turn_vectors"

    session_key: Mapped[int]
    sequence: Mapped[int]
    vector: Mapped[bytes]

    __table_args__ = (
        PrimaryKeyConstraint("session_key", "sequence"),
        ForeignKeyConstraint(
            ["session_key", "sequence"], ["chat_messages.session_key", "chat_messages.sequence"], ondelete="CASCADE"
        ),
    )


class TranscriptRow(Base):
    """What a step said or was told, append-only, so that activity inputs carry references instead of conversations.

    The row a model call leaves is also why it is never paid twice: a repeated attempt finds it and returns it. The
    key holds Temporal's run id, so that a reset runs the step again on purpose.
    """

    __tablename__ = "transcripts"

    execution_id: Mapped[UUID]
    run_id: Mapped[str]
    step_id: Mapped[str]
    sequence: Mapped[int]
    role: Mapped[str]
    content: Mapped[str]
    result: Mapped[Json | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (PrimaryKeyConstraint("execution_id", "run_id", "step_id", "sequence"),)


class ApprovalRow(Base):
    """What a run asks people, for lists and inboxes. The truth is Temporal's history.

    A row is written where the run notes the same, before the run itself goes on. One that is still pending when its
    execution has ended is shown as cancelled by that: a run that was terminated could not say so, and one that is
    reset waits again.
    """

    __tablename__ = "approvals"

    execution_id: Mapped[UUID]
    approval_id: Mapped[str]
    # Temporal's run that asked: after a reset another one asks again.
    run_id: Mapped[str]
    user_id: Mapped[int]
    kind: Mapped[str]
    node_id: Mapped[str]
    title: Mapped[str]
    # JSON, not JSONB: what a model wrote may hold what only JSON can keep, and numbers stay as they were written.
    arguments: Mapped[Json] = mapped_column(JSON(none_as_null=True))
    revision: Mapped[str]
    approvers: Mapped[list[str]]
    quorum: Mapped[int]
    approved_by: Mapped[list[str]]
    deadline: Mapped[datetime | None]
    default_decision: Mapped[str]
    status: Mapped[str]
    decided_by: Mapped[list[str]]
    comment: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decided_at: Mapped[datetime | None]

    __table_args__ = (
        PrimaryKeyConstraint("execution_id", "approval_id"),
        Index("ix_approvals_owner", "user_id", "status", text("created_at DESC")),
        Index("ix_approvals_approvers", "approvers", postgresql_using="gin"),
        Index("ix_approvals_inbox", "approvers", postgresql_using="gin", postgresql_where=text("status = 'pending'")),
    )


class PayloadRow(Base):
    """A Temporal payload too large for history, by its SHA-256; it lives as long as its execution."""

    __tablename__ = "payloads"

    workflow_id: Mapped[str]
    digest: Mapped[bytes]
    data: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (PrimaryKeyConstraint("workflow_id", "digest"),)


class EventRow(Base):
    """An event of anything but an execution, written in the transaction of the change that it records."""

    __tablename__ = "events"

    aggregate_type: Mapped[str]
    aggregate_id: Mapped[str]
    version: Mapped[int]
    event_type: Mapped[str]
    event_data: Mapped[Json]
    user_id: Mapped[int | None]
    event_metadata: Mapped[Json] = mapped_column("metadata")
    timestamp: Mapped[datetime]

    __table_args__ = (
        PrimaryKeyConstraint("aggregate_type", "aggregate_id", "version"),
        Index("ix_events_user", "user_id", text("timestamp DESC")),
    )
