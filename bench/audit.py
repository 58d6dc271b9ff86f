"""`python -m bench.audit`: pages and totals of a large audit log over HTTP, and how fast it is sealed and checked.

The log is one user's, over two years, loaded with the triggers off and its counters made as sealing makes them; a part
of it is sealed for real. 10,000,000 entries take some 6 GB of disk and ten minutes.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import asyncpg
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.measure import sample
from tests.support.product import Product

ROWS = 1_000_000
AT_ONCE = 500_000
SEALED = 100_000
DAYS = 730
_LOAD = """
    INSERT INTO audit_log
        (tenant_id, user_id, event_type, aggregate_type, aggregate_id, event_data, metadata, timestamp)
    SELECT $1, $1,
        CASE WHEN n % 10000 = 0 THEN 'FlowDeleted' WHEN n % 100 = 0 THEN 'FlowUpdated'
            WHEN n % 2 = 0 THEN 'ExecutionStarted' ELSE 'ExecutionCompleted' END,
        CASE WHEN n % 100 = 0 THEN 'Flow' ELSE 'Execution' END,
        'a' || n / 2, '{"flow_name": "Team", "status": "completed", "duration_ms": 812}',
        '{"source": "api", "ip": "192.0.2.1", "user_agent": "bench"}',
        now() - interval '1 day' * $4::int * (1 - n::float8 / $5::float8)
    FROM generate_series($2::bigint, $3::bigint) AS n
"""
_COUNT = """
    INSERT INTO audit_counts SELECT tenant_id, (timestamp AT TIME ZONE 'UTC')::date, event_type, aggregate_type,
        user_id, count(*) FROM audit_log WHERE tenant_id = $1 AND user_id IS NOT NULL AND NOT EXISTS
        (SELECT FROM audit_unsealed AS u WHERE u.log_id = audit_log.id) GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT DO NOTHING
"""
_TO_SEAL = "INSERT INTO audit_unsealed SELECT id, $1 FROM audit_log WHERE tenant_id = $1 ORDER BY id DESC LIMIT $2"
QUERIES = {
    "the newest 100": "",
    "one type, half of all": "event_type=ExecutionCompleted",
    "one type, one in 10,000": "event_type=FlowDeleted",
    "flows of one month": "aggregate_type=Flow&from_date=2026-02-10T08:00:00Z&to_date=2026-03-12T17:00:00Z",
    "by who, since a day, the 500th page": "user_id={user}&from_date=2026-01-05T00:00:00Z&offset=50000",
}


class AuditFigure(BaseModel):
    """One query, in milliseconds over HTTP, its exact total included."""

    model_config = ConfigDict(frozen=True)

    query: str
    entries: int
    matching: int
    calls: int
    p50_ms: float
    p99_ms: float


class Sealing(BaseModel):
    """How many entries a second are sealed, and checked."""

    model_config = ConfigDict(frozen=True)

    entries: int
    sealed_per_second: float
    verified_per_second: float


async def _load(database: asyncpg.Connection, tenant: int, rows: int, progress: Progress) -> None:
    await database.execute("SET session_replication_role = replica")
    task = progress.add_task(f"{rows:,} entries", total=rows)
    for first in range(0, rows, AT_ONCE):
        last = min(first + AT_ONCE, rows) - 1
        await database.execute(_LOAD, tenant, first, last, DAYS, rows, timeout=600)
        progress.advance(task, last - first + 1)
    await database.execute("SET session_replication_role = origin")
    task = progress.add_task("counting and analyzing", total=None)
    await database.execute(_COUNT, tenant, timeout=600)
    await database.execute("VACUUM ANALYZE audit_log", timeout=600)
    progress.update(task, total=1, completed=1)


async def _queries(product: Product, user: int, rows: int, calls: int) -> list[AuditFigure]:
    figures: list[AuditFigure] = []
    for name, query in QUERIES.items():
        path = f"/api/events/audit?{query.format(user=user)}"
        matching = int(str((await product.get(path))["total_count"]))
        taken = await sample(lambda path=path: product.read(path), calls=calls, at_once=1)
        figures.append(
            AuditFigure(
                query=name,
                entries=rows,
                matching=matching,
                calls=calls,
                p50_ms=statistics.median(taken.times_ms),
                p99_ms=sorted(taken.times_ms)[calls * 99 // 100],
            )
        )
    return figures


async def _seal(database: asyncpg.Connection, tenant: int, entries: int) -> Sealing:
    await database.execute("DELETE FROM audit_counts WHERE tenant_id = $1", tenant)
    await database.execute(_TO_SEAL, tenant, entries, timeout=600)
    began = time.perf_counter()
    while await database.fetchval("SELECT audit_seal($1, 1000)", tenant):
        pass
    sealed = time.perf_counter()
    await database.fetchval(
        "SELECT count(sha256(convert_to(audit_canonical(l), 'UTF8'))) FROM audit_chain AS c"
        " JOIN audit_log AS l ON l.id = c.log_id WHERE c.tenant_id = $1",
        tenant,
        timeout=600,
    )
    return Sealing(
        entries=entries,
        sealed_per_second=entries / (sealed - began),
        verified_per_second=entries / (time.perf_counter() - sealed),
    )


async def run(rows: int, calls: int) -> tuple[list[AuditFigure], Sealing]:
    """Start the product, load the log, ask, seal, stop."""
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder, Progress() as progress:
        async with Product(Path(folder), {}) as product:
            await product.start("up")
            await product.log_in()
            user = int(str((await product.get("/api/auth/me"))["id"]))
            address = product.database_url.replace("+asyncpg", "")
            database = await asyncpg.connect(address)
            await _load(database, user, rows, progress)
            figures = await _queries(product, user, rows, calls)
            sealing = await _seal(database, user, min(SEALED, rows))
            await database.close()
            return figures, sealing


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="entries of the log")
    parser.add_argument("--calls", type=int, default=200, help="calls of each query")
    parser.add_argument("--json", type=Path, help="write the figures there too, one a line")
    arguments = parser.parse_args()
    figures, sealing = asyncio.run(run(arguments.rows, arguments.calls))
    table = Table(title=f"Pages of 100 of {arguments.rows:,} entries, with totals", title_justify="left")
    for column in ("query", "matching", "p50 ms", "p99 ms"):
        table.add_column(column, justify="left" if column == "query" else "right")
    for each in figures:
        table.add_row(each.query, f"{each.matching:,}", f"{each.p50_ms:.1f}", f"{each.p99_ms:.1f}")
    Console().print(table)
    Console().print(
        f"sealed {sealing.sealed_per_second:,.0f} entries/s, checked {sealing.verified_per_second:,.0f} entries/s"
    )
    if arguments.json:
        lines = [figure.model_dump_json() for figure in figures] + [sealing.model_dump_json()]
        arguments.json.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
