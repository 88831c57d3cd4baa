"""Passwords of stations: how they are spelt, and which commands give a station a new one.

In OCPP 1.6 the password is a key of 16 to 20 bytes. It is configured as hexadecimal digits
(security whitepaper edition 3 §7.2) and sent as the bytes that they mean (OCPP-J 1.6 §6.2.2); many
stations send the digits instead, in capitals or not. In OCPP 2.0.1 it is text, and sent as it is
(part 2 A00.FR.205).
"""

import string
from collections.abc import Iterator
from typing import Any

from shared.domain.commands import Call, ChangeConfiguration, Command

_KEY_MIN_BYTES = 16
_KEY_MAX_BYTES = 20
_HEX_DIGITS = frozenset(string.hexdigits.encode())
_KEY_OF_1_6 = "authorizationkey"
# Our commands name a variable as Component.Variable, and perhaps /Attribute (part 2 §2.2.1).
_VARIABLE_OF_2_0_1 = "securityctrlr.basicauthpassword"


def to_be_hashed(password: str) -> str:
    """Return the spelling of a password that is hashed: of a key in mixed case, capitals.

    The bytes that a station sends for its key tell nothing of the case of its digits, so that
    `spellings` could not find it.
    """
    digits = password.encode()
    return password.upper() if _is_key(digits) and digits != digits.lower() else password


def spellings(password: bytes) -> list[bytes]:
    """Return as what a password that came in may have been hashed, the likeliest first.

    Each costs a hash, so it goes by the form: text that cannot be a key has one spelling, the bytes
    of a key have its digits in both cases, and digits in one case the other one as well.
    """
    if _is_key(password):
        return list(dict.fromkeys((password, password.upper(), password.lower())))
    if not _KEY_MIN_BYTES <= len(password) <= _KEY_MAX_BYTES:
        return [password]
    digits = password.hex().encode()
    spelt = [digits.upper(), digits.lower()]
    # Bytes that could be text may be either.
    return [password, *spelt] if _is_text(password) else list(dict.fromkeys(spelt))


def find_new_password(command: Command) -> str | None:
    """Return the password that a command gives its station (A01), or None if it gives none."""
    match command:
        case ChangeConfiguration(key=key, value=value) if _names_password(key):
            return value
        case Call(payload=payload):
            return next(_find_in_payload(payload), None)
    return None


def _find_in_payload(payload: dict[str, Any]) -> Iterator[str]:
    match payload:
        case {"key": str(key), "value": str(value)} if _names_password(key):
            yield value
        case {"setVariableData": list(items)}:
            for item in items:
                match item:
                    case {
                        "component": {"name": str(component)},
                        "variable": {"name": str(variable)},
                        "attributeValue": str(value),
                    } if _names_password(f"{component}.{variable}"):
                        yield value


def _names_password(key: str) -> bool:
    name = key.casefold().removesuffix("/actual")
    return name in {_KEY_OF_1_6, _VARIABLE_OF_2_0_1}


def _is_key(password: bytes) -> bool:
    """Tell whether these are the digits of a key."""
    return (
        2 * _KEY_MIN_BYTES <= len(password) <= 2 * _KEY_MAX_BYTES
        and len(password) % 2 == 0
        and _HEX_DIGITS.issuperset(password)
    )


def _is_text(password: bytes) -> bool:
    try:
        return password.decode().isprintable()
    except UnicodeDecodeError:
        return False
