"""How a kept knowledge base changes."""

from collections.abc import Mapping

from pydantic import JsonValue, ValidationError

from perdure.domain.knowledge import KNOWLEDGE_BASE_READ_ONLY, KnowledgeBase, KnowledgeBaseCreate, KnowledgeBaseFields
from perdure.domain.reindexing import EmbeddingChoice, ReindexStatus
from perdure.domain.validation import unprocessable

_EMBEDDING = ("embedding_model", "embedding_dimension")


def overlay(base: KnowledgeBase, given: Mapping[str, JsonValue]) -> KnowledgeBaseFields:
    """Lay the given fields over the knowledge base's own; read-only ones are ignored.

    Raises UnprocessableError: the result would be no knowledge base.
    """
    settable = {name: value for name, value in given.items() if name not in KNOWLEDGE_BASE_READ_ONLY}
    try:
        return KnowledgeBaseFields.model_validate({**base.fields.model_dump(), **settable})
    except ValidationError as error:
        raise unprocessable(error) from error


def wanted_embedding(base: KnowledgeBase, given: Mapping[str, JsonValue]) -> EmbeddingChoice | None:
    """The embedding model to change to; None: it has it, is changing to it, or nothing is said of it.

    The model in use counts as nothing said, also during a re-index: clients send back what they have read.

    Raises UnprocessableError: there is no such model, or its dimension is not known.
    """
    named = {name: given[name] for name in _EMBEDDING if name in given}
    if not named:
        return None
    try:
        fields = KnowledgeBaseCreate.model_validate(
            {"name": base.name, "embedding_model": base.embedding_model, **named}
        )
    except ValidationError as error:
        raise unprocessable(error) from error
    choice = EmbeddingChoice(model=fields.embedding_model, dimension=_dimension(base, fields))
    reindex = base.reindex
    under_way = reindex is not None and reindex.status is ReindexStatus.RUNNING and reindex.choice == choice
    return None if under_way or choice == base.embedding else choice


def _dimension(base: KnowledgeBase, fields: KnowledgeBaseCreate) -> int:
    """Return the dimension asked for; where none is, the model in use keeps its own."""
    if fields.embedding_dimension is None and fields.embedding_model == base.embedding_model:
        return base.embedding_dimension
    return fields.dimension
