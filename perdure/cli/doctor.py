"""`perdure doctor`: what is configured, what answers and what is missing, in plain words."""

import asyncio
import os
import socket
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

import typer
from pydantic import AliasChoices, BaseModel, SecretStr
from rich.table import Table

from perdure.cli.configuration import load_settings, variable_name
from perdure.cli.output import make_console, table_of
from perdure.domain.errors import SetupError
from perdure.embedded.data_folder import DataFolder
from perdure.embedded.endpoints import Endpoints, configured_database_url, resolve_endpoints
from perdure.embedded.local_model import model_file
from perdure.embedded.temporal_server import namespace_answers
from perdure.settings import Settings


class State(Enum):
    """How a finding is shown, and whether it fails the examination."""

    OK = "[green]ok[/]"
    NOTE = "[yellow]note[/]"
    MISSING = "[red]missing[/]"


class Finding(NamedTuple):
    """One thing that was looked at."""

    state: State
    what: str
    words: str


def run_doctor(*, own_worker: bool = False) -> None:
    """Print everything; exit with 1 when something needed is missing.

    Args:
        own_worker: as a worker's health check: only workers of this machine or container count, and the settings are
            left out, since reading the providers' takes seconds of processor time.
    """
    settings = load_settings()
    findings = asyncio.run(_examine(settings, own_worker=own_worker))
    console = make_console()
    if not own_worker:
        console.print("[bold]Settings[/]")
        console.print(table_of([*configured(settings), *_provider_rows()]))
    console.print("[bold]Findings[/]")
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for state, what, words in findings:
        table.add_row(state.value, what, words)
    console.print(table)
    missing = [finding.what for finding in findings if finding.state is State.MISSING]
    if missing:
        console.print(f"Missing: {', '.join(missing)}.")
        raise typer.Exit(1)
    console.print("Nothing is missing.")


def configured(settings: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """List every setting by its variable's name, with secrets masked."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from configured(value, (*path, name))
        else:
            shown = "set (not shown)" if isinstance(value, SecretStr) else "not set" if value is None else str(value)
            yield variable_name((*path, name)), shown


def unknown_variables(environment: list[str]) -> list[str]:
    """Find variables that look like ours and are read by nothing: misspelt ones, mostly."""
    known = {name for name, _ in configured(Settings.model_construct())}
    return sorted(name for name in environment if name.upper().startswith("PERDURE_") and name.upper() not in known)


def _provider_rows() -> Iterator[tuple[str, str]]:
    """List the providers' variables by name; whether they are set is all that is shown."""
    from perdure.llm.keys import ProviderKeys

    keys = ProviderKeys()
    for name, field in ProviderKeys.model_fields.items():
        aliases = field.validation_alias
        names = [str(choice) for choice in aliases.choices] if isinstance(aliases, AliasChoices) else [name.upper()]
        yield " or ".join(names), "not set" if getattr(keys, name) == field.default else "set"


async def _examine(settings: Settings, *, own_worker: bool) -> list[Finding]:
    findings = [
        Finding(State.NOTE, name, "is set and nothing reads it: is it misspelt?")
        for name in unknown_variables(list(os.environ))
    ]
    findings += _folder(settings)
    try:
        endpoints = resolve_endpoints(settings)
    except SetupError as error:
        return [*findings, Finding(State.MISSING, "Services", error.detail), _local_model_file(settings)]
    findings.append(await _database(settings))
    findings += await _temporal(settings, endpoints, own_worker=own_worker)
    findings.append(await _api(settings))
    findings.append(_local_model_file(settings))
    return findings


def _folder(settings: Settings) -> list[Finding]:
    folder = DataFolder.at(settings.data_dir)
    running = folder.running()
    if running:
        kind = "`perdure up`" if running.api_url else "`perdure services`"
        return [Finding(State.OK, "Data folder", f"{folder.path}: {kind} runs here (process {running.pid})")]
    external = configured_database_url(settings) and settings.temporal.address
    words = f"{folder.path}: nothing runs here"
    return [Finding(State.OK if external else State.NOTE, "Data folder", words)]


async def _database(settings: Settings) -> Finding:
    from perdure.cli.database import checked_database

    try:
        await checked_database(settings)
    except SetupError as error:
        return Finding(State.MISSING, "Database", error.detail)
    return Finding(State.OK, "Database", "answers and has the tables that this version needs")


async def _temporal(settings: Settings, endpoints: Endpoints, *, own_worker: bool) -> list[Finding]:
    address, namespace = endpoints.temporal_address, settings.temporal.namespace
    if problem := await namespace_answers(address, namespace):
        words = f"{address}: {problem}; see PERDURE_TEMPORAL__ADDRESS and PERDURE_TEMPORAL__NAMESPACE"
        return [Finding(State.MISSING, "Temporal", words)]
    answers = Finding(State.OK, "Temporal", f"{address} answers and has the namespace {namespace!r}")
    workers = await _polling_workers(address, namespace)
    if own_worker:
        here = socket.gethostname()
        workers = on_host(here, workers)
        missing = f"none on {here} asks for work: see its log, or start one with `perdure worker`"
    else:
        missing = "none asks for work, so runs wait: start one with `perdure worker`"
    if not workers:
        return [answers, Finding(State.MISSING, "Workers", missing)]
    return [answers, Finding(State.OK, "Workers", ", ".join(workers))]


def on_host(host: str, workers: list[str]) -> list[str]:
    """Pick the workers of one machine or container; Temporal's SDK calls each PROCESS@HOST."""
    return [worker for worker in workers if worker.partition("@")[2] == host]


async def _polling_workers(address: str, namespace: str) -> list[str]:
    """Name the workers that asked for runs in the last minutes, as Temporal remembers them."""
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
    from temporalio.client import Client

    from perdure.temporal.client import TASK_QUEUE

    client = await Client.connect(address, namespace=namespace)
    request = DescribeTaskQueueRequest(
        namespace=namespace,
        task_queue=TaskQueue(name=TASK_QUEUE),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    described = await client.workflow_service.describe_task_queue(request)
    return sorted({poller.identity for poller in described.pollers})


async def _api(settings: Settings) -> Finding:
    import aiohttp

    from perdure.cli.addresses import api_address

    url = api_address(settings)
    if url is None:
        return Finding(State.NOTE, "API", "its port is picked at its start (PERDURE_API__PORT is 0)")
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(f"{url}/health/ready") as answer,
        ):
            if answer.ok:
                return Finding(State.OK, "API", f"{url} is ready")
            return Finding(State.MISSING, "API", f"{url} answers {answer.status}: {await answer.text()}")
    except (aiohttp.ClientError, TimeoutError):
        return Finding(State.NOTE, "API", f"nothing answers at {url}: start it with `perdure api`")


def _local_model_file(settings: Settings) -> Finding:
    if not settings.llm.local_model:
        return Finding(State.NOTE, "Local model", "is switched off (PERDURE_LLM__LOCAL_MODEL)")
    try:
        return Finding(State.OK, "Local model", f"{model_file().name} is installed; each worker serves its own")
    except SetupError as error:
        return Finding(State.MISSING, "Local model", error.detail)
