"""Embeddings by the embedded model and by a compatible server."""

import math
from collections.abc import AsyncGenerator

import numpy as np
import pytest

from perdure.domain.generation import ModelRef
from perdure.domain.knowledge import LOCAL_EMBEDDING
from perdure.llm import ModelCallError, ProviderKeys
from perdure.llm.embeddings import Embeddings
from tests.support.running import scripted_keys
from tests.support.scripted_embeddings import EmbeddingBehaviour
from tests.support.scripted_model import ScriptedModel

SCRIPTED = ModelRef.parse("openai:scripted")


@pytest.fixture
async def embeddings(model: ScriptedModel) -> AsyncGenerator[Embeddings]:
    await model.reset()
    async with Embeddings(scripted_keys(model)) as opened:
        yield opened


async def test_the_embedded_model_puts_like_to_like(embeddings: Embeddings) -> None:
    texts = ["boats on the ocean", "ships at sea", "income tax"]
    boats, ships, tax = await embeddings.embed(LOCAL_EMBEDDING, texts, dimension=256, seconds=30)
    assert math.hypot(*boats) == pytest.approx(1, abs=1e-5)
    assert np.dot(boats, ships) > np.dot(boats, tax)


async def test_a_server_is_asked_once_for_all_texts_in_order(embeddings: Embeddings, model: ScriptedModel) -> None:
    one, two = await embeddings.embed(SCRIPTED, ["one", "two two"], dimension=64, seconds=30)
    assert one != two
    assert max(one) == pytest.approx(1)
    (call,) = await model.embedding_calls()
    assert (call.inputs, call.dimensions) == (["one", "two two"], None)


async def test_a_shorter_vector_is_asked_for_where_the_model_can(embeddings: Embeddings, model: ScriptedModel) -> None:
    small = ModelRef.parse("openai:text-embedding-3-small")
    (vector,) = await embeddings.embed(small, ["one"], dimension=100, seconds=30)
    assert len(vector) == 100
    assert [call.dimensions for call in await model.embedding_calls()] == [100]


@pytest.mark.parametrize(
    ("behaviour", "kind", "retryable"),
    [
        (EmbeddingBehaviour(status=429, body={"error": {"message": "slow down"}}), "rate_limit", True),
        (EmbeddingBehaviour(status=401, body={"error": {"message": "no"}}), "authentication", False),
        (EmbeddingBehaviour(status=500), "server", True),
        (EmbeddingBehaviour(hang=True), "timeout", True),
    ],
)
async def test_failures_say_whether_to_try_again(
    embeddings: Embeddings, model: ScriptedModel, behaviour: EmbeddingBehaviour, kind: str, retryable: bool
) -> None:
    await model.script_embeddings(behaviour)
    with pytest.raises(ModelCallError) as failure:
        await embeddings.embed(SCRIPTED, ["one"], dimension=64, seconds=1)
    assert (failure.value.kind, failure.value.retryable) == (kind, retryable)
    assert "sk-test" not in failure.value.detail


async def test_without_a_key_it_says_which_to_set() -> None:
    keys = ProviderKeys(openai_api_key=None, openai_base_url=None)
    async with Embeddings(keys) as opened:
        with pytest.raises(ModelCallError, match="OPENAI_API_KEY"):
            await opened.embed(SCRIPTED, ["one"], dimension=64, seconds=1)
