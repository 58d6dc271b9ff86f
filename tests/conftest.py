"""The servers of a test session: a real PostgreSQL, a real Temporal, a worker in this process, a scripted model."""

import pytest
from hypothesis import settings
from typing_extensions import override
from xdist.remote import Producer  # pyright: ignore[reportMissingTypeStubs]
from xdist.scheduler import LoadScopeScheduling  # pyright: ignore[reportMissingTypeStubs]

from tests.support.running import lab, model, runtime, session_worker, working

__all__ = ["lab", "model", "runtime", "session_worker", "working"]

# What a hundred examples find beyond these is not worth half a minute of every run.
settings.register_profile("suite", max_examples=40, deadline=None)
settings.load_profile("suite")

_GROUPS = {
    "e2e": "processes",
    "browser": "browser",
    "api": "calls",
    "replay": "calls",
    "unit": "calls",
    "contracts": "calls",
    "workflows": "runs",
    "activities": "runs",
}
"""By folder, which tests one process of pytest-xdist runs: those that share servers, so that these start once."""
_OWN_SERVERS = ("test_up.py", "test_deployment.py")


class _ByServers(LoadScopeScheduling):
    # Marks of `xdist_group` would not do: pytest-xdist 3.8 appends them to a name that pytest 9.2 does not read.
    @override
    def _split_scope(self, nodeid: str) -> str:
        _, folder, name = nodeid.partition("::")[0].split("/")
        return "browser" if name in _OWN_SERVERS else _GROUPS[folder]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Hand out the tests by their groups."""
    return _ByServers(config, log)
