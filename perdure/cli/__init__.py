"""The command line: `perdure COMMAND`.

Commands import what they need when they run, so that `perdure --help` answers at once. Whatever a person can mend comes
as one sentence on stderr with exit code 1; a wrong usage exits with 2.
"""

import sys
from collections.abc import Callable
from typing import Annotated
from uuid import UUID

import typer

from perdure.domain.errors import PerdureError

__all__ = ["main", "run_worker"]

app = typer.Typer(
    name="perdure",
    help="Runs agentflows and chatflows durably: every execution is a Temporal workflow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Url = Annotated[str, typer.Option(envvar="PERDURE_URL", help="Another API than that of this machine.")]
Token = Annotated[str, typer.Option(envvar="PERDURE_TOKEN", help="A token or an API key; else one of admin@localhost.")]
Execution = Annotated[UUID, typer.Argument(help="The execution's id.", metavar="EXECUTION")]
Email = Annotated[str, typer.Argument(help="The user's address.", metavar="EMAIL")]


def main() -> None:
    """Run the command that the arguments name."""
    _exit_with(app)


def run_worker() -> None:
    """Run a worker until stopped: `perdure worker` and `python worker.py`."""
    from perdure.cli import serve

    _exit_with(serve.run_worker)


@app.command()
def up() -> None:
    """Run everything in the foreground: PostgreSQL, Temporal with its Web UI, local model, API, worker."""
    from perdure.cli.up import run_up

    run_up()


@app.command()
def services() -> None:
    """Run the embedded PostgreSQL and Temporal alone, for `perdure api` and `perdure worker` beside them."""
    from perdure.cli import serve

    serve.run_services()


@app.command()
def api() -> None:
    """Run the HTTP API."""
    from perdure.cli import serve

    serve.run_api()


@app.command()
def worker() -> None:
    """Run a worker; the same as `python worker.py`."""
    from perdure.cli import serve

    serve.run_worker()


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    from perdure.cli import serve

    serve.run_migrate()


@app.command()
def token(
    user: Annotated[str, typer.Option(help="Whose token; the user is made when new.", metavar="EMAIL")] = "",
) -> None:
    """Print a bearer token, alone on stdout."""
    from perdure.cli.accounts import run_token
    from perdure.cli.database import ADMIN_EMAIL

    run_token(user or ADMIN_EMAIL)


@app.command()
def password(email: Email) -> None:
    """Set a user's password, read from stdin or asked for; the user is made when new."""
    from perdure.cli.accounts import run_password

    run_password(email)


@app.command()
def demo() -> None:
    """Run a team of agents and a chat assistant on the local model and show what they do."""
    from perdure.cli.demo import run_demo

    run_demo()


@app.command()
def run(
    flow: Annotated[str, typer.Argument(help="The flow's id or its name.", metavar="FLOW")],
    message: Annotated[str, typer.Argument(help="The task, or what is said to a chatflow.", metavar="MESSAGE")],
    session: Annotated[str, typer.Option(help="Of a chatflow: the conversation to go on with.")] = "",
    url: Url = "",
    token: Token = "",
) -> None:
    """Run a flow and show its steps and words as they come. Ctrl-C leaves the run going."""
    from perdure.cli.runs import run_flow

    run_flow(flow, message, session or None, url or None, token or None)


@app.command()
def watch(execution: Execution, url: Url = "", token: Token = "") -> None:
    """Show a run from its first step on, as it goes on."""
    from perdure.cli.runs import run_watch

    run_watch(execution, url or None, token or None)


@app.command()
def cancel(execution: Execution, url: Url = "", token: Token = "") -> None:
    """Stop a run."""
    from perdure.cli.runs import run_cancel

    run_cancel(execution, url or None, token or None)


@app.command()
def doctor(
    worker: Annotated[
        bool, typer.Option("--worker", help="As a worker's health check: only this machine's count.")
    ] = False,
) -> None:
    """Say what is configured, what answers and what is missing."""
    from perdure.cli.doctor import run_doctor

    run_doctor(own_worker=worker)


def _exit_with(command: Callable[[], object]) -> None:
    """Run a command; turn an error that a person can act on into its sentence."""
    try:
        command()
    except PerdureError as error:
        sys.stderr.write(f"{' '.join(error.detail.split())}\n")
        sys.exit(1)
