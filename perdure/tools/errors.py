"""What a failed tool call is to the rest of the system.

What the model may react to (a 404, wrong arguments, a refused address, a tool's own error) is a `ToolOutput` with
`is_error`. What passes by itself, or needs a person, is a `ToolCallError`: Temporal tries again where `retryable`.
"""

from perdure.domain.tools import BadToolError


class ToolCallError(Exception):
    """A tool call that failed on the way: refused or broken connections, time-outs, 429 and 5xx of an MCP transport.

    Raised without a cause on purpose: a failure's chain is stored in Temporal history, and transports quote headers.
    """

    def __init__(self, detail: str, *, retryable: bool) -> None:
        super().__init__(detail)
        self.detail = detail
        """A sentence that names the tool, what happened and what to do. Never holds a secret."""
        self.retryable = retryable
        """Whether the same call may go through later; it carries the same idempotency key then."""
        self.kind = "tool"
        self.retry_after_seconds: float | None = None
        """Tools do not say how long to wait."""


def no_such_server(name: str) -> BadToolError:
    """A flow names an MCP server that is not set up for the worker."""
    return BadToolError(
        f"The worker has no MCP server '{name}': set it up in PERDURE_TOOLS__MCP_SERVERS, or take it out of the flow."
    )
