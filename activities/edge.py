"""The edge of every activity: what nobody foresaw becomes a sentence that may be shown, and a number in the log."""

from secrets import token_hex

from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor
from typing_extensions import override

from perdure.domain.errors import PerdureError


class EdgeInterceptor(Interceptor):
    """Keeps class names, SQL and what users sent out of Temporal's history and out of error messages."""

    @override
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Edge(next)


class _Edge(ActivityInboundInterceptor):
    @override
    async def execute_activity(self, input: ExecuteActivityInput) -> object:
        try:
            return await super().execute_activity(input)
        except FailureError:
            raise
        except PerdureError as error:
            failure = ApplicationError(error.detail, type=type(error).__name__)
        except Exception:  # noqa: BLE001 - the process edge
            # Whatever this is, Temporal tries it again, and a person must be able to find it.
            error_id = token_hex(6)
            activity.logger.exception("Error %s", error_id)
            msg = f"The worker met an error that it did not expect: its log has it under {error_id}."
            failure = ApplicationError(msg, type="Unexpected")
        raise failure
