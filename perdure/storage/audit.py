"""The audit log in PostgreSQL: adding to it, sealing, reading, checking. Most of it comes from triggers (0011)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import ColumnElement, Select, and_, func, insert, literal, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.audit import (
    AuditEvent,
    AuditLink,
    AuditPage,
    AuditProblem,
    AuditQuery,
    AuditVerdict,
    Deed,
    called_from,
)
from perdure.storage.audit_tables import AuditChainRow, AuditCountRow, AuditHeadRow, AuditRow, AuditUnsealedRow
from perdure.storage.engine import Sessions, Single

SEALED_AT_ONCE = 1000
"""Entries that one transaction seals: others who seal the same tenant's wait for it."""

_EXPORTED_AT_ONCE = 500
_MOST_PROBLEMS = 100
_CHECKED_AT_ONCE = 100_000
# What is sealed meanwhile is another moment's, and would look like a chain that does not end where its head says.
_ONE_MOMENT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
_SEAL = text("SELECT audit_seal(:tenant, :most)")
_WAITING = text("SELECT DISTINCT tenant_id FROM audit_unsealed WHERE tenant_id > :after ORDER BY 1 LIMIT 100")
# Each link is checked against what stands beside it, so a pass finds all places at once; the one at `after` is the last
# of the pass before.
_CHECK = text(
    """
    WITH walked AS (
        SELECT c.position, c.log_id, c.row_hash, c.hash, l.id AS found,
            lag(c.hash, 1, ''::bytea) OVER chain AS link_before,
            lag(c.position, 1, 0::bigint) OVER chain AS place_before,
            sha256(convert_to(audit_canonical(l), 'UTF8')) AS row_hash_now
        FROM audit_chain AS c LEFT JOIN audit_log AS l ON l.id = c.log_id
        WHERE c.tenant_id = :tenant AND c.position BETWEEN :after AND :upto WINDOW chain AS (ORDER BY c.position)
    ), judged AS (
        SELECT position, log_id, CASE
            WHEN found IS NULL OR position <> place_before + 1 THEN 'removed'
            WHEN row_hash_now <> row_hash THEN 'altered'
            WHEN hash <> sha256(link_before || row_hash) THEN 'reordered'
        END AS problem FROM walked
    )
    SELECT * FROM judged WHERE problem IS NOT NULL AND position > :after ORDER BY position LIMIT :most
""".replace("::", "\\:\\:")
)
_UNCHAINED = text("""
    SELECT l.id FROM audit_log AS l WHERE l.tenant_id = :tenant
        AND NOT EXISTS (SELECT FROM audit_chain AS c WHERE c.log_id = l.id)
        AND NOT EXISTS (SELECT FROM audit_unsealed AS u WHERE u.log_id = l.id)
    ORDER BY l.id LIMIT :most
""")
_SENTENCES = {
    "altered": "Entry {id} at place {position} is not what it was when it was sealed.",
    "removed": "An entry or a link before place {position} (entry {id}) or at it is gone.",
    "reordered": "The link at place {position} (entry {id}) does not follow the one before it.",
    "inserted": "Entry {id} was never sealed and does not wait for it: somebody put it there.",
    "cut off": "The chain ends at place {position}; links after it are gone, or its head was changed.",
}


async def note(connection: AsyncConnection | AsyncSession, deed: Deed) -> None:
    """Add to the log what no table's trigger sees. From where it was asked is known by `called_from`."""
    await connection.execute(
        insert(AuditRow).values(
            tenant_id=deed.tenant_id,
            user_id=deed.user_id,
            event_type=deed.event_type,
            aggregate_type=deed.aggregate_type,
            aggregate_id=deed.aggregate_id,
            event_data=dict(deed.data),
            event_metadata=called_from() or {"source": "command line"},
            timestamp=datetime.now(UTC),
        )
    )


