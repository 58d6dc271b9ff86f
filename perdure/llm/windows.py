"""How much a model can read at once, from the maintained list `genai-prices`."""

from functools import cache

from genai_prices.data_snapshot import get_snapshot

from perdure.domain.generation import ModelRef

DEFAULT_WINDOW = 8192
"""Tokens of a model that the list does not know: few models that are still served have less."""

LOCAL_WINDOW = 4096
"""Tokens of the embedded model, prompt and answer together."""


def context_window(model: ModelRef) -> int:
    """Tokens of prompt and answer together."""
    return LOCAL_WINDOW if model.provider == "local" else _listed(model.provider, model.name)


@cache
def _listed(provider: str, name: str) -> int:
    try:
        _, info = get_snapshot().find_provider_model(name, None, provider, None)
    except LookupError:
        return DEFAULT_WINDOW
    return info.context_window or DEFAULT_WINDOW
