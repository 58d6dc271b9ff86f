"""Texts of knowledge bases to vectors, with failures as Temporal understands them."""

from collections.abc import Mapping

from activities.failures import as_application_error
from perdure.domain.generation import ModelRef
from perdure.domain.reindexing import EmbeddingChoice
from perdure.llm import ModelCallError
from perdure.llm.embeddings import Embeddings

BATCH = 128
"""Chunks that are embedded in one call and stored in one transaction: what a crash can cost."""

EMBEDDING_SECONDS = 120
"""How long one call may take."""


async def embed_by_hash(
    embeddings: Embeddings, choice: EmbeddingChoice, texts: Mapping[str, str]
) -> dict[str, list[float]]:
    """Embed texts given by their hashes in one call; none at all need none.

    Raises ApplicationError, retryable or not as the provider's error says.
    """
    if not texts:
        return {}
    try:
        vectors = await embeddings.embed(
            ModelRef.parse(choice.model),
            list(texts.values()),
            dimension=choice.dimension,
            seconds=EMBEDDING_SECONDS,
        )
    except ModelCallError as error:
        failure = error
    else:
        return dict(zip(texts, vectors, strict=True))
    # Raised out here: the provider's error is no part of the chain that history keeps.
    raise as_application_error(failure, name="EmbeddingFailed", exhausted=False)
