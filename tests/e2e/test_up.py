"""`up` and `services` as real processes on real servers: started, stopped, killed, in each other's way."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import asyncpg
import psutil
import pytest
from pydantic import JsonValue, TypeAdapter

from perdure.embedded.data_folder import DataFolder, RunningServices

JsonObject = dict[str, JsonValue]
OBJECT = TypeAdapter(JsonObject)
CHECKOUT = Path(__file__).resolve().parents[2]
READY_SECONDS = 90
STOP_SECONDS = 15

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


class Command:
    """One `perdure` command in a data folder, with ports of its own."""

    def __init__(self, name: str, data: Path, **environment: str) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [sys.executable, "-m", "perdure", name],
            cwd=CHECKOUT,
            env=environment_of(data) | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until_ready(self) -> RunningServices:
        """Read its output up to the table's title; then everything answers."""
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("Ready"):
                running = DataFolder.at(self.data).running()
                assert running
                assert running.pid == self.process.pid
                return running
        assert self.process.stderr
        pytest.fail(f"it ended instead: {self.process.wait()} {self.process.stderr.read()}")

    def stop(self, number: signal.Signals) -> int:
        """Signal it and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def refusal(self) -> str:
        """Wait until it gives up; return its only line of error."""
        _, error = self.process.communicate(timeout=READY_SECONDS)
        assert self.process.returncode == 1
        assert error.count("\n") == 1, error
        return error

    def close(self) -> None:
        """End it and whatever it left, whatever the test did."""
        self.process.kill()
        self.process.communicate()
        for process in processes_of(self.data):
            process.kill()
        wait_until(lambda: not processes_of(self.data))


def environment_of(data: Path) -> dict[str, str]:
    """Give a command this data folder, free ports, and nothing of the developer's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
    ports = {"PERDURE_API__PORT": "0", "PERDURE_TEMPORAL__PORT": "0", "PERDURE_TEMPORAL__UI_PORT": "0"}
    return {**kept, **ports, "PERDURE_DATA_DIR": str(data)}


def run(data: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "perdure", *words],
        cwd=CHECKOUT,
        env=environment_of(data),
        input=given,
        capture_output=True,
        text=True,
        timeout=READY_SECONDS,
        check=False,
    )


