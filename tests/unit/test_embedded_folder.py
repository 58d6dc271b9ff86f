import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from perdure.domain.errors import SetupError
from perdure.embedded.data_folder import DataFolder, write_private
from perdure.embedded.ports import claim_port, reachable


def test_a_relative_folder_counts_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert DataFolder.at(Path(".perdure")).path == tmp_path / ".perdure"


def test_a_new_folder_is_private_and_may_be_prepared_again(tmp_path: Path) -> None:
    folder = DataFolder.at(tmp_path / "deep" / "data")
    folder.prepare()
    folder.prepare()
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert [path.name for path in folder.path.iterdir()] == ["logs"]


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="PERDURE_DATA_DIR"):
        DataFolder.at(tmp_path / "file" / "data").prepare()


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_full_disk_names_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def almost_full(_: object) -> Usage:
        return Usage(10**9, 10**9, 10**6)

    monkeypatch.setattr(shutil, "disk_usage", almost_full)
    with pytest.raises(SetupError, match=r"full.*PERDURE_DATA_DIR"):
        DataFolder.at(tmp_path).prepare()


def test_only_one_process_holds_a_folder(tmp_path: Path) -> None:
    folder = DataFolder.at(tmp_path)
    program = (
        "import pathlib, sys; from perdure.embedded.data_folder import DataFolder\n"
        "with DataFolder.at(pathlib.Path(sys.argv[1])).claimed(): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(SetupError, match=r"in use.*PERDURE_DATA_DIR"), folder.claimed():
            pass
        holder.kill()
        holder.wait()
        with folder.claimed():
            pass


def test_secrets_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    write_private(file, "one")
    write_private(file, "two")
    assert file.read_text() == "two"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_taken_port_names_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"{port}.*in use.*PERDURE_API__PORT"):
            claim_port("127.0.0.1", port, "PERDURE_API__PORT")


def test_zero_picks_a_free_port() -> None:
    port = claim_port("127.0.0.1", 0, "PERDURE_API__PORT")
    assert port in range(10_000, 32_000)  # systems hand out others, to Temporal's server among others
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_port_that_was_closed_a_moment_ago_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # the server's side goes first and lingers in TIME_WAIT
        client.close()
    assert claim_port("127.0.0.1", port, "PERDURE_API__PORT") == port


@pytest.mark.parametrize(
    ("listens", "called"),
    [
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - nothing listens here
        ("::", "127.0.0.1"),
        ("10.0.0.7", "10.0.0.7"),
        ("::1", "[::1]"),
    ],
)
def test_the_address_to_call_a_server_by(listens: str, called: str) -> None:
    assert reachable(listens) == called
