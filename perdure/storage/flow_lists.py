"""Lists of flows, fast among a hundred thousand: which index serves what is said in migration 0002."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    GenerativeSelect,
    Subquery,
    Text,
    and_,
    cast,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from perdure.domain.flow_lists import FlowPage, FlowQuery, Scope, SortBy, SortOrder
from perdure.storage.flows import VIEW_COLUMNS, view_of
from perdure.storage.tables import FlowActivityRow, FlowRow, FlowTotalRow

_SORT_KEYS: dict[SortBy, InstrumentedAttribute[Any]] = {
    SortBy.NAME: FlowRow.name_key,
    SortBy.CREATED_AT: FlowRow.created_at,
    SortBy.UPDATED_AT: FlowRow.updated_at,
    SortBy.EXECUTION_COUNT: FlowActivityRow.execution_count,
}


@dataclass(frozen=True)
class _Parts:
    """The two halves of a list: the page's ids in order, and how many match on all pages."""

    page: Subquery
    total: GenerativeSelect


async def list_flows(connection: AsyncConnection | AsyncSession, user_id: int, query: FlowQuery) -> FlowPage:
    """Read one page and the total, in one statement and so of one moment."""
    found = await connection.execute(list_statement(user_id, query))
    rows = found.mappings().all()
    total = int(rows[0]["total"])
    flows = [view_of({name: row[name] for name in _VIEW_NAMES}) for row in rows if row["id"] is not None]
    return FlowPage(flows=flows, total=total, page=query.page, page_size=query.page_size)


_VIEW_NAMES = tuple(column.key for column in VIEW_COLUMNS)


def list_statement(user_id: int, query: FlowQuery) -> Executable:
    """Build the statement of a list: always a row, with `total`; the flow's columns are null when the page is empty."""
    searching = bool(query.tags or (query.search and query.search.strip()))
    parts = _by_matching(user_id, query) if searching else _by_index(user_id, query)
    total = parts.total.subquery("counted")
    page = parts.page
    return (
        select(total.c.total, *VIEW_COLUMNS)
        .select_from(total)
        .outerjoin(page, true())
        .outerjoin(FlowRow, FlowRow.id == page.c.id)
        .outerjoin(FlowActivityRow, FlowActivityRow.flow_id == page.c.id)
        .order_by(*_order(query, page.c.sort_key, page.c.id))
    )


def _by_index(user_id: int, query: FlowQuery) -> _Parts:
    """An index has the page in order, and the total is kept or counted from an index alone."""
    conditions = _conditions(user_id, query)
    if query.category is None and query.scope is Scope.OWN:
        kept = [FlowTotalRow.user_id == user_id]
        if query.flow_type is not None:
            kept.append(FlowTotalRow.flow_type == query.flow_type.value)
        if query.is_active is not None:
            kept.append(FlowTotalRow.is_active == query.is_active)
        total = select(func.coalesce(func.sum(FlowTotalRow.flows), 0).label("total")).where(*kept)
    else:
        total = select(func.count().label("total")).select_from(FlowRow).where(*conditions)
    return _Parts(page=_cut(_matching(user_id, query, conditions), query), total=total)


def _by_matching(user_id: int, query: FlowQuery) -> _Parts:
    """All that match are found once, then counted and sorted: the total needs them all anyway."""
    matched = _matching(user_id, query, _conditions(user_id, query)).cte("matched")
    total = select(func.count().label("total")).select_from(matched)
    return _Parts(page=_cut(select(matched.c.id, matched.c.sort_key), query), total=total)


def _matching(user_id: int, query: FlowQuery, conditions: list[ColumnElement[bool]]) -> GenerativeSelect:
    if query.sort_by is not SortBy.EXECUTION_COUNT:
        return select(FlowRow.id, _SORT_KEYS[query.sort_by].label("sort_key")).where(*conditions)
    activity = and_(FlowActivityRow.flow_id == FlowRow.id, FlowActivityRow.user_id == FlowRow.user_id)
    if query.scope is Scope.OWN:
        conditions = [*conditions, FlowActivityRow.user_id == user_id]
    if query.flow_type is not None:
        conditions = [*conditions, FlowActivityRow.flow_type == query.flow_type.value]
    return (
        select(FlowActivityRow.flow_id.label("id"), FlowActivityRow.execution_count.label("sort_key"))
        .join(FlowRow, activity)
        .where(*conditions)
    )


def _cut(matching: GenerativeSelect, query: FlowQuery) -> Subquery:
    """Cut the page out by ids and sort keys alone; whole rows are read for the page only."""
    ordered = matching.order_by(*_order(query, literal_column("sort_key"), literal_column("id")))
    return ordered.limit(query.page_size).offset((query.page - 1) * query.page_size).subquery("page")


def _order(query: FlowQuery, *keys: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    # Ties go the same way as the key, so that one index serves both directions.
    return [key.desc() if query.sort_order is SortOrder.DESC else key.asc() for key in keys]


def _conditions(user_id: int, query: FlowQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [FlowRow.deleted_at.is_(None)]
    if query.scope is Scope.OWN:
        conditions.append(FlowRow.user_id == user_id)
    else:
        conditions.extend((FlowRow.is_public == true(), FlowRow.user_id != user_id))
    if query.flow_type is not None:
        conditions.append(FlowRow.flow_type == query.flow_type.value)
    if query.is_active is not None:
        conditions.append(FlowRow.is_active == query.is_active)
    if query.category is not None:
        conditions.append(FlowRow.category == query.category)
    if query.tags:
        conditions.append(_tagged(user_id, query))
    if query.search and (words := query.search.strip()):
        folded = func.search_fold(words)
        if query.scope is Scope.OWN:
            grams = func.search_grams(FlowRow.user_id, FlowRow.search_text)
            conditions.append(grams.op("@>")(func.search_needles(user_id, folded)))
        # Exact, and nothing in the words is a wildcard.
        conditions.append(func.strpos(FlowRow.search_text, folded) > 0)
    return conditions


def _tagged(user_id: int, query: FlowQuery) -> ColumnElement[bool]:
    if query.scope is Scope.PUBLIC:
        return FlowRow.tags.overlap(query.tags)
    tags = func.owned_tags(FlowRow.user_id, FlowRow.tags)
    return tags.op("&&")(func.owned_tags(user_id, cast(query.tags, ARRAY(Text))))
