"""What a chat does before it answers, as those who watch see it: tools it calls, sources it found. No I/O."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from perdure.live import LiveFrame, SourcesFound, ToolCalled, ToolReturned


class ToolEvent(BaseModel):
    """A tool call that is asked for, or has come to its end."""

    model_config = ConfigDict(frozen=True)

    step_id: str
    name: str
    status: Literal["called", "returned"]
    arguments: dict[str, JsonValue] | None = None
    """What it is called with; null when it returns."""
    is_error: bool | None = None
    """Whether it says that it failed; null when it is called."""


class ToolFrames:
    """Tool calls, each told once however often its step is tried."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def take(self, frame: LiveFrame) -> ToolEvent | None:
        """What to show of the next frame."""
        match frame:
            case ToolCalled():
                shown = ToolEvent(step_id=frame.node_id, name=frame.name, status="called", arguments=frame.arguments)
            case ToolReturned():
                shown = ToolEvent(step_id=frame.node_id, name=frame.name, status="returned", is_error=frame.is_error)
            case _:
                return None
        key = (shown.step_id, shown.status)
        if key in self._told:
            return None
        self._told.add(key)
        return shown


class Sources:
    """What the searches of a turn have found so far; one that is tried again counts once."""

    def __init__(self) -> None:
        self._found: dict[str, list[dict[str, JsonValue]]] = {}

    def take(self, frame: LiveFrame) -> bool:
        """Whether the next frame tells of more."""
        if not isinstance(frame, SourcesFound) or frame.node_id in self._found:
            return False
        self._found[frame.node_id] = [source for source in frame.sources if isinstance(source, dict)]
        return True

    @property
    def all(self) -> list[dict[str, JsonValue]]:
        """Everything found, in the order in which the searches ended."""
        return [source for sources in self._found.values() for source in sources]
