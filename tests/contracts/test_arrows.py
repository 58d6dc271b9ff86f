"""The arrows of worker.py, which import-linter cannot hold since it is a module; the others stand in pyproject.toml."""

import ast

from tests.contracts.checkout import ROOMS, ROOT, sources


def test_the_worker_builds_on_workflows_activities_and_the_core() -> None:
    imported = _imported(ast.parse((ROOT / "worker.py").read_text()))

    assert {name.split(".")[0] for name in imported} & {*ROOMS} == {"activities", "perdure", "workflows"}


def test_only_the_command_line_starts_the_worker() -> None:
    importers = {path for path, module in sources() if "worker" in _imported(module)}

    assert {path.relative_to(ROOT).parts[:2] for path in importers} == {("perdure", "cli")}


def _imported(module: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names
