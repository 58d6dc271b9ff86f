"""How a failure of the world becomes one that Temporal understands: retry it, wait first, or give up."""

from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from perdure.domain.runs import GenerateInput, StepFailure
from perdure.domain.text import storable
from perdure.llm import ModelCallError


def too_slow(step: GenerateInput) -> ModelCallError:
    """The failure of an answer that was not whole within the step's limit."""
    return ModelCallError(
        f"{step.model}, asked for '{step.node_label}', did not finish its answer within {step.timeout_seconds:g} s."
        " Raise timeout_seconds or lower max_tokens.",
        kind="timeout",
        retryable=True,
    )


def as_application_error(error: ModelCallError, *, exhausted: bool) -> ApplicationError:
    """Keep the provider's own advice: whether to retry, and after how long; `exhausted` retries end it all the same."""
    detail = storable(error.detail)
    activity.logger.warning("%s", detail)
    return ApplicationError(
        detail,
        StepFailure(attempt=activity.info().attempt, kind=error.kind, exhausted=exhausted),
        type="ModelCallFailed",
        non_retryable=exhausted or not error.retryable,
        # An expected failure: the line above says it, a traceback would add nothing.
        category=ApplicationErrorCategory.BENIGN,
        next_retry_delay=timedelta(seconds=error.retry_after_seconds) if error.retry_after_seconds else None,
    )
