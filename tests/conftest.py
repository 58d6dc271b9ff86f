"""The servers of a test session: a real PostgreSQL, a real Temporal, a worker in this process, a scripted model."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.running import lab, model, runtime, working

__all__ = ["lab", "model", "runtime", "working"]

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


@pytest.hookimpl(tryfirst=True)  # pytest-xdist asks for the groups when it has its turn
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests run in one process."""
    for item in items:
        group = "browser" if item.path.name in _OWN_SERVERS else _GROUPS[_folder(item.path)]
        item.add_marker(pytest.mark.xdist_group(group))


def _folder(path: Path) -> str:
    return path.relative_to(Path(__file__).parent).parts[0]
