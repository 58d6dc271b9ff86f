"""Nothing can be configured that nothing reads, and everything that can be is explained in .env.example."""

import ast
import re

from perdure.settings import Settings
from tests.contracts.checkout import ROOT, sources
from tests.contracts.settings_fields import default_of, leaves, provider_names, reads, variable


def test_every_setting_is_read_somewhere() -> None:
    read = reads(module for path, module in sources() if path.name != "settings.py")

    assert {path for path in leaves() if path not in read} == set()


def test_a_setting_that_only_shares_its_name_counts_as_unread() -> None:
    module = ast.parse(
        "def connect(settings: TemporalSettings, request: Request) -> None:\n"
        "    use(settings.namespace, request.port, request.api.host)\n"
        "    section = app.settings.database\n"
        "    use(section.url)\n"
    )

    read = reads([module])

    assert {("temporal", "namespace"), ("database", "url"), ("api", "host")} <= read
    assert not {("temporal", "port"), ("api", "port"), ("database", "pool_size")} & read


def test_the_example_explains_every_variable_and_shows_its_default() -> None:
    shown = dict(re.findall(r"^# ([A-Z][A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    compose = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text())) - {"COMMIT"}

    ours = {variable(path): default_of(path) for path in leaves()}
    assert {name: value for name, value in shown.items() if name.startswith("PERDURE_")} == ours
    assert set(shown) - set(ours) == provider_names() | (compose - set(ours))


def test_the_example_taken_as_it_is_changes_nothing() -> None:
    as_copied = Settings(_env_file=ROOT / ".env.example")  # pyright: ignore[reportCallIssue] - pydantic-settings' own
    assert as_copied == Settings(_env_file=None)  # pyright: ignore[reportCallIssue] - pydantic-settings' own
