"""The audit log: who did what, when and from where; append-only, and chained by hashes for each tenant.

Rows come from triggers on what they record, in its transaction and without a further round trip: events (flows,
knowledge bases, sessions, users), the list of executions, approvals. A run may not wait for another's transaction, so
rows are not chained as they come: `audit_seal` gives them places in their tenant's chain later, in the order of their
ids as far as these are visible, one sealer at a time.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"

_FUNCTIONS = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is append-only: % is refused on %.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION audit_enqueue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_unsealed (log_id, tenant_id) VALUES (NEW.id, NEW.tenant_id);
    RETURN NULL;
END $$;

CREATE FUNCTION audit_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told text := CASE NEW.aggregate_type WHEN 'Flow' THEN 'flow' WHEN 'KnowledgeBase' THEN 'knowledgebase' END;
    earlier jsonb;
    tenant bigint;
BEGIN
    IF told IS NOT NULL AND NEW.version > 1 THEN
        SELECT event_data -> told INTO earlier FROM events
        WHERE aggregate_type = NEW.aggregate_type AND aggregate_id = NEW.aggregate_id AND version = NEW.version - 1;
    END IF;
    tenant := CASE
        WHEN told IS NOT NULL THEN (NEW.event_data -> told ->> 'user_id')::bigint
        WHEN NEW.aggregate_type IN ('Session', 'User') THEN split_part(NEW.aggregate_id, '/', 1)::bigint
    END;
    INSERT INTO audit_log (tenant_id, user_id, event_type, aggregate_type, aggregate_id, version, before, event_data,
        metadata, timestamp)
    VALUES (
        coalesce(tenant, NEW.user_id, 0), NEW.user_id, NEW.event_type, NEW.aggregate_type,
        CASE NEW.aggregate_type WHEN 'Session' THEN substr(NEW.aggregate_id, strpos(NEW.aggregate_id, '/') + 1)
            ELSE NEW.aggregate_id END,
        NEW.version, earlier, NEW.event_data, NEW.metadata, NEW.timestamp
    );
    RETURN NULL;
END $$;

CREATE FUNCTION audit_execution() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    origin jsonb := coalesce(NEW.origin, '{"source": "workflow"}');
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO audit_log (tenant_id, user_id, event_type, aggregate_type, aggregate_id, event_data, metadata,
            timestamp)
        VALUES (
            NEW.user_id, NEW.user_id,
            CASE WHEN NEW.forked_from IS NULL THEN 'ExecutionStarted' ELSE 'ExecutionForked' END,
            'Execution', NEW.id::text,
            jsonb_build_object('flow_id', NEW.flow_id, 'flow_type', NEW.flow_type, 'flow_name', NEW.flow_name,
                'flow_version', NEW.flow_version, 'session_id', NEW.session_id,
                'parent_execution_id', NEW.parent_execution_id, 'forked_from', NEW.forked_from),
            origin, NEW.started_at
        );
    ELSIF NEW.status IS DISTINCT FROM OLD.status OR NEW.run_id IS DISTINCT FROM OLD.run_id THEN
        INSERT INTO audit_log (tenant_id, user_id, event_type, aggregate_type, aggregate_id, before, event_data,
            metadata, timestamp)
        VALUES (
            NEW.user_id, NULL,
            CASE NEW.status WHEN 'running' THEN 'ExecutionReopened' ELSE 'Execution' || initcap(NEW.status) END,
            'Execution', NEW.id::text, jsonb_build_object('status', OLD.status),
            jsonb_build_object('flow_id', NEW.flow_id, 'flow_name', NEW.flow_name, 'status', NEW.status,
                'error_message', NEW.error_message, 'duration_ms', NEW.duration_ms, 'metrics', NEW.metrics),
            '{"source": "workflow"}', coalesce(NEW.completed_at, clock_timestamp())
        );
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION audit_approval() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb := CASE TG_OP WHEN 'UPDATE' THEN jsonb_build_object('status', OLD.status, 'approved_by', OLD.approved_by,
        'revision', OLD.revision) END;
    decider text := CASE TG_OP WHEN 'UPDATE' THEN coalesce(
        NEW.decided_by[cardinality(NEW.decided_by)], NEW.approved_by[cardinality(NEW.approved_by)]) END;
BEGIN
    INSERT INTO audit_log (tenant_id, user_id, event_type, aggregate_type, aggregate_id, before, event_data, metadata,
        timestamp)
    VALUES (
        NEW.user_id, (SELECT id FROM users WHERE email = decider),
        CASE WHEN TG_OP = 'INSERT' OR NEW.run_id IS DISTINCT FROM OLD.run_id THEN 'ApprovalRequested'
            WHEN NEW.status = OLD.status THEN 'ApprovalCounted' ELSE 'Approval' || initcap(NEW.status) END,
        'Execution', NEW.execution_id::text, was,
        jsonb_build_object('approval_id', NEW.approval_id, 'title', NEW.title, 'status', NEW.status,
            'revision', NEW.revision, 'approved_by', NEW.approved_by, 'decided_by', NEW.decided_by,
            'comment', NEW.comment),
        '{"source": "workflow"}', coalesce(NEW.decided_at, clock_timestamp())
    );
    RETURN NULL;
END $$;

CREATE FUNCTION audit_canonical(entry audit_log) RETURNS text STABLE LANGUAGE sql AS $$
    SELECT jsonb_build_object(
        'id', entry.id, 'tenant_id', entry.tenant_id, 'user_id', entry.user_id, 'event_type', entry.event_type,
        'aggregate_type', entry.aggregate_type, 'aggregate_id', entry.aggregate_id, 'version', entry.version,
        'before', entry.before, 'event_data', entry.event_data, 'metadata', entry.metadata,
        'timestamp', to_char(entry.timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    )::text
$$;

CREATE FUNCTION audit_seal(tenant bigint, most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    place bigint := 0;
    link bytea := ''::bytea;
    entry audit_log;
    row_link bytea;
    sealed bigint[] := '{}';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('perdure audit', tenant));
    SELECT position, hash INTO place, link FROM audit_heads WHERE tenant_id = tenant;
    IF NOT FOUND THEN
        place := 0;
        link := ''::bytea;
    END IF;
    FOR entry IN
        SELECT log.* FROM audit_unsealed AS waiting JOIN audit_log AS log ON log.id = waiting.log_id
        WHERE waiting.tenant_id = tenant ORDER BY waiting.log_id LIMIT most
    LOOP
        place := place + 1;
        row_link := sha256(convert_to(audit_canonical(entry), 'UTF8'));
        link := sha256(link || row_link);
        INSERT INTO audit_chain (tenant_id, position, log_id, row_hash, hash)
        VALUES (tenant, place, entry.id, row_link, link);
        sealed := sealed || entry.id;
    END LOOP;
    IF cardinality(sealed) = 0 THEN
        RETURN 0;
    END IF;
    DELETE FROM audit_unsealed WHERE log_id = ANY(sealed);
    INSERT INTO audit_counts AS counts (tenant_id, day, event_type, aggregate_type, user_id, count)
    SELECT tenant, (timestamp AT TIME ZONE 'UTC')::date, event_type, aggregate_type, coalesce(user_id, 0), count(*)
    FROM audit_log WHERE id = ANY(sealed) GROUP BY 2, 3, 4, 5
    ON CONFLICT (tenant_id, day, event_type, aggregate_type, user_id)
        DO UPDATE SET count = counts.count + excluded.count;
    INSERT INTO audit_heads (tenant_id, position, hash) VALUES (tenant, place, link)
    ON CONFLICT (tenant_id) DO UPDATE SET position = excluded.position, hash = excluded.hash;
    RETURN cardinality(sealed);
END $$;
"""
_TRIGGERS = """
CREATE TRIGGER audit_log_enqueue AFTER INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_enqueue();
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_chain_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER events_audit AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION audit_event();
CREATE TRIGGER executions_audit AFTER INSERT OR UPDATE OF status, run_id ON executions
    FOR EACH ROW EXECUTE FUNCTION audit_execution();
CREATE TRIGGER approvals_audit AFTER INSERT OR UPDATE ON approvals FOR EACH ROW EXECUTE FUNCTION audit_approval();
"""
_TRIGGERED = (("approvals", "approvals_audit"), ("executions", "executions_audit"), ("events", "events_audit"))
_MADE = (
    "audit_approval()",
    "audit_execution()",
    "audit_event()",
    "audit_seal(bigint, integer)",
    "audit_canonical(audit_log)",
)


