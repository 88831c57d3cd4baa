"""Keeps secrets out of answers, of what is stored, and of the OCPP log.

Stations' passwords travel as configuration: AuthorizationKey in OCPP 1.6, BasicAuthPassword in
2.0.1, and inside network profiles. Stations never tell them (OCPP 1.6 security whitepaper §7.2,
OCPP 2.0.1 part 2, referenced variables §2.2.1: write-only), and neither do we. Vendors have keys of
their own for the passwords of networks and file servers. Addresses that stations download from and
upload to may hold a password or a signature.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

REDACTED = "(redacted)"

# A configuration key or variable with one of these words in its name holds a secret. Our own
# commands name a variable of 2.0.1 as Component.Variable[Instance]/Attribute.
_SECRET_NAME = re.compile(
    r"authorizationkey|password|passwd|passphrase|secret|privatekey|simpin|presharedkey",
    re.IGNORECASE,
)

# Members of messages that are secrets themselves (VPNType, APNType, NetworkConnectionProfileType).
_SECRET_MEMBERS = frozenset({"password", "basicAuthPassword", "apnPassword", "simPin"})

# Parameters of addresses that let whoever has them in, and so are looked for by themselves.
_SECRET_PARAMETER = re.compile(r"sig|token|secret|key|passw|credential", re.IGNORECASE)

# Shorter secrets are hidden only where they stand alone: they would be found in any word.
_MIN_LENGTH_WITHIN_TEXT = 4

# Members that are addresses: of firmware (1.6 §6.54, §6.29; 2.0.1 L01, N01) and in our commands.
_ADDRESS_MEMBERS = frozenset({"location", "remoteLocation", "remote_location"})


Secrets: TypeAlias = frozenset[str]
"""Secrets themselves, as texts that must not be seen."""


def is_secret(name: str) -> bool:
    """Tell whether a configuration key or variable of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def redact(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a copy of JSON with every secret in it replaced."""
    match value:
        case dict():
            secret = _SECRET_MEMBERS | _members_that_hold_a_secret(value)
            return {
                name: REDACTED
                if name in secret and each is not None
                else redact_address(each)
                if name in _ADDRESS_MEMBERS and isinstance(each, str)
                else redact(each)
                for name, each in value.items()
            }
        case list():
            return [redact(each) for each in value]
        case _:
            return value


def redact_address(address: str) -> str:
    """Return a URL without its password and its query, where signatures stand."""
    try:
        parts = urlsplit(address)
    except ValueError:  # no URL, and so nobody knows what stands in it
        return REDACTED
    user, at, host = parts.netloc.rpartition("@")
    user, colon, _ = user.partition(":")
    return urlunsplit(
        parts._replace(
            netloc=f"{user}{colon}{REDACTED if colon else ''}{at}{host}",
            query=REDACTED if parts.query else "",
        )
    )


def find_secrets(value: Any) -> Secrets:  # noqa: ANN401 - any JSON
    """Return every secret in JSON, so that it can be hidden in what comes back."""
    return frozenset(filter(None, _find(value)))


def hide(value: Any, secrets: Secrets) -> Any:  # noqa: ANN401 - any JSON
    """Return a copy of JSON in which these secrets stand nowhere, in whatever letter case.

    A station that refuses a password may repeat it in the words of its refusal. What is nested too
    deep to be looked through is left out.
    """
    try:
        return _Hiding(secrets).apply(value) if secrets else value
    except RecursionError:
        return type(value)()


class _Hiding:
    def __init__(self, secrets: Secrets) -> None:
        self._alone = frozenset(secret.casefold() for secret in secrets)
        # The longest first: one may begin with another.
        within = sorted(
            (secret for secret in secrets if len(secret) >= _MIN_LENGTH_WITHIN_TEXT),
            key=len,
            reverse=True,
        )
        self._within = re.compile("|".join(map(re.escape, within)) or r"(?!)", re.IGNORECASE)

    def apply(self, value: Any) -> Any:  # noqa: ANN401 - any JSON
        match value:
            case str():
                return self._text(value)
            case dict():
                return {self._text(name): self.apply(each) for name, each in value.items()}
            case list():
                return [self.apply(each) for each in value]
            case int() if str(value) in self._alone:
                return REDACTED
            case _:
                return value

    def _text(self, text: str) -> str:
        if text.casefold() in self._alone:
            return REDACTED
        return self._within.sub(REDACTED, text)


def _find(value: object) -> Iterator[str]:
    match value:
        case dict():
            secret = _SECRET_MEMBERS | _members_that_hold_a_secret(value)
            for name, each in value.items():
                if name in secret:
                    yield from _texts(each)
                elif name in _ADDRESS_MEMBERS and isinstance(each, str):
                    yield from _find_in_address(each)
                else:
                    yield from _find(each)
        case list():
            for each in value:
                yield from _find(each)


def _find_in_address(address: str) -> Iterator[str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        yield address
        return
    password = parts.netloc.rpartition("@")[0].partition(":")[2]
    yield password
    yield unquote(password)
    yield parts.query
    for name, parameter in parse_qsl(parts.query):
        if _SECRET_PARAMETER.search(name):
            yield parameter


def _texts(value: object) -> Iterator[str]:
    match value:
        case dict():
            for each in value.values():
                yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)
        case str() | int() if not isinstance(value, bool):
            yield str(value)


def _members_that_hold_a_secret(value: dict[str, Any]) -> set[str]:
    """Return the members whose meaning another member names."""
    match value:
        case {"key": str(name)} if is_secret(name):  # Change- and GetConfiguration
            return {"value"}
        case {"variable": {"name": str(name)}} if is_secret(name):  # Set- and GetVariables
            return {"attributeValue", "variableAttribute"}
        case {"server": _, "user": _, "key": _}:  # VPNType: its key is the shared secret
            return {"key"}
        case _:
            return set()
