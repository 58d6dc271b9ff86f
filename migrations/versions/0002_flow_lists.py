"""What makes lists of flows fast: folded text, its letter groups, totals kept by triggers, an index per order."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Written as SQL because the text is the database's own program. `pg_c_utf8` folds case by Unicode alone, whatever
# locale the database was made with, so that an index built here is right everywhere (PostgreSQL 17 and later).
_FOLD = """
CREATE FUNCTION search_fold(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN lower(normalize(value, NFC) COLLATE "pg_c_utf8")
"""

# Every two and every three neighbouring letters, packed as numbers of 21 bits a letter: exact, without the extension
# pg_trgm, and good for two-letter words and for scripts without spaces. The owner's number, negated, stands beside
# them, so that a search walks through the postings of one user and not of all.
_GRAMS = """
CREATE FUNCTION search_grams(owner bigint, folded text) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    WITH letters AS (
        SELECT ascii(letter)::bigint AS code, place
        FROM string_to_table(folded, NULL) WITH ORDINALITY AS t (letter, place)
    ), neighbours AS (
        SELECT code AS first, lead(code) OVER w AS second, lead(code, 2) OVER w AS third
        FROM letters WINDOW w AS (ORDER BY place)
    )
    SELECT array_agg(DISTINCT gram) || -owner
    FROM neighbours, LATERAL (VALUES ((first << 21) | second), ((first << 42) | (second << 21) | third)) AS g (gram)
    WHERE gram IS NOT NULL
$$
"""

# What a search must find: threes where it is long enough (they imply the twos), else twos; nothing for one letter.
_NEEDLES = """
CREATE FUNCTION search_needles(owner bigint, folded text) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT coalesce(array_agg(gram), '{}') || -owner
    FROM unnest(search_grams(owner, folded)) AS g (gram)
    WHERE (gram >= (1::bigint << 42)) = (char_length(folded) > 2) AND gram > 0
$$
"""

# Tags with their owner before them, for the same reason.
_OWNED = """
CREATE FUNCTION owned_tags(owner bigint, tags text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT coalesce(array_agg(owner::text || ' ' || tag), '{}') FROM unnest(tags) AS t (tag)
$$
"""

# `flow_totals` is touched in the order of its key, so that two statements never wait for each other.
_COUNT = """
CREATE FUNCTION count_flows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO flow_activity (flow_id, user_id, flow_type) SELECT id, user_id, flow_type FROM added
        ON CONFLICT (flow_id) DO UPDATE SET flow_type = excluded.flow_type;
        INSERT INTO flow_totals AS kept (user_id, flow_type, is_active, flows)
        SELECT user_id, flow_type, is_active, count(*) FROM added WHERE deleted_at IS NULL
        GROUP BY user_id, flow_type, is_active ORDER BY user_id, flow_type, is_active
        ON CONFLICT (user_id, flow_type, is_active) DO UPDATE SET flows = kept.flows + excluded.flows;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO flow_totals AS kept (user_id, flow_type, is_active, flows)
        SELECT user_id, flow_type, is_active, sum(change) FROM (
            SELECT user_id, flow_type, is_active, 1 AS change FROM added WHERE deleted_at IS NULL
            UNION ALL
            SELECT user_id, flow_type, is_active, -1 FROM removed WHERE deleted_at IS NULL
        ) AS changes
        GROUP BY user_id, flow_type, is_active HAVING sum(change) <> 0 ORDER BY user_id, flow_type, is_active
        ON CONFLICT (user_id, flow_type, is_active) DO UPDATE SET flows = kept.flows + excluded.flows;
    ELSE
        INSERT INTO flow_totals AS kept (user_id, flow_type, is_active, flows)
        SELECT user_id, flow_type, is_active, -count(*) FROM removed WHERE deleted_at IS NULL
        GROUP BY user_id, flow_type, is_active ORDER BY user_id, flow_type, is_active
        ON CONFLICT (user_id, flow_type, is_active) DO UPDATE SET flows = kept.flows + excluded.flows;
    END IF;
    RETURN NULL;
END
$$
"""

_TRIGGERS = {
    "count_added_flows": "AFTER INSERT ON flows REFERENCING NEW TABLE AS added",
    "count_changed_flows": "AFTER UPDATE ON flows REFERENCING OLD TABLE AS removed NEW TABLE AS added",
    "count_removed_flows": "AFTER DELETE ON flows REFERENCING OLD TABLE AS removed",
}

_KEPT = "deleted_at IS NULL"


def upgrade() -> None:
    op.execute(_FOLD)
    op.execute(_GRAMS)
    op.execute(_NEEDLES)
    op.execute(_OWNED)
    # Kept as it came, like the drawing: a flow reads the same after it was written and after it was read.
    op.execute("ALTER TABLE flows ALTER COLUMN definition TYPE json USING definition::json")
    op.add_column("flows", sa.Column("name_key", sa.Text(), sa.Computed("search_fold(name)", persisted=True)))
    op.add_column(
        "flows",
        sa.Column(
            "search_text",
            sa.Text(),
            sa.Computed("search_fold(name || chr(10) || coalesce(description, ''))", persisted=True),
        ),
    )
    for order in ("created_at", "updated_at", "name_key"):
        op.create_index(
            f"ix_flows_{order}",
            "flows",
            ["user_id", order, "id"],
            postgresql_include=["flow_type", "is_active"],
            postgresql_where=sa.text(_KEPT),
        )
    op.create_index(
        "ix_flows_category",
        "flows",
        ["user_id", "category", "created_at", "id"],
        postgresql_include=["flow_type", "is_active"],
        postgresql_where=sa.text(f"{_KEPT} AND category IS NOT NULL"),
    )
    op.create_index(
        "ix_flows_tags",
        "flows",
        [sa.text("owned_tags(user_id, tags)")],
        postgresql_using="gin",
        postgresql_where=sa.text(_KEPT),
    )
    op.create_index(
        "ix_flows_grams",
        "flows",
        [sa.text("search_grams(user_id, search_text)")],
        postgresql_using="gin",
        postgresql_where=sa.text(_KEPT),
    )
    op.create_index(
        "ix_flows_public",
        "flows",
        ["created_at", "id"],
        postgresql_include=["user_id", "flow_type", "is_active"],
        postgresql_where=sa.text(f"{_KEPT} AND is_public"),
    )
    op.add_column("flow_activity", sa.Column("flow_type", sa.Text()))
    op.create_index(
        "ix_flow_activity_count",
        "flow_activity",
        ["user_id", "execution_count", "flow_id"],
        postgresql_include=["flow_type"],
    )
    op.create_table(
        "flow_totals",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("flow_type", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("flows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "flow_type", "is_active", name=op.f("pk_flow_totals")),
        # Every write rewrites a row in place; room on its page keeps that cheap.
        postgresql_with={"fillfactor": 50},
    )
    op.execute(
        "INSERT INTO flow_totals SELECT user_id, flow_type, is_active, count(*) FROM flows "
        "WHERE deleted_at IS NULL GROUP BY user_id, flow_type, is_active"
    )
    op.execute(
        "INSERT INTO flow_activity (flow_id, user_id, flow_type) SELECT id, user_id, flow_type FROM flows "
        "ON CONFLICT (flow_id) DO UPDATE SET flow_type = excluded.flow_type"
    )
    op.execute(_COUNT)
    for name, when in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {when} FOR EACH STATEMENT EXECUTE FUNCTION count_flows()")


def downgrade() -> None:
    for name in _TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON flows")
    op.execute("DROP FUNCTION count_flows()")
    op.drop_table("flow_totals")
    op.drop_index("ix_flow_activity_count", table_name="flow_activity")
    op.drop_column("flow_activity", "flow_type")
    for name in ("public", "grams", "tags", "category", "name_key", "updated_at", "created_at"):
        op.drop_index(f"ix_flows_{name}", table_name="flows")
    op.drop_column("flows", "search_text")
    op.drop_column("flows", "name_key")
    op.execute("ALTER TABLE flows ALTER COLUMN definition TYPE jsonb USING definition::jsonb")
    op.execute("DROP FUNCTION owned_tags(bigint, text[])")
    op.execute("DROP FUNCTION search_needles(bigint, text)")
    op.execute("DROP FUNCTION search_grams(bigint, text)")
    op.execute("DROP FUNCTION search_fold(text)")
