"""Statistics of runs: one pass over the narrow rows of those that have ended, and the few that have not."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ARRAY, DateTime, RowMapping, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine

from perdure.domain.statistics import DayTotals, ExecutionStatistics, FlowTotals, Period, RunTotals

MOST_FLOWS = 100
# Classes of a million runs by flow, day and duration; in the usual 4 MB they would go through files.
_MEMORY = text("SET LOCAL work_mem = '64MB'")
# Durations fall into classes 2 % wide, and each class knows its longest: sorting a million durations three times, for
# the whole, the flows and the days, would take about as long as all the rest. `GROUPING` says of what a row is: 3 of
# the whole, 1 of a flow, 2 of a day.
_STATISTICS = text(
    """
    WITH runs AS (
        SELECT flow_id, width_bucket(started_at, :day_starts) AS day, status, duration_ms, llm_tokens, cost_usd
        FROM execution_outcomes WHERE user_id = :user AND started_at >= :since AND started_at < :until
        UNION ALL
        SELECT flow_id, width_bucket(started_at, :day_starts), 'running', NULL, 0, NULL
        FROM executions WHERE user_id = :user AND status IN ('pending', 'running')
            AND started_at >= :since AND started_at < :until
    ), classes AS (
        SELECT flow_id, day, status, count(*) AS runs, max(duration_ms) AS longest, sum(llm_tokens) AS tokens,
            sum(cost_usd) AS cost, count(cost_usd) AS priced,
            CASE WHEN status = 'completed' THEN floor(ln(greatest(duration_ms, 1)::float8) * 50)::int END AS class
        FROM runs GROUP BY flow_id, day, status, class
    ), joined AS (
        SELECT GROUPING(flow_id, day) AS part, flow_id, day, status, class, sum(runs) AS runs, max(longest) AS longest,
            sum(tokens) AS tokens, sum(cost) AS cost, sum(priced) AS priced
        FROM classes GROUP BY GROUPING SETS ((status, class), (flow_id, status, class), (day, status, class))
    ), ranked AS (
        SELECT *, sum(runs) OVER (PARTITION BY part, flow_id, day, status ORDER BY class) AS upto,
            sum(runs) OVER (PARTITION BY part, flow_id, day, status) AS among
        FROM joined
    ), parts AS (
        SELECT part, flow_id, day, sum(runs)::bigint AS executions,
            coalesce(sum(runs) FILTER (WHERE status = 'running'), 0)::bigint AS running,
            coalesce(sum(runs) FILTER (WHERE status = 'completed'), 0)::bigint AS completed,
            coalesce(sum(runs) FILTER (WHERE status = 'failed'), 0)::bigint AS failed,
            coalesce(sum(runs) FILTER (WHERE status = 'cancelled'), 0)::bigint AS cancelled,
            min(longest) FILTER (WHERE status = 'completed' AND upto >= 0.5 * among) AS duration_ms_p50,
            min(longest) FILTER (WHERE status = 'completed' AND upto >= 0.95 * among) AS duration_ms_p95,
            sum(tokens)::bigint AS llm_tokens, sum(cost) AS cost_usd,
            coalesce(sum(runs - priced) FILTER (WHERE status <> 'running'), 0)::bigint AS unknown_cost
        FROM ranked GROUP BY part, flow_id, day
    ), placed AS (
        SELECT *, count(*) OVER (PARTITION BY part) AS siblings,
            row_number() OVER (PARTITION BY part ORDER BY executions DESC, flow_id) AS place
        FROM parts
    )
    SELECT placed.*, flows.name AS flow_name, flows.flow_type
    FROM placed LEFT JOIN flows ON flows.id = placed.flow_id WHERE part <> 1 OR place <= :most ORDER BY part, place
""".replace("::", "\\:\\:")
).bindparams(bindparam("day_starts", type_=ARRAY(DateTime(timezone=True))))
_RUNNING_NOW = text("SELECT count(*) FROM executions WHERE user_id = :user AND status IN ('pending', 'running')")
_WHOLE, _FLOW, _DAY = 3, 1, 2


async def read_statistics(engine: AsyncEngine, period: Period, *, user_id: int) -> ExecutionStatistics:
    """What this user's runs of the period come to: counts and sums exactly, percentiles within 2 %."""
    asked = {
        "user": user_id,
        "since": period.since,
        "until": period.until,
        "day_starts": period.day_starts,
        "most": MOST_FLOWS,
    }
    async with engine.begin() as connection:
        await connection.execute(_MEMORY)
        rows = (await connection.execute(_STATISTICS, asked)).mappings().all()
        running_now = (await connection.execute(_RUNNING_NOW, {"user": user_id})).scalar_one()
    return ExecutionStatistics(
        since=period.since,
        until=period.until,
        tz=period.zone.key,
        running_now=running_now,
        totals=next((RunTotals.model_validate(_totals(row)) for row in _of(rows, _WHOLE)), RunTotals()),
        flow_count=next((row["siblings"] for row in _of(rows, _FLOW)), 0),
        by_flow=[_flow(row) for row in _of(rows, _FLOW)],
        by_day=_days(period, _of(rows, _DAY)),
    )


def _of(rows: Sequence[RowMapping], part: int) -> Iterable[RowMapping]:
    return (row for row in rows if row["part"] == part)


def _totals(row: RowMapping) -> dict[str, object]:
    return {name: row[name] for name in RunTotals.model_fields}


def _flow(row: RowMapping) -> FlowTotals:
    return FlowTotals.model_validate(
        {**_totals(row), "flow_id": row["flow_id"], "flow_name": row["flow_name"], "flow_type": row["flow_type"]}
    )


def _days(period: Period, rows: Iterable[RowMapping]) -> list[DayTotals]:
    # `width_bucket` counts from one: what began before the first border is in none, and none does.
    found = {row["day"]: row for row in rows}
    return [
        DayTotals.model_validate({**(_totals(found[place]) if place in found else {}), "day": day})
        for place, day in enumerate(period.days, start=1)
    ]
