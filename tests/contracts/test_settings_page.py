"""docs/settings.md lists every setting with the default that the code has, and nothing else."""

import re

from tests.contracts.checkout import ROOT
from tests.contracts.settings_fields import default_of, leaves, provider_defaults, provider_names, variable

PAGE = (ROOT / "docs" / "settings.md").read_text()
ROW = re.compile(r"^\| `([A-Z][A-Z0-9_]+)` \| (?:`([^`|]+)`|unset) \| \S", flags=re.MULTILINE)


def test_the_page_lists_every_setting_with_its_default() -> None:
    rows = ROW.findall(PAGE)
    listed = dict(rows)

    assert len(rows) == len(listed)
    assert listed == {variable(path): default_of(path) for path in leaves()} | provider_defaults()


def test_the_page_names_every_variable_that_a_key_may_come_from() -> None:
    assert {name for name in provider_names() if f"`{name}`" not in PAGE} == set()


def test_every_row_of_the_page_is_one_that_is_compared() -> None:
    assert re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", PAGE, flags=re.MULTILINE) == [
        name for name, _ in ROW.findall(PAGE)
    ]
