"""What a call cost, from the maintained price list `genai-prices`."""

from genai_prices import calc_price
from pydantic_ai.usage import RequestUsage

from perdure.domain.generation import ModelRef

FREE_PROVIDERS = frozenset({"local"})
"""Run on the worker's own machine: zero is the truth, not a gap in the list."""


def cost_usd(model: ModelRef, usage: RequestUsage | None, base_url: str | None) -> float | None:
    """The call's price in US dollars, None where the price list does not know the model or nothing was counted.

    `base_url` is tried first, since a compatible address (`OPENAI_BASE_URL`) may be another provider with prices of
    its own; an address the list does not know, such as a proxy's, is priced as the provider the flow names.
    """
    if model.provider in FREE_PROVIDERS:
        return 0.0
    if usage is None:
        return None
    if base_url:
        try:
            return float(calc_price(usage, model.name, provider_api_url=base_url).total_price)
        except LookupError:
            pass  # an address without prices of its own: the provider's apply
    try:
        return float(calc_price(usage, model.name, provider_id=model.provider).total_price)
    except LookupError:
        return None
