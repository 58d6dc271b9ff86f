"""The live channel: what happens between two recorded events, from workers to every API process, through PostgreSQL.

Workers write frames into an unlogged table and notify; readers listen and read what is new. Nothing here is the truth
about a run: the channel shows words as they come, and its loss costs nothing but the sight of them.
"""

from perdure.live.ends import announce_cancel, announce_end, announcement, announcing, purge
from perdure.live.frames import (
    AttemptFailed,
    End,
    LiveFrame,
    SourcesFound,
    StepStarted,
    Token,
    ToolCalled,
    ToolReturned,
)
from perdure.live.reader import Ending, LiveReader
from perdure.live.subscription import Row, TooSlowError
from perdure.live.writer import LiveWriter, Speech

__all__ = [
    "AttemptFailed",
    "End",
    "Ending",
    "LiveFrame",
    "LiveReader",
    "LiveWriter",
    "Row",
    "SourcesFound",
    "Speech",
    "StepStarted",
    "Token",
    "TooSlowError",
    "ToolCalled",
    "ToolReturned",
    "announce_cancel",
    "announce_end",
    "announcement",
    "announcing",
    "purge",
]
