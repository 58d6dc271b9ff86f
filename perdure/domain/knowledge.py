"""Knowledge bases: documents cut into chunks, each chunk with its embedding, and what a search finds in them."""

from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from perdure.domain.flows import RetrievalStrategy
from perdure.domain.generation import ModelRef
from perdure.domain.reindexing import EmbeddingChoice, Reindex
from perdure.domain.reranking import ModelUse

LOCAL_EMBEDDING = ModelRef(provider="local", name="wordllama")
"""The embedded model of embeddings: static word vectors, on the processor, without a download."""

EMBEDDING_PROVIDERS = ("local", "openai")

DIMENSIONS = {
    str(LOCAL_EMBEDDING): 256,
    "openai:text-embedding-3-small": 1536,
    "openai:text-embedding-3-large": 3072,
    "openai:text-embedding-ada-002": 1536,
}
"""The dimension of models that are known; any other is told by whoever makes the knowledge base."""

MOST_DIMENSIONS = 4000
"""What pgvector's index can hold of a half-precision vector."""


class DocumentStatus(StrEnum):
    """Where a document is on its way into the knowledge base."""

    PENDING = "pending"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KnowledgeBaseFields(_Part):
    """What can be changed of a knowledge base. Chunk settings hold for documents that come after the change."""

    name: str = Field(min_length=1, max_length=255, pattern=r"\S")
    description: str | None = Field(default=None, max_length=10_000)
    chunk_size: int = Field(default=400, ge=50, le=2000, description="The longest chunk, in tokens (estimated).")
    chunk_overlap: int = Field(
        default=50, ge=0, le=1000, description="How much of a chunk's end the next one repeats, in tokens."
    )

    @model_validator(mode="after")
    def _overlap_fits(self) -> Self:
        if self.chunk_overlap * 2 > self.chunk_size:
            raise ValueError("chunk_overlap must be at most half of chunk_size.")
        return self


class KnowledgeBaseCreate(KnowledgeBaseFields):
    """A new knowledge base: only `name` is needed."""

    embedding_model: str = Field(
        default=str(LOCAL_EMBEDDING),
        max_length=255,
        description="`provider:model`: `local:wordllama`, or `openai:` and what OPENAI_BASE_URL serves.",
    )
    embedding_dimension: int | None = Field(
        default=None, ge=1, le=MOST_DIMENSIONS, description="Length of a vector; needed for models not known here."
    )

    @field_validator("embedding_model")
    @classmethod
    def _names_a_model(cls, text: str) -> str:
        model = ModelRef.parse(text)
        if model.provider not in EMBEDDING_PROVIDERS:
            raise ValueError(f"Embeddings come from {' or '.join(EMBEDDING_PROVIDERS)}: name one of their models.")
        if model.provider == LOCAL_EMBEDDING.provider and model != LOCAL_EMBEDDING:
            raise ValueError(f"The one local model of embeddings is {LOCAL_EMBEDDING}.")
        return text

    @model_validator(mode="after")
    def _dimension_is_known(self) -> Self:
        known = DIMENSIONS.get(self.embedding_model)
        if known is None and self.embedding_dimension is None:
            raise ValueError(f"Say how long the vectors of {self.embedding_model} are: set embedding_dimension.")
        local = self.embedding_model == str(LOCAL_EMBEDDING)
        if local and self.embedding_dimension not in {None, known}:
            raise ValueError(f"The vectors of {LOCAL_EMBEDDING} have {known} dimensions.")
        return self

    @property
    def dimension(self) -> int:
        """The length of this knowledge base's vectors."""
        return self.embedding_dimension or DIMENSIONS[self.embedding_model]


