"""Free TCP ports for servers that keep theirs for as long as they live."""

import errno
import random
import socket
from collections.abc import Collection
from pathlib import Path

from cli.up.errors import UpError

LOOPBACK = "127.0.0.1"
_LOWEST = 10_240
_ATTEMPTS = 200


def free_ports(count: int, host: str = LOOPBACK, *, excluded: Collection[int] = ()) -> list[int]:
    """Return different TCP ports nobody listens on.

    They lie below the range from which the kernel takes the ports of outgoing connections: a
    gateway that is down for a second must find its port still free when it comes back. For about a
    minute nobody is given them again, in no process, so that each server has time to start.

    Args:
        count: How many.
        host: An address the servers will listen on, beside 127.0.0.1.
        excluded: Ports that are meant for something else.

    Raises:
        UpError: There are not so many.
    """
    highest = _first_ephemeral_port() - 1
    chooser = random.SystemRandom()
    found: list[int] = []
    for _ in range(_ATTEMPTS + count):
        port = chooser.randint(_LOWEST, highest)
        if port in found or port in excluded:
            continue
        if _reserve(port) and (host == LOOPBACK or is_free(port, host)):
            found.append(port)
        if len(found) == count:
            return found
    raise UpError(
        f"Not enough free TCP ports were found on {host} between {_LOWEST} and {highest}: "
        "stop some of the servers on this machine."
    )


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Say whether a server could listen on a port now.

    Raises:
        UpError: The address or the port can never be listened on by this user.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do: connections of a server that has just stopped do not keep its port busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            if error.errno == errno.EACCES:
                raise UpError(
                    f"Port {port} is reserved for root: choose one above 1023."
                ) from error
            raise UpError(f"{host} is not an address of this machine: {error.strerror}.") from error
    return True


def _reserve(port: int) -> bool:
    """Take a port out of the choice of all processes, for as long as TIME-WAIT lasts.

    A connection that its server has closed leaves the port in that state (RFC 9293 §3.3.2). A
    socket without SO_REUSEADDR cannot have it then, and such is the one that asks here; one with
    it, as every server sets it, can.

    Returns:
        Whether it was free, also of the choice of another process.
    """
    with socket.socket() as listener:
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
        # Not before: what the accepted connection inherits lets the server in later.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.listen(1)
        with socket.create_connection((LOOPBACK, port)) as client:
            accepted, _ = listener.accept()
            accepted.close()
            client.recv(1)  # the end; whoever closes first keeps the port in TIME-WAIT
    return True


def _first_ephemeral_port() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
        first = int(text.split()[0])
    except (OSError, ValueError):
        first = 32_768  # Linux's default; a Mac starts at 49,152
    # Some machines give nearly the whole range away; then any port is as good as another.
    return first if first > 2 * _LOWEST else 60_999
