"""Keeps stations' passwords out of answers.

They travel as configuration: AuthorizationKey in OCPP 1.6, BasicAuthPassword in 2.0.1, and inside
network profiles. Stations never tell them (OCPP 1.6 security whitepaper §7.2, OCPP 2.0.1 part 2,
referenced variables §2.2.1: write-only), and neither do we.
"""

import re
from typing import Any

REDACTED = "(redacted)"

# A configuration key or variable of one of these names holds a secret. Our own commands name a
# variable of 2.0.1 as Component.Variable[Instance]/Attribute.
_SECRET_VARIABLE = re.compile(
    r"(.*\.)?(authorizationkey|basicauthpassword)(\[.*\])?(/.*)?", re.IGNORECASE | re.DOTALL
)

# Members of messages that are secrets themselves (VPNType, APNType, NetworkConnectionProfileType).
_SECRET_MEMBERS = frozenset({"password", "basicAuthPassword", "apnPassword", "simPin"})


def redact(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a copy of JSON with every secret in it replaced."""
    match value:
        case dict():
            secret = _SECRET_MEMBERS | _members_that_hold_a_secret(value)
            return {
                name: REDACTED if name in secret and each is not None else redact(each)
                for name, each in value.items()
            }
        case list():
            return [redact(each) for each in value]
        case _:
            return value


def _members_that_hold_a_secret(value: dict[str, Any]) -> set[str]:
    """Return the members whose meaning another member names."""
    match value:
        case {"key": str(name)} if _is_secret(name):  # Change- and GetConfiguration
            return {"value"}
        case {"variable": {"name": str(name)}} if _is_secret(name):  # Set- and GetVariables
            return {"attributeValue"}
        case {"server": _, "user": _, "key": _}:  # VPNType: its key is the shared secret
            return {"key"}
        case _:
            return set()


def _is_secret(name: str) -> bool:
    return _SECRET_VARIABLE.fullmatch(name) is not None