class KnowledgeBase(BaseModel):
    """A knowledge base as it stands."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    user_id: int
    name: str
    description: str | None
    embedding_model: str
    embedding_dimension: int
    chunk_size: int
    chunk_overlap: int
    version: int = Field(description="Counts every change, of settings and of documents.")
    document_count: int
    chunk_count: int = Field(description="Chunks that can be found: those of documents that are ready.")
    reindex: Reindex | None = Field(default=None, description="The latest change of the embedding model.")
    created_at: datetime
    updated_at: datetime

    @property
    def embedding(self) -> EmbeddingChoice:
        """What its vectors are made with."""
        return EmbeddingChoice(model=self.embedding_model, dimension=self.embedding_dimension)

    @property
    def fields(self) -> KnowledgeBaseFields:
        """What of it can be changed."""
        return KnowledgeBaseFields.model_validate(self.model_dump(include=set(KnowledgeBaseFields.model_fields)))


KNOWLEDGE_BASE_READ_ONLY = frozenset(KnowledgeBase.model_fields) - frozenset(KnowledgeBaseFields.model_fields)
"""Fields of a knowledge base that clients send back with a change, and that change nothing."""


class Document(BaseModel):
    """A document and how far it has come."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    knowledgebase_id: UUID
    name: str
    media_type: str
    size_bytes: int
    content_hash: str = Field(description="SHA-256 of the file, in hexadecimal.")
    status: DocumentStatus
    error_message: str | None = Field(description="Why it failed, and what to do.")
    chunks_done: int
    chunks_total: int | None = Field(description="Known once the file has been read.")
    created_at: datetime
    updated_at: datetime


class KnowledgeBasePage(BaseModel):
    """One page of a list of knowledge bases, newest first."""

    model_config = ConfigDict(frozen=True)

    knowledgebases: list[KnowledgeBase]
    total: int
    page: int
    page_size: int


class DocumentPage(BaseModel):
    """One page of a knowledge base's documents, newest first."""

    model_config = ConfigDict(frozen=True)

    documents: list[Document]
    total: int
    page: int
    page_size: int


class RetrievalSettings(_Part):
    """How knowledge bases are asked."""

    retrieval_strategy: RetrievalStrategy = RetrievalStrategy.SIMILARITY
    top_k: int = Field(default=5, ge=1, le=100, description="The most results.")
    score_threshold: float | None = Field(default=None, ge=0, le=1, description="Results below it are left out.")
    reranking_enabled: bool = Field(default=False, description="Have a model put the results in order.")
    reranking_model: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="`provider:model` of a chat model, or a model of the rerank endpoint (`RERANK_BASE_URL`). Unset:"
        " the endpoint's `RERANK_MODEL` where there is one, else the chat's or the default model.",
    )


class Hit(BaseModel):
    """A chunk that a search found, and the version of its knowledge base that it was found in."""

    model_config = ConfigDict(frozen=True)

    content: str
    score: float = Field(
        description="Cosine similarity; for `hybrid` the fused rank, where 1 is the first of both lists."
    )
    rerank_score: float | None = Field(default=None, description="The reranker's own score, where it gives one.")
    document_id: UUID
    document_name: str
    chunk_index: int
    knowledgebase_id: UUID
    knowledgebase_version: int


class Found(BaseModel):
    """What a search found, best first, and the model's work in it."""

    model_config = ConfigDict(frozen=True)

    hits: tuple[Hit, ...] = ()
    reranking: ModelUse | None = None


class SearchRequest(RetrievalSettings):
    """What is looked for, and how."""

    query: str = Field(min_length=1, max_length=10_000, pattern=r"\S")


class SearchResults(BaseModel):
    """What a search found, best first."""

    model_config = ConfigDict(frozen=True)

    results: list[Hit]
    reranking: ModelUse | None = Field(default=None, description="Who put them in order, where a model did.")


class IngestionInput(BaseModel):
    """What an ingestion works on: references, never the bytes."""

    model_config = ConfigDict(frozen=True)

    knowledgebase_id: UUID
    document_id: UUID


class IngestionProgress(BaseModel):
    """How far a document has come."""

    model_config = ConfigDict(frozen=True)

    chunks_done: int
    chunks_total: int


class IngestionFailure(BaseModel):
    """A document that cannot be taken in, and why."""

    model_config = ConfigDict(frozen=True)

    ingestion: IngestionInput
    reason: str


class IngestionResult(BaseModel):
    """How an ingestion ended; without a status the document was deleted in the meantime."""

    model_config = ConfigDict(frozen=True)

    status: DocumentStatus | None
    error_message: str | None = None
