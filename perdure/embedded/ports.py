"""TCP ports of this machine: is one free, and which one is."""

import errno
import secrets
import socket

from perdure.domain.errors import SetupError

LOOPBACK = "127.0.0.1"
_DRAWN_FROM = range(10_000, 32_000)
_DRAWS = 100


def reachable(host: str) -> str:
    """Return the address by which this machine calls a server that listens on `host`, as it stands in a URL."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not listened on
        return LOOPBACK
    return f"[{host}]" if ":" in host else host


def claim_port(host: str, port: int, setting: str) -> int:
    """Return a port that can be listened on now: the one asked for, or any free one for 0.

    Raises:
        SetupError: it is taken or may not be used; the sentence names `setting`, the environment variable to change.
    """
    try:
        return _bound(host, port or _drawn(host))
    except socket.gaierror as error:
        raise SetupError(
            f"{host} is no address of this machine: change {setting.rpartition('__')[0]}__HOST."
        ) from error
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise SetupError(
            f"Port {port} on {host} {reason}: set {setting} to another one (0 picks a free one)."
        ) from error


def _drawn(host: str) -> int:
    """Draw a free port, from below those that systems hand out by themselves; 0 where there is none.

    Temporal's server takes some of those at its start: it can be given one that was just found free for it.
    """
    for _ in range(_DRAWS):
        try:
            return _bound(host, secrets.choice(_DRAWN_FROM))
        except socket.gaierror:
            raise
        except OSError:
            continue  # taken
    return 0


def _bound(host: str, port: int) -> int:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        # As the servers do: a connection that was closed a moment ago does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        return int(probe.getsockname()[1])
