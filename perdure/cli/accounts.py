"""Users as the command line makes them: tokens, passwords, and the first user of a new installation."""

import asyncio
import secrets
import sys
from typing import TYPE_CHECKING

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from perdure.auth import Passwords, issue_token
from perdure.cli.configuration import load_settings
from perdure.cli.database import ADMIN_EMAIL, checked_database, transaction
from perdure.domain.errors import PerdureError
from perdure.domain.users import normal_email
from perdure.embedded.data_folder import DataFolder, write_private
from perdure.settings import Settings
from perdure.storage.users import ensure_user, find_login, set_password

if TYPE_CHECKING:
    from perdure.bootstrap import Runtime


def run_token(email: str) -> None:
    """Print a token for a user, made when new."""
    settings = load_settings()

    async def run() -> str:
        return await token_of(settings, await checked_database(settings), email)

    sys.stdout.write(f"{asyncio.run(run())}\n")


def run_password(email: str) -> None:
    """Set a user's password."""
    settings = load_settings()
    if sys.stdin.isatty():
        word: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        word = sys.stdin.readline().rstrip("\n")
    asyncio.run(_set_password(settings, email, word))


async def token_of(settings: Settings, database_url: str, email: str) -> str:
    """Issue a token for a user, made when new.

    Raises:
        PerdureError: this is no address, or the user is kept out.
    """
    async with transaction(database_url) as session:
        user = await ensure_user(session, email)
    if not user.is_active:
        raise PerdureError(f"{user.email} is deactivated: no token of theirs would be accepted.")
    return issue_token(settings, user)


async def ensure_admin(runtime: "Runtime", folder: DataFolder) -> None:
    """Make the first user, with a random password kept in the data folder, unless there is one with a password."""
    async with runtime.sessions.begin() as session:
        known = await find_login(session, ADMIN_EMAIL)
        if known and known[1] is not None:
            return
        password = secrets.token_urlsafe(16)
        # Written before the commit: a crash in between leaves a user without a password, who gets another one.
        write_private(folder.admin_password, f"{password}\n")
        await _keep(session, ADMIN_EMAIL, password)


async def _set_password(settings: Settings, email: str, password: str) -> None:
    async with transaction(await checked_database(settings)) as session:
        await _keep(session, email, password)
    if normal_email(email) == ADMIN_EMAIL:
        # What it says is no longer true.
        DataFolder.at(settings.data_dir).admin_password.unlink(missing_ok=True)


async def _keep(session: AsyncSession, email: str, password: str) -> None:
    user = await ensure_user(session, email)
    await set_password(session, user.id, await asyncio.to_thread(Passwords().hash, password))
