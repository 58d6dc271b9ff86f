"""Promises about the checkout as a whole: its names, its locks, its pages."""

import re
from collections import Counter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.contracts.checkout import ROOMS, ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", [*ROOMS, "bench", "migrations"])
def test_no_other_distribution_provides_our_top_level_names(name: str) -> None:
    assert set(packages_distributions().get(name, [])) <= {"perdure"}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_pins_by_hash_and_names_no_registry(name: str) -> None:
    text = (ROOT / name).read_text()
    packages = re.split(r"\n(?=\S)", text.strip())

    assert packages
    for package in packages:
        assert re.match(r"[a-z0-9][a-z0-9-]*(\[.+\])?==\S+ ", package), package
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", package), package
    assert not re.search(r"://|--(extra-)?index-url|--find-links", text)


def test_the_development_lock_contains_the_runtime_lock() -> None:
    runtime, development = (
        set(re.findall(r"^\S+==.*$", (ROOT / name).read_text(), flags=re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )

    assert runtime < development


def test_readme_sets_up_with_two_commands() -> None:
    section = re.search(r"^## Start\n(.*?)(?=^## |\Z)", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert section, "README.md has no section `## Start`"

    commands = [
        line.split("#")[0].strip().removeprefix("$ ")
        for block in re.findall(r"^```\w*\n(.*?)^```", section[1], re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
        if line.split("#")[0].strip()
    ]

    assert commands == ["make demo", "make test"]


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))

    for page in PAGES:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), flags=re.MULTILINE))
        assert named <= targets, page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            assert anchor in _anchors(file), target


def _without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """The anchors that code hosts give to a page's headings."""
    seen: Counter[str] = Counter()
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return anchors
