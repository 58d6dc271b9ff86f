"""Knowledge bases, their documents, and the search in them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import BaseModel, JsonValue
from starlette.datastructures import UploadFile

from api import knowledge_examples as examples
from api.bodies import StrictJsonRoute
from api.deps import Caller, OriginDep, ReaderDep, RuntimeDep
from api.problems import problems
from perdure.domain.errors import FieldProblem, UnavailableError, UnprocessableError, UnsupportedMediaTypeError
from perdure.domain.knowledge import (
    Document,
    DocumentPage,
    DocumentStatus,
    KnowledgeBase,
    KnowledgeBaseCreate,
    KnowledgeBasePage,
    SearchRequest,
    SearchResults,
)
from perdure.domain.text import storable
from perdure.knowledge import change, search, take_in
from perdure.llm import ModelCallError
from perdure.storage import documents, knowledge
from perdure.storage.reindexing import cancel_reindex

PREFIX = "/api/agent-builder/knowledgebases"
_LONGEST_NAME = 255

router = APIRouter(prefix=PREFIX, tags=["knowledge bases"], route_class=StrictJsonRoute)

Page = Annotated[int, Query(ge=1, le=10_000_000, description="From 1.")]
PageSize = Annotated[int, Query(ge=1, le=100)]


class Deleted(BaseModel):
    """What was deleted."""

    success: Literal[True] = True
    id: UUID


def _answers(example: dict[str, Any], *statuses: int) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {"application/json": {"example": example}}}, **problems(*statuses)}


@router.post(
    "",
    operation_id="createKnowledgeBase",
    responses=_answers(examples.KNOWLEDGE_BASE, 400, 401, 413, 415, 422, 503),
)
async def create(
    body: Annotated[KnowledgeBaseCreate, Body(openapi_examples=examples.KNOWLEDGE_BASE_BODIES)],
    origin: OriginDep,
    runtime: RuntimeDep,
    response: Response,
) -> KnowledgeBase:
    """Make a knowledge base. Only `name` is needed; `PUT` changes it later, its embedding model too."""
    async with runtime.sessions.begin() as session:
        base = await knowledge.create_knowledge_base(session, origin, body)
    response.headers["Location"] = f"{PREFIX}/{base.id}"
    return base


@router.get("", operation_id="listKnowledgeBases", responses=problems(401, 422, 503))
async def list_page(caller: Caller, reader: ReaderDep, page: Page = 1, page_size: PageSize = 20) -> KnowledgeBasePage:
    """List the caller's knowledge bases, newest first."""
    async with reader.connect() as connection:
        return await knowledge.list_knowledge_bases(connection, user_id=caller.id, page=page, page_size=page_size)


@router.get(
    "/{knowledgebase_id}",
    operation_id="getKnowledgeBase",
    responses=_answers(examples.KNOWLEDGE_BASE, 401, 404, 503),
)
async def read_one(knowledgebase_id: UUID, caller: Caller, reader: ReaderDep) -> KnowledgeBase:
    """Read one of the caller's knowledge bases."""
    async with reader.connect() as connection:
        return await knowledge.read_knowledge_base(connection, knowledgebase_id, user_id=caller.id)


@router.put(
    "/{knowledgebase_id}",
    operation_id="updateKnowledgeBase",
    responses=_answers(examples.KNOWLEDGE_BASE, 400, 401, 404, 413, 415, 422, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/KnowledgeBaseUpdate"},
                    "examples": examples.KNOWLEDGE_BASE_CHANGES,
                }
            },
        }
    },
)
async def change_one(
    knowledgebase_id: UUID, body: dict[str, JsonValue], origin: OriginDep, runtime: RuntimeDep
) -> KnowledgeBase:
    """Change the fields that are given; the others stay. Chunk settings hold for documents that come after.

    Another `embedding_model` starts a re-index: `reindex` says how far it is, searches go on with the old model until
    it is done. One under way to yet another model is superseded.
    """
    return await change(runtime, origin, knowledgebase_id, body)


@router.post(
    "/{knowledgebase_id}/reindex/cancel",
    operation_id="cancelReindex",
    responses=_answers(examples.KNOWLEDGE_BASE, 401, 404, 409, 503),
)
async def cancel_one(knowledgebase_id: UUID, origin: OriginDep, runtime: RuntimeDep) -> KnowledgeBase:
    """Cancel the re-index under way: the knowledge base keeps its embedding model."""
    async with runtime.sessions.begin() as session:
        base = await knowledge.lock_knowledge_base(session, knowledgebase_id, user_id=origin.user_id)
        return await cancel_reindex(session, origin, base)


