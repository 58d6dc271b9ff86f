"""What a NOTIFY of the live channel says: which rows are new, or which execution is over or is to stop."""

from typing import NamedTuple
from uuid import UUID

CHANNEL = "perdure_live"


class RowsNotice(NamedTuple):
    """A writer has committed its rows `first` to `last`."""

    writer: int
    first: int
    last: int

    def __str__(self) -> str:
        return f"rows:{self.writer}:{self.first}:{self.last}"


class EndNotice(NamedTuple):
    """An execution's end is recorded. It carries all there is to know, so that hearing it costs no read."""

    execution_id: UUID
    status: str

    def __str__(self) -> str:
        return f"end:{self.execution_id}:{self.status}"


class CancelNotice(NamedTuple):
    """An execution has been asked to stop: its calls in flight need not wait for their next heartbeat to hear of it."""

    execution_id: UUID

    def __str__(self) -> str:
        return f"cancel:{self.execution_id}"


def parse_notice(payload: str) -> RowsNotice | EndNotice | CancelNotice:
    """Read a notice.

    Raises:
        ValueError: it is not one of ours.
    """
    kind, _, rest = payload.partition(":")
    if kind == "rows":
        writer, first, last = map(int, rest.split(":"))
        return RowsNotice(writer, first, last)
    if kind == "end":
        execution_id, _, status = rest.partition(":")
        return EndNotice(UUID(execution_id), status)
    if kind == "cancel":
        return CancelNotice(UUID(rest))
    raise ValueError(f"unknown notice {payload!r}")
