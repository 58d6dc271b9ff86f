"""How a failure of the world becomes one that Temporal understands: retry it, wait first, or give up."""

from datetime import timedelta
from typing import Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from perdure.domain.runs import GenerateInput, StepFailure
from perdure.domain.text import storable
from perdure.llm import ModelCallError


class Failure(Protocol):
    """What is known of a failed attempt, at a model or at a tool."""

    @property
    def detail(self) -> str:
        """A sentence for people; holds no secret."""
        ...

    @property
    def kind(self) -> str:
        """The class of failure, for machines."""
        ...

    @property
    def retryable(self) -> bool:
        """Whether it may pass by itself."""
        ...

    @property
    def retry_after_seconds(self) -> float | None:
        """How long to wait, where somebody said so."""
        ...


def too_slow(step: GenerateInput) -> ModelCallError:
    """The failure of an answer that was not whole within the step's limit."""
    return ModelCallError(
        f"{step.model}, asked for '{step.node_label}', did not finish its answer within {step.timeout_seconds:g} s."
        " Raise timeout_seconds or lower max_tokens.",
        kind="timeout",
        retryable=True,
    )


def as_application_error(error: Failure, *, name: str, exhausted: bool) -> ApplicationError:
    """Keep the other side's advice: whether to retry, and after how long; `exhausted` retries end it all the same."""
    detail = storable(error.detail)
    activity.logger.warning("%s", detail)
    return ApplicationError(
        detail,
        StepFailure(attempt=activity.info().attempt, kind=error.kind, exhausted=exhausted),
        type=name,
        non_retryable=exhausted or not error.retryable,
        # An expected failure: the line above says it, a traceback would add nothing.
        category=ApplicationErrorCategory.BENIGN,
        next_retry_delay=timedelta(seconds=error.retry_after_seconds) if error.retry_after_seconds else None,
    )
