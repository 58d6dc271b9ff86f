"""The deployment files say what the code understands. No Docker engine runs here: they are read, not run."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml
from pydantic import BaseModel
from typer.core import TyperCommand, TyperGroup

from perdure.cli import app
from perdure.settings import Settings
from tests.contracts.checkout import ROOT
from tests.contracts.settings_fields import leaves, provider_names, variable

COMPOSE_FILE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"
REFERENCE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


class Healthcheck(BaseModel):
    test: list[str] = []
    disable: bool = False


class Dependency(BaseModel):
    condition: str


class Service(BaseModel):
    image: str
    command: list[str] = []
    entrypoint: list[str] = []
    environment: dict[str, str | None] = {}
    healthcheck: Healthcheck | None = None
    depends_on: dict[str, Dependency] = {}
    restart: str
    ports: list[str] = []
    volumes: list[str] = []
    container_name: str | None = None
    build: object = None

    @property
    def is_ours(self) -> bool:
        return self.build is not None


class Compose(BaseModel):
    services: dict[str, Service]
    volumes: dict[str, object]


@pytest.fixture(scope="module")
def compose() -> Compose:
    return Compose.model_validate(yaml.safe_load(COMPOSE_FILE.read_text()))


@pytest.fixture(scope="module")
def commands() -> dict[str, TyperCommand]:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return {name: command for name, command in group.commands.items() if isinstance(command, TyperCommand)}


def test_the_compose_file_fits_the_specification() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE_FILE)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_variable_set_for_our_containers_is_a_setting(compose: Compose) -> None:
    known = {variable(path) for path in leaves()} | provider_names()

    for name, service in compose.services.items():
        if service.is_ours:
            assert set(service.environment) <= known, name
    assert image_variables() <= known


def test_every_setting_reaches_the_containers(compose: Compose) -> None:
    named = set(compose.services["api"].environment) | set(compose.services["worker"].environment)
    of_the_embedded_server = {"PERDURE_TEMPORAL__PORT", "PERDURE_TEMPORAL__UI_PORT"}

    # What the image sets, an empty value from here would unset.
    assert named & image_variables() == set()
    assert named | image_variables() | of_the_embedded_server == {
        *(variable(path) for path in leaves()),
        *provider_names(),
    }
    assert provider_names() <= set(compose.services["worker"].environment)


def image_variables() -> set[str]:
    return set(re.findall(r"^ *(?:ENV )?(PERDURE_\w+)=", DOCKERFILE.read_text(), flags=re.MULTILINE))


def test_what_is_set_for_our_containers_is_valid(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = {"POSTGRES_PASSWORD": "a" * 48, "PERDURE_AUTH__SECRET": "b" * 64, "COMMIT": "0123456789ab"}
    environment = {
        name: REFERENCE.sub(lambda match: outside.get(match["name"], match["rest"] or ""), value)
        for service in compose.services.values()
        for name, value in service.environment.items()
        if service.is_ours and value is not None
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    settings = Settings(_env_file=None)  # pyright: ignore[reportCallIssue] - pydantic-settings' own

    assert settings.temporal.address == "temporal:7233"
    assert settings.temporal.namespace == compose.services["temporal-namespace"].environment["NAMESPACE"]
    assert settings.database.url
    assert settings.database.url.get_secret_value() == f"postgresql://perdure:{'a' * 48}@postgres:5432/perdure"
    assert settings.auth.secret


def test_every_command_that_is_run_exists(compose: Compose, commands: dict[str, TyperCommand]) -> None:
    for name, service in compose.services.items():
        if service.is_ours:
            assert service.command[0] in commands, name
            if service.healthcheck and service.healthcheck.test:
                kind, program, command, *options = service.healthcheck.test
                assert (kind, program) == ("CMD", "perdure"), name
                assert set(options) <= {option for known in commands[command].params for option in known.opts}, name
    final_stage = DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    assert 'ENTRYPOINT ["perdure"]' in final_stage
    default = re.search(r'^CMD \["(\w+)"\]$', final_stage, flags=re.MULTILINE)
    assert default
    assert default[1] in commands


def test_every_file_that_a_container_mounts_or_runs_is_there(compose: Compose) -> None:
    for name, service in compose.services.items():
        mounts = {target: source for source, target, *_ in (volume.split(":") for volume in service.volumes)}
        for source in mounts.values():
            assert source in compose.volumes or (ROOT / source).exists(), name
        for argument in service.entrypoint[1:]:
            script = Path(argument)
            assert (ROOT / mounts[str(script.parent)] / script.name).is_file(), name


def test_secrets_come_from_the_environment_and_have_no_default(compose: Compose) -> None:
    secret = re.compile("PASSWORD|PWD|SECRET|_KEY$")
    for name, service in compose.services.items():
        for key, value in service.environment.items():
            for reference in REFERENCE.finditer(value or ""):
                if secret.search(reference["name"]):
                    # A provider's key may be missing; ours may not.
                    is_empty = reference["name"] in provider_names() and not reference["rest"]
                    assert reference["kind"] == "?" or is_empty, f"{name}: {key}"
            assert not secret.search(key) or REFERENCE.search(value or ""), f"{name}: {key}"
    assert not secret.search("".join(re.findall(r"^(?:ARG|ENV) .*$", DOCKERFILE.read_text(), flags=re.MULTILINE)))


def test_what_runs_on_has_a_health_check_and_what_ends_does_not_run_on(compose: Compose) -> None:
    awaited = {
        (dependency, wanted.condition)
        for service in compose.services.values()
        for dependency, wanted in service.depends_on.items()
    }
    image_has_check = "\nHEALTHCHECK " in DOCKERFILE.read_text()
    for name, service in compose.services.items():
        if service.restart == "unless-stopped":
            check = service.healthcheck
            assert image_has_check and service.is_ours if check is None else check.test, name
            assert (name, "service_completed_successfully") not in awaited
        else:
            assert (name, "service_healthy") not in awaited
    assert ("migrate", "service_completed_successfully") in awaited


def test_workers_scale(compose: Compose) -> None:
    worker = compose.services["worker"]

    assert worker.container_name is None
    assert not worker.ports
    assert not worker.volumes


def test_the_image_installs_from_the_lock_and_runs_without_root() -> None:
    build_stage, _, final_stage = DOCKERFILE.read_text().rpartition("\nFROM ")

    assert "uv pip sync --require-hashes --no-build requirements.lock" in build_stage
    assert re.search(r"^USER (?!root|0)\w+$", final_stage, flags=re.MULTILINE)
    assert not re.search(r"\b(gcc|g\+\+|build-essential|pip install)\b", final_stage)


def test_the_server_is_set_as_the_embedded_one() -> None:
    deployed: dict[str, list[dict[str, object]]] = yaml.safe_load(
        (ROOT / "deploy" / "temporal-dynamicconfig.yaml").read_text()
    )
    module = ast.parse((ROOT / "perdure" / "embedded" / "temporal_server.py").read_text())
    embedded: list[str] = next(
        ast.literal_eval(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_DYNAMIC_CONFIG"
    )

    assert deployed == {
        key: [{"value": yaml.safe_load(value)}] for key, _, value in (entry.partition("=") for entry in embedded)
    }
