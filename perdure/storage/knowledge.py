"""Knowledge bases in PostgreSQL. Every change counts its version up and writes its event in the same transaction."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

from pydantic import JsonValue
from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.errors import NotFoundError
from perdure.domain.events import Event
from perdure.domain.knowledge import (
    Document,
    KnowledgeBase,
    KnowledgeBaseCreate,
    KnowledgeBaseFields,
    KnowledgeBasePage,
)
from perdure.domain.users import Origin
from perdure.storage.events import append
from perdure.storage.knowledge_tables import KnowledgeBaseRow

_BASES = cast("Table", KnowledgeBaseRow.__table__)
_VIEW = tuple(_BASES.c[name] for name in KnowledgeBase.model_fields)


def no_knowledge_base(knowledgebase_id: object) -> NotFoundError:
    """What to say of a knowledge base that is not there or not the caller's."""
    return NotFoundError(f"There is no knowledge base '{knowledgebase_id}', or it is not yours: check its id.")


async def create_knowledge_base(session: AsyncSession, origin: Origin, fields: KnowledgeBaseCreate) -> KnowledgeBase:
    """Keep a new, empty knowledge base of the caller's at version 1."""
    now = datetime.now(UTC)
    base = KnowledgeBase(
        id=uuid4(),
        user_id=origin.user_id,
        **fields.model_dump(exclude={"embedding_dimension"}),
        embedding_dimension=fields.dimension,
        version=1,
        document_count=0,
        chunk_count=0,
        created_at=now,
        updated_at=now,
    )
    await session.execute(insert(_BASES), base.model_dump())
    await append(session, _event("KnowledgeBaseCreated", base, origin, {}))
    return base


async def read_knowledge_base(
    connection: AsyncConnection | AsyncSession, knowledgebase_id: UUID, *, user_id: int
) -> KnowledgeBase:
    """Read one of this user's. Raises NotFoundError."""
    return (await read_knowledge_bases(connection, [knowledgebase_id], user_id=user_id))[0]


async def read_knowledge_bases(
    connection: AsyncConnection | AsyncSession, knowledgebase_ids: Sequence[UUID], *, user_id: int
) -> list[KnowledgeBase]:
    """Read several of this user's, in the order of the ids. Raises NotFoundError for the first that is missing."""
    found = await connection.execute(
        select(*_VIEW).where(
            _BASES.c.id.in_(knowledgebase_ids), _BASES.c.user_id == user_id, _BASES.c.deleted_at.is_(None)
        )
    )
    bases = {row["id"]: KnowledgeBase.model_validate({**row}) for row in found.mappings()}
    for knowledgebase_id in knowledgebase_ids:
        if knowledgebase_id not in bases:
            raise no_knowledge_base(knowledgebase_id)
    return [bases[knowledgebase_id] for knowledgebase_id in knowledgebase_ids]


async def read_base_of_ingestion(connection: AsyncConnection, knowledgebase_id: UUID) -> KnowledgeBase:
    """Read one, whoever's it is, for the worker. Raises NotFoundError."""
    found = await connection.execute(
        select(*_VIEW).where(_BASES.c.id == knowledgebase_id, _BASES.c.deleted_at.is_(None))
    )
    row = found.mappings().one_or_none()
    if row is None:
        raise no_knowledge_base(knowledgebase_id)
    return KnowledgeBase.model_validate({**row})


async def list_knowledge_bases(
    connection: AsyncConnection, *, user_id: int, page: int, page_size: int
) -> KnowledgeBasePage:
    """List this user's, newest first."""
    own = (_BASES.c.user_id == user_id, _BASES.c.deleted_at.is_(None))
    total = await connection.scalar(select(func.count()).select_from(_BASES).where(*own))
    found = await connection.execute(
        select(*_VIEW)
        .where(*own)
        .order_by(_BASES.c.created_at.desc(), _BASES.c.id.desc())
        .limit(page_size)
        .offset((page - 1) * page_size)
    )
    bases = [KnowledgeBase.model_validate({**row}) for row in found.mappings()]
    return KnowledgeBasePage(knowledgebases=bases, total=total or 0, page=page, page_size=page_size)


