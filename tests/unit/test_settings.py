"""Settings as people write them: what counts as unset, and what is said about a value that cannot be used."""

from pathlib import Path

import pytest

from perdure.cli.configuration import load_settings
from perdure.domain.errors import SetupError
from perdure.settings import Settings
from tests.contracts.settings_fields import leaves, variable


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory without a `.env`, and none of the developer's own variables."""
    monkeypatch.chdir(tmp_path)
    for path in leaves():
        monkeypatch.delenv(variable(path), raising=False)
    return tmp_path


def test_an_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in leaves():
        monkeypatch.setenv(variable(path), "")

    assert Settings() == Settings.model_construct()


def test_an_empty_variable_leaves_the_line_in_the_file_in_force(
    monkeypatch: pytest.MonkeyPatch, elsewhere: Path
) -> None:
    (elsewhere / ".env").write_text("PERDURE_API__PORT=9000\nPERDURE_TEMPORAL__PORT=\n")
    monkeypatch.setenv("PERDURE_API__PORT", "")

    settings = Settings()

    assert settings.api.port == 9000
    assert settings.temporal.port == 7233


@pytest.mark.parametrize("model", ["openai:gpt-4o-mini", "ollama:llama3.2:3b", "local:SmolLM2"])
def test_the_default_model_names_provider_and_model(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    monkeypatch.setenv("PERDURE_LLM__DEFAULT_MODEL", model)

    assert Settings().llm.default_model == model


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("PERDURE_LLM__DEFAULT_MODEL", "gpt-4", "write it as provider:model"),
        ("PERDURE_LLM__DEFAULT_MODEL", "openai:", "write it as provider:model"),
        ("PERDURE_LLM__DEFAULT_MODEL", ":gpt-4", "write it as provider:model"),
        ("PERDURE_LLM__DEFAULT_MODEL", "open ai:gpt-4", "write it as provider:model"),
        ("PERDURE_API__CORS_ORIGINS", "https://example.org", "write it as a JSON list"),
        ("PERDURE_API__CORS_ORIGINS", "{}", "list"),
        ("PERDURE_TOOLS__MCP_SERVERS", "npx files", "write it as a JSON object"),
        ("PERDURE_TOOLS__MCP_SERVERS", '{"files": {}}', "either a command or a url"),
        ("PERDURE_TOOLS__MCP_SERVERS", '{"files": {"command": "x", "url": "http://x"}}', "either a command or a url"),
        ("PERDURE_TOOLS__MCP_SERVERS", '{"my__files": {"command": "x"}}', "pattern"),
        ("PERDURE_TOOLS__MCP_SERVERS", '{"files": {"comand": "x"}}', "comand"),
        ("PERDURE_API__PORT", "70000", "65535"),
        ("PERDURE_WORKER__BUILD_ID", "1.0", "pattern"),
        ("PERDURE_AUTH__SECRET", "short", "at least 32"),
    ],
)
def test_a_value_that_cannot_be_used_is_one_sentence_with_the_variables_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, advice: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SetupError) as refused:
        load_settings()

    assert refused.value.detail.startswith(f"{name} cannot be used: ")
    assert advice in refused.value.detail
    assert refused.value.detail.count(". ") == 0
    assert "\n" not in refused.value.detail