@router.delete("/{knowledgebase_id}", operation_id="deleteKnowledgeBase", responses=problems(401, 404, 503))
async def delete_one(knowledgebase_id: UUID, origin: OriginDep, runtime: RuntimeDep) -> Deleted:
    """Delete a knowledge base with its documents and chunks; its events stay readable."""
    async with runtime.sessions.begin() as session:
        base = await knowledge.lock_knowledge_base(session, knowledgebase_id, user_id=origin.user_id)
        await knowledge.delete_knowledge_base(session, origin, base)
    return Deleted(id=knowledgebase_id)


@router.post(
    "/{knowledgebase_id}/documents",
    operation_id="addDocument",
    responses=_answers(examples.DOCUMENT, 400, 401, 404, 413, 415, 422, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {"file": {"type": "string", "format": "binary"}},
                    }
                }
            },
        }
    },
)
async def add_document(
    knowledgebase_id: UUID, request: Request, origin: OriginDep, runtime: RuntimeDep, response: Response
) -> Document:
    """Upload a document: PDF, DOCX, HTML, Markdown, plain text, CSV or JSON, in the field `file`.

    The answer comes at once with `status` `pending`; read the document again to see how far it is. One that cannot be
    taken in becomes `failed`, and `error_message` says why.
    """
    # Read here and not by FastAPI, which would take the whole body in before it asks who calls.
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise UnsupportedMediaTypeError("Send the document as multipart/form-data, in the field `file`.")
    async with request.form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            problem = FieldProblem(loc=["body", "file"], msg="This field is required, and must be a file.")
            raise UnprocessableError(f"file: {problem.msg}", errors=[problem])
        document = await take_in(
            runtime,
            origin,
            knowledgebase_id,
            name=storable(file.filename or "document")[-_LONGEST_NAME:],
            media_type=file.content_type,
            file=file,
        )
    response.headers["Location"] = f"{PREFIX}/{knowledgebase_id}/documents/{document.id}"
    return document


@router.get("/{knowledgebase_id}/documents", operation_id="listDocuments", responses=problems(401, 404, 422, 503))
async def list_documents(
    knowledgebase_id: UUID,
    caller: Caller,
    reader: ReaderDep,
    page: Page = 1,
    page_size: PageSize = 20,
    status: DocumentStatus | None = None,
) -> DocumentPage:
    """List a knowledge base's documents, newest first."""
    async with reader.connect() as connection:
        await knowledge.read_knowledge_base(connection, knowledgebase_id, user_id=caller.id)
        return await documents.list_documents(
            connection, knowledgebase_id, status=status, page=page, page_size=page_size
        )


@router.get(
    "/{knowledgebase_id}/documents/{document_id}",
    operation_id="getDocument",
    responses=_answers(examples.DOCUMENT, 401, 404, 503),
)
async def read_document(knowledgebase_id: UUID, document_id: UUID, caller: Caller, reader: ReaderDep) -> Document:
    """Read a document and how far it has come."""
    async with reader.connect() as connection:
        await knowledge.read_knowledge_base(connection, knowledgebase_id, user_id=caller.id)
        return await documents.read_document(connection, knowledgebase_id, document_id)


@router.delete(
    "/{knowledgebase_id}/documents/{document_id}",
    operation_id="deleteDocument",
    responses=problems(401, 404, 503),
)
async def delete_document(knowledgebase_id: UUID, document_id: UUID, origin: OriginDep, runtime: RuntimeDep) -> Deleted:
    """Delete a document with its chunks, also while it is being taken in."""
    async with runtime.sessions.begin() as session:
        base = await knowledge.lock_knowledge_base(session, knowledgebase_id, user_id=origin.user_id)
        await documents.delete_document(session, origin, base, document_id)
    return Deleted(id=document_id)


@router.post(
    "/{knowledgebase_id}/search",
    operation_id="searchKnowledgeBase",
    responses=_answers(examples.RESULTS, 400, 401, 404, 413, 415, 422, 503),
)
async def search_one(
    knowledgebase_id: UUID,
    body: Annotated[SearchRequest, Body(openapi_examples=examples.SEARCH_BODIES)],
    caller: Caller,
    runtime: RuntimeDep,
) -> SearchResults:
    """Find the chunks that fit a query best, among the documents that are ready.

    `similarity` compares meanings, `mmr` avoids results that say the same, `hybrid` adds those that have the words.
    With `reranking_enabled` a model reads the best of them beside the query and puts them in order.
    """
    try:
        found = await search(
            runtime,
            user_id=caller.id,
            knowledgebase_ids=[str(knowledgebase_id)],
            query=body.query,
            settings=body,
        )
    except ModelCallError as error:
        raise UnavailableError(error.detail) from None
    return SearchResults(results=list(found.hits), reranking=found.reranking)
