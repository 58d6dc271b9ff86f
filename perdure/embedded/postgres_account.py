"""PostgreSQL refuses to run as root; this is the account it gets then, and the few permissions that needs."""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from perdure.domain.errors import SetupError

_NAME = "pgserver"
"""The name that the package of the binaries uses, too."""


@dataclass(frozen=True)
class Account:
    """Numbers of a system account."""

    user: int
    group: int


def account_for_postgres() -> Account | None:
    """Return the account to run PostgreSQL under, made when it is missing; None unless this process is root.

    Raises:
        SetupError: this is root and no account can be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_NAME)
    except KeyError:
        _make_account()
        entry = pwd.getpwnam(_NAME)
    return Account(user=entry.pw_uid, group=entry.pw_gid)


def open_path(*, binaries: Path, cluster_parent: Path) -> None:
    """Let other accounts read the binaries' package and pass through the folders above it and above the cluster.

    Passing through (`x`) is all that they gain on those folders: they can list none of them.
    """
    for folder in (cluster_parent, *cluster_parent.parents, *binaries.parents):
        _add_mode(folder, stat.S_IXOTH)
    package = binaries.parents[1]
    if not binaries.joinpath("postgres").stat().st_mode & stat.S_IROTH:
        # Installed under a strict umask: the whole package is unreadable to others then.
        for path in (*package.rglob("*"), *package.with_name(f"{package.name}.libs").rglob("*")):
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            _add_mode(path, stat.S_IROTH | (stat.S_IXOTH if executable else 0))


def _add_mode(path: Path, mode: int) -> None:
    current = path.stat().st_mode
    if current & mode != mode:
        path.chmod(current | mode)


def _make_account() -> None:
    command = shutil.which("useradd")
    arguments = ["--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _NAME]
    if command is None:
        command = shutil.which("adduser")  # busybox
        arguments = ["-S", "-D", "-H", _NAME]
    if command is not None:
        made = subprocess.run([command, *arguments], capture_output=True, check=False)
        if made.returncode == 0:
            return
    raise SetupError(
        f"PostgreSQL cannot run as root and the account {_NAME} cannot be made for it: run this as another user, "
        "or set PERDURE_DATABASE__URL."
    )
