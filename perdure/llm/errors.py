"""What a failed model call is to the rest of the system: a sentence, and whether to try again."""

from typing import Literal

FailureKind = Literal[
    "configuration",
    "authentication",
    "not_found",
    "quota",
    "context_window",
    "rejected",
    "content_filter",
    "rate_limit",
    "server",
    "timeout",
    "connection",
    "interrupted",
    "unreadable",
]
"""Why a call failed. The first seven stay as they are until a person acts; the others pass by themselves."""


class ModelCallError(Exception):
    """A model call that failed, classified once for all providers.

    Raised without a cause on purpose: a failure's chain is stored in Temporal history, and providers echo keys.
    """

    def __init__(
        self, detail: str, *, kind: FailureKind, retryable: bool, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        """A sentence that names the provider, the model, what happened and what to do. Never holds a key."""
        self.kind: FailureKind = kind
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds
        """How long the provider asked to wait, None where it did not say."""