def call(
    running: RunningServices, path: str, token: str | None = None, form: dict[str, str] | None = None
) -> JsonObject:
    """Call the API; a status other than 200 fails."""
    assert running.api_url
    connection = HTTPConnection(urlsplit(running.api_url).netloc, timeout=10)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if form:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    connection.request("POST" if form else "GET", path, urlencode(form) if form else None, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200, content
    return OBJECT.validate_json(content)


def processes_of(data: Path) -> list[psutil.Process]:
    """Find everything that runs for a data folder: by its command line, or because it works in there."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            named = any(str(data) in word for word in process.cmdline())
            if process.pid != os.getpid() and (named or Path(process.cwd()).is_relative_to(data)):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return [process for process in found if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def part_of(data: Path, program: str) -> psutil.Process:
    (found,) = [process for process in processes_of(data) if Path(process.cmdline()[0]).name == program]
    return found


def sql(running: RunningServices, *statements: str) -> object:
    """Run statements in the embedded database; return the last one's value."""

    async def ask() -> object:
        assert running.database_url
        connection = await asyncpg.connect(running.database_url.replace("+asyncpg", ""))
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(ask())


Start = Callable[..., Command]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start commands that are gone after the test."""
    with ExitStack() as stack:

        def begin(name: str, data: Path | None = None, **environment: str) -> Command:
            command = Command(name, data or tmp_path / "data", **environment)
            stack.callback(command.close)
            return command

        yield begin


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_services_stop_on_every_signal_and_start_again_where_they_left_off(start: Start, tmp_path: Path) -> None:
    # Longer than the path of a socket may be.
    data = tmp_path / ("long" * 30) / "data"
    first = start("services", data)
    running = first.until_ready()
    assert sql(running, "SHOW fsync") == "on"
    sql(running, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7)")
    assert "PERDURE_DATA_DIR" in start("services", data).refusal()
    assert "in use" in start("up", data).refusal()
    postmaster = data / "postgres" / "postmaster.pid"
    lines = postmaster.read_text().splitlines()
    assert first.stop(signal.SIGINT) == 0
    assert processes_of(data) == []
    assert DataFolder.at(data).running() is None

    # As after a power cut: the file is there, and its number is some other program's.
    postmaster.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    for number in (signal.SIGTERM, signal.SIGHUP):
        again = start("services", data)
        assert sql(again.until_ready(), "SELECT id FROM kept") == 7
        assert again.stop(number) == 0
        assert processes_of(data) == []


def test_a_stop_while_starting_is_a_good_end(start: Start) -> None:
    services = start("services")
    wait_until((services.data / "temporal.db").exists, READY_SECONDS)
    assert services.stop(signal.SIGTERM) == 0
    assert processes_of(services.data) == []


@pytest.mark.parametrize("setting", ["PERDURE_TEMPORAL__PORT", "PERDURE_TEMPORAL__UI_PORT", "PERDURE_API__PORT"])
def test_a_port_in_use_names_its_setting(start: Start, taken_port: int, setting: str) -> None:
    up = start("up", **{setting: str(taken_port)})
    refusal = up.refusal()
    assert setting in refusal
    assert str(taken_port) in refusal
    assert processes_of(up.data) == []


def test_a_folder_that_cannot_be_written_names_its_setting(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "PERDURE_DATA_DIR" in start("up", data=tmp_path / "file" / "data").refusal()


def test_after_a_kill_at_any_moment_the_next_start_clears_up_and_keeps_the_data(start: Start, tmp_path: Path) -> None:
    other = start("services", data=tmp_path / "other")
    # In the middle of the first start: half a cluster is no cluster.
    killed = start("services")
    wait_until((killed.data / "postgres.new" / "base").exists, READY_SECONDS)
    killed.process.kill()
    other.until_ready()
    theirs = set(processes_of(other.data))

    killed = start("services")
    running = killed.until_ready()
    sql(running, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7)")
    killed.process.kill()
    killed.process.wait()
    left = processes_of(killed.data)
    assert left  # PostgreSQL outlives its parent

    again = start("services")
    assert sql(again.until_ready(), "SELECT id FROM kept") == 7
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in left)
    # Another data folder's servers are none of its business.
    assert theirs == set(processes_of(other.data))


@pytest.mark.parametrize("program", ["postgres", "temporal"])
def test_a_part_that_dies_ends_everything(start: Start, program: str) -> None:
    services = start("services")
    services.until_ready()
    part_of(services.data, program).kill()
    refusal = services.refusal()
    assert "stopped unexpectedly" in refusal
    assert str(services.data / "logs" / f"{program}.log") in refusal
    assert processes_of(services.data) == []


def test_up_serves_everything_and_keeps_it_whatever_ends_it(start: Start) -> None:
    up = start("up")
    running = up.until_ready()
    printed = run(up.data, "token", "--user", "ada@example.org")
    assert printed.returncode == 0
    token = printed.stdout.removesuffix("\n")
    assert "\n" not in token
    me = call(running, "/api/auth/me", token)
    assert me["email"] == "ada@example.org"

    password = up.data / "admin-password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    form = {"username": "admin@localhost", "password": password.read_text().strip()}
    assert call(running, "/api/auth/login", form=form)["access_token"]
    assert run(up.data, "password", "ada@example.org", given="correct horse\n").returncode == 0
    examined = run(up.data, "doctor", "--worker")
    assert examined.returncode == 0, examined.stdout
    assert up.stop(signal.SIGINT) == 0
    assert processes_of(up.data) == []

    up = start("up")
    running = up.until_ready()
    form = {"username": "ada@example.org", "password": "correct horse"}
    assert call(running, "/api/auth/login", form=form)["access_token"]
    assert call(running, "/api/auth/me", token)["id"] == me["id"]
    up.process.kill()
    up.process.wait()
    wait_until(lambda: not models_of(up.data), 3)

    up = start("up")
    running = up.until_ready()
    assert call(running, "/api/auth/me", token)["id"] == me["id"]
    (model,) = models_of(up.data)
    model.kill()
    assert "local model stopped unexpectedly" in up.refusal()
    assert processes_of(up.data) == []


def models_of(data: Path) -> list[psutil.Process]:
    return [process for process in processes_of(data) if "perdure.embedded.local_model" in process.cmdline()]


@pytest.mark.parametrize("command", ["api", "worker", "migrate", "token", "doctor"])
def test_commands_say_so_when_nothing_runs(tmp_path: Path, command: str) -> None:
    done = run(tmp_path, command)
    assert done.returncode == 1
    assert "`perdure services`" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_runs_both_flows_and_stops_what_it_started(tmp_path: Path) -> None:
    done = run(tmp_path, "demo")
    assert done.returncode == 0, done.stderr
    for agent in ("Thinker", "Dreamer", "Editor"):
        assert agent in done.stdout
    assert "/workflows/" in done.stdout
    assert processes_of(tmp_path) == []
