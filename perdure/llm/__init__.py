"""Model calls: one way in for all providers, on pydantic-ai's model layer."""

from perdure.llm.errors import FailureKind, ModelCallError
from perdure.llm.keys import ProviderKeys
from perdure.llm.services import ModelServices

__all__ = ["FailureKind", "ModelCallError", "ModelServices", "ProviderKeys"]
