"""How a kept knowledge base changes."""

from collections.abc import Mapping

from pydantic import JsonValue, ValidationError

from perdure.domain.errors import ConflictError
from perdure.domain.knowledge import KNOWLEDGE_BASE_READ_ONLY, KnowledgeBase, KnowledgeBaseFields
from perdure.domain.validation import unprocessable

_EMBEDDING = ("embedding_model", "embedding_dimension")


def overlay(base: KnowledgeBase, given: Mapping[str, JsonValue]) -> KnowledgeBaseFields:
    """Lay the given fields over the knowledge base's own; read-only ones are ignored.

    Raises:
        ConflictError: it would get another embedding model.
        UnprocessableError: the result would be no knowledge base.
    """
    kept = base.model_dump(mode="json")
    if any(given.get(name, kept[name]) != kept[name] for name in _EMBEDDING):
        raise ConflictError(
            "A knowledge base keeps its embedding model: make a new one with the other model and upload the documents."
        )
    settable = {name: value for name, value in given.items() if name not in KNOWLEDGE_BASE_READ_ONLY}
    try:
        return KnowledgeBaseFields.model_validate({**base.fields.model_dump(), **settable})
    except ValidationError as error:
        raise unprocessable(error) from error
