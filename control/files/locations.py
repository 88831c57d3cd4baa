"""Which URLs a station may be given: it would fetch its firmware, or leave its logs, there."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from control.files.settings import FileSettings
from shared.domain.commands import Call, Command, GetLog, UpdateFirmware
from shared.domain.errors import InvalidInputError

# Where a CALL that is sent as it stands has its URL, in any version of OCPP.
_URL_OF_CALL = {
    "UpdateFirmware": (("location",), ("firmware", "location")),
    "SignedUpdateFirmware": (("firmware", "location"),),
    "PublishFirmware": (("location",),),
    "GetDiagnostics": (("location",),),
    "GetLog": (("log", "remoteLocation"),),
}
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")  # a name, or an address of IPv4 or IPv6
_DEFAULT_PORTS = {"https": 443, "http": 80, "ftp": 21, "ftps": 990, "sftp": 22}


class LocationError(InvalidInputError):
    """A URL that no station may be given."""


class Locations:
    """Knows which hosts and schemes are allowed.

    Args:
        settings: says so.
    """

    def __init__(self, settings: FileSettings) -> None:
        self._own = None if settings.public_url is None else _origin(urlsplit(settings.public_url))
        self._hosts = settings.files_allowed_hosts
        self._schemes = settings.files_allowed_schemes

    def check(self, url: str) -> None:
        """Return if a station may be given this URL.

        Raises:
            LocationError: it may not; the message says what to do.
        """
        try:
            parts = urlsplit(url)
            origin = _origin(parts)
        except ValueError:
            raise LocationError(f"{url[:100]!r} is no URL") from None
        # What else stands in a host is read in one way here, and in another by a station's client.
        if (
            not parts.scheme
            or not _HOST.fullmatch(parts.hostname or "")
            or "\\" in url
            or not url.isprintable()
        ):
            raise LocationError(f"{url[:100]!r} is no URL with a scheme and a host")
        if origin == self._own:
            return
        if parts.scheme not in self._schemes:
            raise LocationError(
                f"stations are not sent to {parts.scheme} URLs: allow it with "
                "VOLTARO_FILES_ALLOWED_SCHEMES, or use a file of /v1/files"
            )
        if not any(_fits(origin, host) for host in self._hosts):
            raise LocationError(
                f"stations are not sent to {parts.hostname}: allow it with "
                "VOLTARO_FILES_ALLOWED_HOSTS, or use a file of /v1/files"
            )

    def check_command(self, command: Command) -> None:
        """Return if a command holds no URL that a station may not be given.

        Raises:
            LocationError: it does.
        """
        match command:
            case UpdateFirmware(location=location) | GetLog(location=location):
                self.check(location)
            case Call(action=action, payload=payload):
                for path in _URL_OF_CALL.get(action, ()):
                    url = _find(payload, path)
                    if url is not None:
                        self.check(url)


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").rstrip("."), port


def _fits(origin: tuple[str, str, int | None], allowed: str) -> bool:
    _, host, port = origin
    pattern = urlsplit(f"//{allowed}")
    name = pattern.hostname or ""
    if pattern.port is not None and pattern.port != port:
        return False
    if name.startswith("*."):
        return host.endswith(name[1:]) and host != name[2:]
    return host == name


def _find(payload: Mapping[str, Any], path: tuple[str, ...]) -> str | None:
    value: Any = payload
    for member in path:
        value = value.get(member) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else None