async def seal(sessions: Sessions, tenant_id: int) -> int:
    """Give a tenant's entries that have none their places in its chain; how many. One sealer at a time."""
    sealed = 0
    while True:
        async with sessions.begin() as session:
            count = int(await session.scalar(_SEAL, {"tenant": tenant_id, "most": SEALED_AT_ONCE}) or 0)
        sealed += count
        if count < SEALED_AT_ONCE:
            return sealed


async def seal_all(sessions: Sessions) -> int:
    """Seal what waits, tenant by tenant; how many entries that were."""
    sealed, after = 0, -1
    while True:
        async with sessions() as session:
            waiting = list(await session.scalars(_WAITING, {"after": after}))
        if not waiting:
            return sealed
        for tenant_id in waiting:
            sealed += await seal(sessions, tenant_id)
        after = waiting[-1]


async def read_audit(connection: AsyncConnection, query: AuditQuery, *, limit: int, offset: int) -> AuditPage:
    """A page of the log, newest first, and how many entries match in all."""
    found = await connection.execute(
        select(
            AuditRow.id,
            AuditRow.aggregate_id,
            AuditRow.aggregate_type,
            AuditRow.event_type,
            AuditRow.event_data,
            AuditRow.before,
            AuditRow.user_id,
            AuditRow.event_metadata.label("metadata"),
            AuditRow.timestamp,
            AuditRow.version,
        )
        .where(*_matching(query))
        .order_by(AuditRow.timestamp.desc(), AuditRow.id.desc())
        .limit(limit)
        .offset(offset)
    )
    total = await connection.scalar(_total(query))
    return AuditPage(
        events=[AuditEvent.model_validate({**row}) for row in found.mappings()], total_count=int(total or 0)
    )


def _matching(query: AuditQuery) -> list[ColumnElement[bool]]:
    wanted = [AuditRow.tenant_id == query.tenant_id]
    if query.user_id is not None:
        wanted.append(AuditRow.user_id == query.user_id)
    if query.aggregate_types:
        wanted.append(AuditRow.aggregate_type.in_(query.aggregate_types))
    if query.event_types:
        wanted.append(AuditRow.event_type.in_(query.event_types))
    if query.from_date is not None:
        wanted.append(AuditRow.timestamp >= query.from_date)
    if query.to_date is not None:
        wanted.append(AuditRow.timestamp < query.to_date)
    return wanted


def _total(query: AuditQuery) -> Select[int]:
    """Count without reading what is counted already: whole days that are sealed.

    One statement, so of one moment: an entry that is sealed meanwhile is counted once.
    """
    first_day = _day_from(query.from_date) if query.from_date else None
    last_day = _day_of(query.to_date) if query.to_date else None
    if first_day is not None and last_day is not None and first_day >= last_day:
        return select(func.count()).select_from(AuditRow).where(*_matching(query))
    kept = [AuditCountRow.tenant_id == query.tenant_id]
    if query.user_id is not None:
        kept.append(AuditCountRow.user_id == query.user_id)
    if query.aggregate_types:
        kept.append(AuditCountRow.aggregate_type.in_(query.aggregate_types))
    if query.event_types:
        kept.append(AuditCountRow.event_type.in_(query.event_types))
    within, edges = list[ColumnElement[bool]](), list[ColumnElement[bool]]()
    if first_day is not None:
        kept.append(AuditCountRow.day >= first_day.date())
        within.append(AuditRow.timestamp >= first_day)
        edges.append(AuditRow.timestamp < first_day)
    if last_day is not None:
        kept.append(AuditCountRow.day < last_day.date())
        within.append(AuditRow.timestamp < last_day)
        edges.append(AuditRow.timestamp >= last_day)
    days = select(func.coalesce(func.sum(AuditCountRow.count), 0)).where(*kept).scalar_subquery()
    waiting = (
        select(func.count())
        .select_from(AuditUnsealedRow)
        .join(AuditRow, AuditRow.id == AuditUnsealedRow.log_id)
        .where(AuditUnsealedRow.tenant_id == query.tenant_id, and_(*_matching(query), *within))
        .scalar_subquery()
    )
    parts = (
        select(func.count()).select_from(AuditRow).where(*_matching(query), or_(*edges)).scalar_subquery()
        if edges
        else literal(0)
    )
    return select(days + waiting + parts)