async def lock_knowledge_base(session: AsyncSession, knowledgebase_id: UUID, *, user_id: int | None) -> KnowledgeBase:
    """Read one and hold its row, so that changes at the same time follow one another; None: whoever's it is.

    Raises NotFoundError.
    """
    # Not the strongest lock: chunks that refer to the row may be written meanwhile.
    query = (
        select(*_VIEW)
        .where(_BASES.c.id == knowledgebase_id, _BASES.c.deleted_at.is_(None))
        .with_for_update(key_share=True)
    )
    if user_id is not None:
        query = query.where(_BASES.c.user_id == user_id)
    row = (await session.execute(query)).mappings().one_or_none()
    if row is None:
        raise no_knowledge_base(knowledgebase_id)
    return KnowledgeBase.model_validate({**row})


async def share_knowledge_base(session: AsyncSession, knowledgebase_id: UUID) -> KnowledgeBase:
    """Read one and keep others from changing it, beside others who do the same. Raises NotFoundError."""
    found = await session.execute(
        select(*_VIEW).where(_BASES.c.id == knowledgebase_id, _BASES.c.deleted_at.is_(None)).with_for_update(read=True)
    )
    row = found.mappings().one_or_none()
    if row is None:
        raise no_knowledge_base(knowledgebase_id)
    return KnowledgeBase.model_validate({**row})


async def change_knowledge_base(
    session: AsyncSession, origin: Origin, base: KnowledgeBase, fields: KnowledgeBaseFields
) -> KnowledgeBase:
    """Change the settings of one that is held; what changes nothing makes no version."""
    before, after = base.fields.model_dump(), fields.model_dump()
    changed = sorted(name for name, value in after.items() if value != before[name])
    if not changed:
        return base
    return await record_change(
        session, base, origin, "KnowledgeBaseUpdated", values=after, data={"changed": list[JsonValue](changed)}
    )


async def delete_knowledge_base(session: AsyncSession, origin: Origin, base: KnowledgeBase) -> None:
    """Mark one that is held as deleted: nobody finds it from here on, and housekeeping empties it (`storage.emptying`).

    Its row stays for its events.
    """
    emptied = {"deleted_at": datetime.now(UTC), "document_count": 0, "chunk_count": 0}
    await record_change(session, base, origin, "KnowledgeBaseDeleted", values=emptied)


async def record_change(
    session: AsyncSession,
    base: KnowledgeBase,
    origin: Origin | None,
    event_type: str,
    *,
    values: Mapping[str, Any] | None = None,
    data: Mapping[str, JsonValue] | None = None,
) -> KnowledgeBase:
    """Write the next version of a knowledge base that is held, and its event; without an origin, by the worker."""
    following = {**(values or {}), "version": base.version + 1, "updated_at": max(datetime.now(UTC), base.updated_at)}
    await session.execute(update(_BASES).where(_BASES.c.id == base.id).values(following))
    changed = KnowledgeBase.model_validate({**base.model_dump(), **following})
    await append(session, _event(event_type, changed, origin, data or {}))
    return changed


def document_data(document: Document) -> dict[str, JsonValue]:
    """What an event tells of a document."""
    told = document.model_dump(mode="json", exclude={"created_at", "updated_at", "chunks_done"})
    return {"document": cast("dict[str, JsonValue]", told)}


def _event(event_type: str, base: KnowledgeBase, origin: Origin | None, data: Mapping[str, JsonValue]) -> Event:
    return Event(
        aggregate_id=str(base.id),
        aggregate_type="KnowledgeBase",
        event_type=event_type,
        event_data={"knowledgebase": cast("JsonValue", base.model_dump(mode="json")), **data},
        user_id=origin.user_id if origin else base.user_id,
        metadata=origin.metadata if origin else {"by": "worker"},
        timestamp=base.updated_at,
        version=base.version,
    )