def upgrade() -> None:
    op.add_column("executions", sa.Column("origin", postgresql.JSONB(), nullable=True))
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("aggregate_type", sa.Text(), nullable=False),
        sa.Column("aggregate_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("event_data", postgresql.JSONB(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    newest = [sa.text('"timestamp" DESC'), sa.text("id DESC")]
    op.create_index("ix_audit_log_tenant", "audit_log", ["tenant_id", *newest])
    op.create_index("ix_audit_log_event_type", "audit_log", ["tenant_id", "event_type", *newest])
    op.create_index("ix_audit_log_aggregate_type", "audit_log", ["tenant_id", "aggregate_type", *newest])
    op.create_table(
        "audit_unsealed",
        sa.Column("log_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", name=op.f("pk_audit_unsealed")),
    )
    op.create_index("ix_audit_unsealed_tenant", "audit_unsealed", ["tenant_id", "log_id"])
    op.create_table(
        "audit_chain",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("log_id", sa.BigInteger(), nullable=False),
        sa.Column("row_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "position", name=op.f("pk_audit_chain")),
        sa.UniqueConstraint("log_id", name=op.f("uq_audit_chain_log_id")),
    )
    op.create_table(
        "audit_heads",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_audit_heads")),
    )
    op.create_table(
        "audit_counts",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("aggregate_type", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "day", "event_type", "aggregate_type", "user_id", name=op.f("pk_audit_counts")
        ),
    )
    for statements in (_FUNCTIONS, _TRIGGERS):
        for statement in statements.split("\n\n" if statements is _FUNCTIONS else ";\n"):
            if statement.strip():
                op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    for table, trigger in _TRIGGERED:
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
    for function in _MADE:
        op.execute(f"DROP FUNCTION {function}")
    for table in ("audit_counts", "audit_heads", "audit_chain", "audit_unsealed", "audit_log"):
        op.drop_table(table)
    op.execute("DROP FUNCTION audit_enqueue()")
    op.execute("DROP FUNCTION audit_refuse()")
    op.drop_column("executions", "origin")
