"""Keeps secrets out of answers, of what is stored, and of the OCPP log.

Stations' passwords travel as configuration: AuthorizationKey in OCPP 1.6, BasicAuthPassword in
2.0.1, and inside network profiles. Stations never tell them (OCPP 1.6 security whitepaper §7.2,
OCPP 2.0.1 part 2, referenced variables §2.2.1: write-only), and neither do we. Vendors have keys of
their own for the passwords of networks and file servers. Addresses that stations download from and
upload to may hold a password or a signature.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit, urlunsplit

from shared.domain.secret_names import is_secret, is_secret_member, is_secret_parameter

REDACTED = "(redacted)"

# Shorter secrets are hidden only where they stand alone: they would be found in any word.
_MIN_LENGTH_WITHIN_TEXT = 4

# Members that are addresses: of firmware (1.6 §6.54, §6.29; 2.0.1 L01, N01) and in our commands.
# Stations need their whole query, so that all of it may be a signature.
_ADDRESS_MEMBERS = frozenset({"location", "remoteLocation", "remote_location"})
# Members that name a setting, and those that hold its value, in vendors' messages as in OCPP's.
_NAMING_MEMBERS = ("key", "name", "parameter", "setting")
_VALUE_MEMBERS = frozenset({"value", "newValue", "oldValue", "val"})
_VARIABLE_MEMBERS = frozenset(
    {
        "attributeValue",
        "variableAttribute",
        "actualValue",
        "variableMonitoring",
        "techInfo",
        "value",
    }
)

_PRIVATE_KEY = "PRIVATE KEY-----"
_SCHEMES = ("Basic ", "Bearer ", "Digest ")
_URL = re.compile(r"(?<=://)[^\s\"'<>]+")
_PAIR = re.compile(
    r"""(?<![A-Za-z0-9_.\-])([A-Za-z][A-Za-z0-9_.\-]{0,63})=("[^"]*"|'[^']*'|[^\s&;,"'<>]+)"""
)
_AUTHORITY_END = re.compile(r"[/?#\\]")
# Longer text is no JSON that somebody put into a string.
_JSON_MAX_LENGTH = 65_536


Secrets: TypeAlias = frozenset[str]
"""Secrets themselves, as texts that must not be seen."""


def shown_value(name: str, value: str | None) -> str | None:
    """Return the value of a configuration key or variable as it may be kept and shown.

    None if the name is that of a secret. Otherwise what is secret by its form is hidden: passwords
    and signatures in URLs, private keys.
    """
    return None if value is None or is_secret(name) else redact_text(value)


def redact(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a copy of JSON with every secret in it replaced."""
    match value:
        case dict():
            secret = _members_that_hold_a_secret(value)
            return {
                name: REDACTED
                if each is not None and (name in secret or is_secret_member(name))
                else redact_address(each)
                if name in _ADDRESS_MEMBERS and isinstance(each, str)
                else redact(each)
                for name, each in value.items()
            }
        case list():
            return [redact(each) for each in value]
        case str():
            return redact_text(value)
        case _:
            return value


def redact_text(text: str) -> str:
    """Return a text without what is secret by its form.

    That is a private key in PEM, what an Authorization header holds, the password in a URL, what
    stands behind the name of a secret and an equals sign, and secrets in JSON within the text.
    """
    if _PRIVATE_KEY in text:
        return REDACTED
    if text.startswith(_SCHEMES):
        return f"{text.partition(' ')[0]} {REDACTED}"
    if text.startswith(("{", "[")) and (content := _json_within(text)) is not None:
        try:
            redacted = redact(content)
            return text if redacted == content else json.dumps(redacted)
        except RecursionError:  # too deep to be looked through
            return REDACTED
    if "://" in text:
        text = _URL.sub(lambda found: _without_password(found[0]), text)
    if "=" in text:
        text = _PAIR.sub(_without_value, text)
    return text


def _json_within(text: str) -> Any:  # noqa: ANN401 - any JSON
    if len(text) > _JSON_MAX_LENGTH:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _find_password(url: str) -> tuple[int, int] | None:
    """Return where the password of a URL stands, of which everything behind :// is given.

    Passwords hold characters that they should not. What looks like a host and a port that is no
    number is a user and a password, up to the last @ that there is.
    """
    end = _AUTHORITY_END.search(url)
    authority = url if end is None else url[: end.start()]
    user, colon, rest = authority.partition(":")
    if authority.startswith("[") or not colon:
        return None
    at = url.rfind("@")
    if at < 0 or not rest or rest.isdecimal():
        return None
    if "@" in user:  # a user without a password
        return None
    return len(user) + 1, at


def _without_password(url: str) -> str:
    found = _find_password(url)
    return url if found is None else f"{url[: found[0]]}{REDACTED}{url[found[1] :]}"


def _without_value(pair: re.Match[str]) -> str:
    if not is_secret_parameter(pair[1]):
        return pair[0]
    quote = pair[2][0] if pair[2][0] in "\"'" else ""
    return f"{pair[1]}={quote}{REDACTED}{quote}"


def redact_address(address: str) -> str:
    """Return a URL without its password and its query, where signatures stand."""
    address = _URL.sub(lambda found: _without_password(found[0]), address)
    try:
        parts = urlsplit(address)
    except ValueError:  # no URL, and so nobody knows what stands in it
        return REDACTED
    return urlunsplit(parts._replace(query=REDACTED if parts.query else ""))


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
            case int() if (
                len(text := str(value)) >= _MIN_LENGTH_WITHIN_TEXT and text in self._alone
            ):
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
            secret = _members_that_hold_a_secret(value)
            for name, each in value.items():
                if name in secret or is_secret_member(name):
                    yield from _texts(each)
                elif name in _ADDRESS_MEMBERS and isinstance(each, str):
                    yield _query_of(each)
                    yield from _find_in_text(each)
                else:
                    yield from _find(each)
        case list():
            for each in value:
                yield from _find(each)
        case str():
            yield from _find_in_text(value)


def _query_of(address: str) -> str:
    """Return the query of a URL; of what is none, all of it."""
    try:
        return urlsplit(address).query
    except ValueError:
        return address


def _find_in_text(text: str) -> Iterator[str]:
    """Yield what `redact_text` would hide."""
    if _PRIVATE_KEY in text:
        yield text
    elif text.startswith(_SCHEMES):
        yield text.partition(" ")[2]
    elif text.startswith(("{", "[")) and (content := _json_within(text)) is not None:
        yield from _find(content)
    else:
        for url in _URL.findall(text) if "://" in text else ():
            if (found := _find_password(url)) is not None:
                password = url[slice(*found)]
                yield password
                yield unquote(password)
        for name, value in _PAIR.findall(text) if "=" in text else ():
            if is_secret_parameter(name):
                yield value.strip("\"'")
                yield unquote(value.strip("\"'"))


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


def _members_that_hold_a_secret(value: dict[str, Any]) -> frozenset[str]:
    """Return the members whose meaning other members name."""
    match value:
        case {"variable": {"name": str(name)} as variable}:  # of 2.0.1, in all of its messages
            component = value.get("component")
            within = component.get("name") if isinstance(component, dict) else None
            instance = variable.get("instance")
            full = f"{within or ''}.{name}" + (f"[{instance}]" if instance else "")
            return _VARIABLE_MEMBERS if is_secret(full) else frozenset()
        case {"server": _, "user": _, "key": _}:  # VPNType: its key is the shared secret
            return frozenset({"key"})
    for each in _NAMING_MEMBERS:
        match value.get(each):
            case str(name) if is_secret(name):
                return _VALUE_MEMBERS
    return frozenset()
