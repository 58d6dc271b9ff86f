"""The checkout as files: where it is, and the Python sources that make up the product."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

ROOMS = ("activities", "api", "perdure", "worker", "workflows")
"""The top-level names of the product."""


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for room in ROOMS:
        folder = ROOT / room
        for path in [folder.with_suffix(".py")] if not folder.is_dir() else sorted(folder.rglob("*.py")):
            yield path, ast.parse(path.read_text(), str(path))