def _day_of(at: datetime) -> datetime:
    """The beginning of the instant's day in UTC."""
    return datetime.combine(at.astimezone(UTC).date(), time(), tzinfo=UTC)


def _day_from(at: datetime) -> datetime:
    """The beginning of the first day in UTC that lies wholly after the instant or begins with it."""
    day = _day_of(at)
    return day if day == at else day + timedelta(days=1)


async def verify(connection: AsyncConnection, tenant_id: int, *, at_once: int = _CHECKED_AT_ONCE) -> AuditVerdict:
    """Compare a tenant's sealed entries with its chain, and the chain with its head. Reads all of them.

    `connection` has begun its transaction and done nothing in it yet: all that is compared is of one moment.
    """
    await connection.execute(_ONE_MOMENT)
    problems = await _check_links(connection, tenant_id, at_once)
    stray = await connection.scalars(_UNCHAINED, {"tenant": tenant_id, "most": _MOST_PROBLEMS})
    problems += [_problem("inserted", None, log_id) for log_id in stray]
    head = (
        await connection.execute(
            select(AuditHeadRow.position, AuditHeadRow.hash).where(AuditHeadRow.tenant_id == tenant_id)
        )
    ).one_or_none()
    last = (
        await connection.execute(
            select(AuditChainRow.position, AuditChainRow.log_id, AuditChainRow.hash)
            .where(AuditChainRow.tenant_id == tenant_id)
            .order_by(AuditChainRow.position.desc())
            .limit(1)
        )
    ).one_or_none()
    if (head and (head.position, head.hash)) != (last and (last.position, last.hash)):
        problems.append(_problem("cut off", last.position if last else 0, last.log_id if last else None))
    return AuditVerdict(
        valid=not problems,
        entries=last.position if last else 0,
        head=last.hash.hex() if last else None,
        problems=problems[:_MOST_PROBLEMS],
    )


async def _check_links(connection: AsyncConnection, tenant_id: int, at_once: int) -> list[AuditProblem]:
    """What is wrong with the links and their entries, some at a time: each statement ends within its time."""
    ends = await connection.scalar(select(func.max(AuditChainRow.position)).where(AuditChainRow.tenant_id == tenant_id))
    problems: list[AuditProblem] = []
    for after in range(0, ends or 0, at_once):
        part = {"tenant": tenant_id, "after": after, "upto": after + at_once, "most": _MOST_PROBLEMS}
        found = await connection.execute(_CHECK, part)
        problems += [_problem(row.problem, row.position, row.log_id) for row in found]
        if len(problems) >= _MOST_PROBLEMS:
            break
    return problems


def _problem(kind: str, position: int | None, log_id: int | None) -> AuditProblem:
    sentence = _SENTENCES[kind].format(position=position, id=log_id)
    return AuditProblem.model_validate({"position": position, "id": log_id, "problem": kind, "sentence": sentence})


async def export(single: Single, tenant_id: int) -> AsyncIterator[AuditLink]:
    """A tenant's sealed entries with their links, in the order of the chain; a page in memory at a time."""
    after = 0
    while True:
        async with single.connect() as connection:
            found = await connection.execute(
                select(
                    AuditChainRow.position,
                    AuditChainRow.row_hash,
                    AuditChainRow.hash,
                    func.audit_canonical(text("audit_log")).label("entry"),
                )
                .join(AuditRow, AuditRow.id == AuditChainRow.log_id)
                .where(AuditChainRow.tenant_id == tenant_id, AuditChainRow.position > after)
                .order_by(AuditChainRow.position)
                .limit(_EXPORTED_AT_ONCE)
            )
            page = found.all()
        for row in page:
            yield AuditLink(position=row.position, entry=row.entry, row_hash=row.row_hash.hex(), hash=row.hash.hex())
        if len(page) < _EXPORTED_AT_ONCE:
            return
        after = page[-1].position
