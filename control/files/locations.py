"""Which URLs a station may be given: it would fetch its firmware, or leave its logs, there."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from control.files.settings import FileSettings
from control.files.urls import AmbiguousUrlError, Origin, read_origin, read_pattern
from shared.domain.commands import Call, ChangeConfiguration, Command, DataTransfer, command_params
from shared.domain.errors import InvalidInputError
from shared.domain.redaction import redact_address

# What a station is configured with, and what only its vendor understands, is not for us to judge.
_OPAQUE_COMMANDS = (ChangeConfiguration, DataTransfer)
_OPAQUE_ACTIONS = frozenset({"ChangeConfiguration", "DataTransfer", "SetVariables"})
# A member whose name ends so is a URL, whatever stands in it: location, remoteLocation,
# ocppCsmsUrl. So is every text that begins like one, in any other member.
_URL_MEMBERS = ("location", "url", "uri", "href")
_BEGINS_LIKE_A_URL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.\-]*:[/\\]{2}")
_WITHIN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[/\\]{2}[^\s\"'<>]*")
# Where a station is told to connect to us, or to another back end.
_BACK_END_MEMBER = "ocppcsmsurl"
_BACK_END_SCHEMES = frozenset({"ws", "wss"})
_LOOKS_FOR_URLS = frozenset({"URI", "HTML"})


class LocationError(InvalidInputError):
    """A URL that no station may be given."""


class Locations:
    """Knows which hosts and schemes are allowed.

    Args:
        settings: says so.
    """

    def __init__(self, settings: FileSettings) -> None:
        self._own = None if settings.public_url is None else read_origin(settings.public_url)
        self._hosts = [read_pattern(host) for host in settings.files_allowed_hosts]
        self._schemes = frozenset(settings.files_allowed_schemes)

    def check(self, url: str) -> None:
        """Return if a station may be given this URL.

        Raises:
            LocationError: it may not; the message says what to do.
        """
        origin = _read(url)
        if origin == self._own:
            return
        if origin.scheme not in self._schemes:
            raise LocationError(
                f"stations are not sent to {origin.scheme} URLs: allow it with "
                "VOLTARO_FILES_ALLOWED_SCHEMES, or use a file of /v1/files"
            )
        if not self._allows(origin):
            raise LocationError(
                f"stations are not sent to {origin.host}: allow it with "
                "VOLTARO_FILES_ALLOWED_HOSTS, or use a file of /v1/files"
            )

    def check_back_end(self, url: str) -> None:
        """Return if a station may be told to connect to this URL, with OCPP.

        Raises:
            LocationError: it may not; the message says what to do.
        """
        origin = _read(url)
        if origin.scheme not in _BACK_END_SCHEMES:
            raise LocationError(f"stations speak OCPP over ws or wss, not {origin.scheme}")
        own = self._own is not None and origin.host == self._own.host
        if not own and not self._allows(origin):
            raise LocationError(
                f"stations are not sent to {origin.host}: allow it with VOLTARO_FILES_ALLOWED_HOSTS"
            )

    def check_command(self, command: Command) -> None:
        """Return if a command holds no URL that a station may not be given, wherever it stands.

        Raises:
            LocationError: it does.
        """
        match command:
            case Call(action=action, payload=payload):
                opaque, content = action in _OPAQUE_ACTIONS, payload
            case _:
                opaque, content = isinstance(command, _OPAQUE_COMMANDS), command_params(command)
        if opaque:
            return
        for name, url in _find_urls(content):
            if name.lower() == _BACK_END_MEMBER:
                self.check_back_end(url)
            else:
                self.check(url)

    def _allows(self, origin: Origin) -> bool:
        return any(_fits(origin, name, port) for name, port in self._hosts)


def _read(url: str) -> Origin:
    try:
        return read_origin(url)
    except AmbiguousUrlError as error:
        raise LocationError(
            f"{redact_address(url)[:100]!r} is no URL for stations: {error}"
        ) from None


def _fits(origin: Origin, name: str, port: int | None) -> bool:
    if port is not None and port != origin.port:
        return False
    if name.startswith("*."):
        return origin.host.endswith(name[1:])
    return origin.host == name


def _find_urls(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every URL in a message, with the member that it stands in."""
    waiting: list[tuple[str, Any]] = [("", content)]
    while waiting:
        member, value = waiting.pop()
        match value:
            case Mapping():
                if value.get("format") in _LOOKS_FOR_URLS:  # MessageContentType of 2.0.1
                    yield from _find_in_message(value)
                waiting += value.items()
            case list() | tuple():
                waiting += ((member, each) for each in value)
            case str():
                if _is_url(member, value):
                    yield member, value


def _is_url(member: str, text: str) -> bool:
    return member.lower().endswith(_URL_MEMBERS) or _BEGINS_LIKE_A_URL.match(text) is not None


def _find_in_message(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the URLs of what a station shows: it loads them itself (O01)."""
    content = message.get("content")
    if not isinstance(content, str):
        return
    if message["format"] == "URI":
        yield "content", content
    else:
        for url in _WITHIN_TEXT.findall(content):
            yield "content", url
