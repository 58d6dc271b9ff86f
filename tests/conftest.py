"""The servers of a test session: a real PostgreSQL, a real Temporal, a worker in this process, a scripted model."""

from tests.support.running import lab, model, runtime, working

__all__ = ["lab", "model", "runtime", "working"]
