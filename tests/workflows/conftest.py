"""A real PostgreSQL, a real Temporal, a worker in this process and a scripted model."""

from tests.support.running import lab, model, runtime, working

__all__ = ["lab", "model", "runtime", "working"]
