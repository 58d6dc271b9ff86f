from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from perdure.domain.errors import SetupError
from perdure.embedded.data_folder import DataFolder, RunningServices
from perdure.embedded.endpoints import Endpoints, normalise_database_url, resolve_endpoints
from perdure.settings import DatabaseSettings, Settings, TemporalSettings

SOCKET_URL = "postgresql+asyncpg://perdure@/perdure?host=/data/postgres"


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("postgresql://u:p@h:5432/d", "postgresql+asyncpg://u:p@h:5432/d"),
        ("postgres://u:p%40@h/d", "postgresql+asyncpg://u:p%40@h/d"),
        ("postgresql+asyncpg://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("postgresql:///d?host=/run/pg", "postgresql+asyncpg:///d?host=/run/pg"),
        ("postgres://h/d?sslmode=require&x=1", "postgresql+asyncpg://h/d?ssl=require&x=1"),
    ],
)
def test_database_addresses_take_the_form_of_our_driver(given: str, normal: str) -> None:
    assert normalise_database_url(given) == normal


def test_another_database_is_refused_without_repeating_its_password() -> None:
    with pytest.raises(SetupError, match="PERDURE_DATABASE__URL") as refused:
        normalise_database_url("mysql://root:hunter2@h/d")
    assert "hunter2" not in refused.value.detail


def running(**changes: object) -> RunningServices:
    process = psutil.Process()
    fields: dict[str, object] = {
        "pid": process.pid,
        "started": process.create_time(),
        "database_url": SOCKET_URL,
        "temporal_address": "127.0.0.1:7233",
        "temporal_ui_url": "http://127.0.0.1:8233",
    }
    return RunningServices.model_validate(fields | changes)


def plain(path: Path, *, database: str | None = None, temporal: str | None = None) -> Settings:
    """Build settings that neither the environment nor a `.env` has a say in."""
    return Settings.model_construct(
        data_dir=path,
        database=DatabaseSettings(url=SecretStr(database) if database else None),
        temporal=TemporalSettings(address=temporal),
    )


def test_what_runs_in_the_data_folder_is_found(tmp_path: Path) -> None:
    DataFolder.at(tmp_path).write_running(running())
    assert resolve_endpoints(plain(tmp_path)) == Endpoints(
        database_url=SOCKET_URL, temporal_address="127.0.0.1:7233", temporal_ui_url="http://127.0.0.1:8233"
    )


def test_settings_win_over_what_runs(tmp_path: Path) -> None:
    DataFolder.at(tmp_path).write_running(running())
    found = resolve_endpoints(plain(tmp_path, database="postgres://h/d", temporal="temporal:7233"))
    assert found.database_url == "postgresql+asyncpg://h/d"
    assert found.temporal_address == "temporal:7233"
    # The Web UI belongs to the other server.
    assert found.temporal_ui_url is None


def test_settings_alone_are_enough(tmp_path: Path) -> None:
    found = resolve_endpoints(plain(tmp_path, database="postgres://h/d", temporal="temporal:7233"))
    assert found == Endpoints(database_url="postgresql+asyncpg://h/d", temporal_address="temporal:7233")


def test_a_web_ui_that_is_named_wins_and_loses_its_slash(tmp_path: Path) -> None:
    named = plain(tmp_path).model_copy(update={"temporal": TemporalSettings(ui_url="https://temporal.example.com/")})
    DataFolder.at(tmp_path).write_running(running())
    assert resolve_endpoints(named).temporal_ui_url == "https://temporal.example.com"


@pytest.mark.parametrize(
    ("database", "temporal", "named"),
    [
        (None, None, "PERDURE_DATABASE__URL"),
        (None, "t:1", "PERDURE_DATABASE__URL"),
        ("postgres://h/d", None, "PERDURE_TEMPORAL__ADDRESS"),
    ],
)
def test_nothing_running_is_one_sentence_with_the_command(
    tmp_path: Path, database: str | None, temporal: str | None, named: str
) -> None:
    with pytest.raises(SetupError, match=f"{named}.*`perdure services`"):
        resolve_endpoints(plain(tmp_path, database=database, temporal=temporal))


@pytest.mark.parametrize("stale", [{"pid": 2**22 + 1}, {"started": 1.0}], ids=["no such process", "number used again"])
def test_what_a_killed_process_left_written_is_not_believed(tmp_path: Path, stale: dict[str, object]) -> None:
    DataFolder.at(tmp_path).write_running(running(**stale))
    with pytest.raises(SetupError):
        resolve_endpoints(plain(tmp_path))


def test_a_file_that_is_not_ours_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "services.json").write_text("{}")
    assert DataFolder.at(tmp_path).running() is None


def test_services_on_an_external_database_do_not_lend_its_address(tmp_path: Path) -> None:
    DataFolder.at(tmp_path).write_running(running(database_url=None))
    with pytest.raises(SetupError, match="PERDURE_DATABASE__URL"):
        resolve_endpoints(plain(tmp_path))
