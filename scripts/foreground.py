"""Runs a command so that Ctrl-C reaches it alone, and exits as it exits.

`make up` needs this: a terminal sends Ctrl-C to make as well, and make then ends with an error whatever the command
says. Here the command gets the terminal as its own foreground process group; make sees only its exit code.
"""

import os
import signal
import sys
from types import FrameType


def main(command: list[str]) -> int:
    """Exit code of `command`, shell style: 128 + the signal that ended it."""
    terminal = sys.stdin.fileno() if sys.stdin.isatty() else None
    if terminal is None:
        # Signals sent to this process are then the command's own.
        os.execvp(command[0], command)  # noqa: S606 - the command line is the caller's
    # Whoever is not in the foreground is stopped when it changes the foreground group, unless it ignores this.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    child = os.posix_spawnp(command[0], command, os.environ, setpgroup=0, setsigdef=[signal.SIGTTOU])

    def forward(number: int, _frame: FrameType | None) -> None:
        os.killpg(child, number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    os.tcsetpgrp(terminal, child)
    # One that read the terminal before it had it was stopped.
    os.killpg(child, signal.SIGCONT)
    try:
        _, status = os.waitpid(child, 0)
    finally:
        os.tcsetpgrp(terminal, os.getpgrp())
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
