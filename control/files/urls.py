"""Where a URL leads, if everybody who reads it agrees.

A station's client reads URLs in its own way. Two parsers that follow two standards have to come to
one result here, RFC 3986 in Python and WHATWG in pydantic, and what other clients are known to read
otherwise is refused before: user names with an @, backslashes, escaped hosts, addresses that are
written as one number.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from pydantic_core import Url

from shared.domain.errors import InvalidInputError

_DEFAULT_PORTS = {
    "https": 443, "http": 80, "wss": 443, "ws": 80, "ftp": 21, "ftps": 990, "sftp": 22
}  # fmt: skip
# Nothing but a path may follow the authority, without @ and backslash: some look for a host behind
# them. Written as %40 and %5C they do no harm.
_URL = re.compile(
    r"""
    [A-Za-z] [A-Za-z0-9+.\-]{0,19} ://
    (?: [A-Za-z0-9\-._~!$&'()*+,;=:%]+ @ )?
    (?P<host> [A-Za-z0-9._\-]+ | \[ [0-9A-Fa-f:.]+ \] )
    (?: : [1-9][0-9]{0,4} )?
    (?: / [!-?A-\[\]-~]* )?
    """,
    re.VERBOSE,
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HOST_MAX_LENGTH = 253


class AmbiguousUrlError(InvalidInputError):
    """A text that is no URL, or that is not read alike by all."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a URL leads: everything in lower case, a host without the point behind it."""

    scheme: str
    host: str
    port: int | None


def read_origin(url: str) -> Origin:
    """Return where a URL leads.

    Raises:
        AmbiguousUrlError: it is none, or clients may read it in different ways.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise AmbiguousUrlError("it is no URL with a scheme and a host that all clients read alike")
    try:
        parts, other = urlsplit(url), Url(url)
        origin = Origin(parts.scheme, read_host(found["host"]), _port(parts))
        same = (other.scheme, read_host(other.host or ""), other.port or _port(parts))
    except ValueError as error:  # Url's ValidationError is one as well
        raise AmbiguousUrlError(f"it is no URL: {error}"[:200]) from error
    if same != (origin.scheme, origin.host, origin.port):
        raise AmbiguousUrlError(
            f"it is no URL that all clients read alike: its host is {origin.host} for some and "
            f"{same[1]} for others"
        )
    return origin


def read_host(text: str) -> str:
    """Return a host as it is compared.

    Raises:
        ValueError: it is neither a name nor an address in its usual form.
    """
    if text.startswith("["):
        return str(IPv6Address(text.strip("[]")))
    host = text.lower().removesuffix(".")
    labels = host.split(".")
    if len(host) > _HOST_MAX_LENGTH or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f"{text[:60]!r} is no host")
    if _NUMBER.fullmatch(labels[-1]):
        # Only the usual form of an address: 127.1, 0x7f.1 and 2130706433 are one for some.
        return str(IPv4Address(host))
    return host


def read_pattern(allowed: str) -> tuple[str, int | None]:
    """Return host and port of an entry of the allow-list; the host may begin with `*.`.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(f"//{allowed}")
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.path or parts.query or parts.username is not None:
        raise ValueError(f"{allowed!r} is more than a host and a port")
    wildcard = "*." if host.startswith("*.") else ""
    return wildcard + read_host(host.removeprefix("*.")), parts.port


def _port(parts: SplitResult) -> int | None:
    return parts.port or _DEFAULT_PORTS.get(parts.scheme)
