"""Watching a run: its recorded events with its live words between them, once per process for all who watch it."""

from perdure.watching.log import Frame, RunLog
from perdure.watching.place import BadPlaceError, Place
from perdure.watching.watching import Watcher, Watching

__all__ = ["BadPlaceError", "Frame", "Place", "RunLog", "Watcher", "Watching"]
