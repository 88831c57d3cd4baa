"""Keeps secrets out of answers, of what is stored, and of the OCPP log.

Stations' passwords travel as configuration: AuthorizationKey in OCPP 1.6, BasicAuthPassword in
2.0.1, and inside network profiles. Stations never tell them (OCPP 1.6 security whitepaper §7.2,
OCPP 2.0.1 part 2, referenced variables §2.2.1: write-only), and neither do we. Vendors have keys of
their own for the passwords of networks and file servers. Addresses that stations download from and
upload to may hold a password or a signature.
"""

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

REDACTED = "(redacted)"

# A configuration key or variable with one of these words in its name holds a secret. Our own
# commands name a variable of 2.0.1 as Component.Variable[Instance]/Attribute.
_SECRET_NAME = re.compile(
    r"authorizationkey|password|passwd|passphrase|secret|privatekey|simpin|presharedkey",
    re.IGNORECASE,
)

# Members of messages that are secrets themselves (VPNType, APNType, NetworkConnectionProfileType).
_SECRET_MEMBERS = frozenset({"password", "basicAuthPassword", "apnPassword", "simPin"})

# Members that are addresses: of firmware (1.6 §6.54, §6.29; 2.0.1 L01, N01) and in our commands.
_ADDRESS_MEMBERS = frozenset({"location", "remoteLocation", "remote_location"})


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
