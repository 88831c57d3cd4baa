"""Roles: what the people of an operator do, as sets of permissions."""

from enum import StrEnum

from shared.domain.accounts.permissions import EVERYTHING, Permission


class Role(StrEnum):
    """What a user is in an organization, and with that in all that are below it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    FIELD_TECHNICIAN = "field_technician"
    FINANCE = "finance"
    ADMIN = "admin"

    @property
    def permissions(self) -> frozenset[Permission]:
        """What it may do."""
        return _PERMISSIONS[self]

    @property
    def description(self) -> str:
        """Who it is meant for."""
        return _DESCRIPTIONS[self]


_LOOKS = frozenset(
    permission
    for permission in Permission
    if permission.endswith(":read") and permission is not Permission.ACCOUNTS_READ
)
_PERMISSIONS = {
    Role.VIEWER: _LOOKS,
    Role.OPERATOR: EVERYTHING - {Permission.ACCOUNTS_READ, Permission.ACCOUNTS_WRITE},
    # Puts stations up and mends them; who may charge and what is billed is others' business.
    Role.FIELD_TECHNICIAN: frozenset(
        {
            Permission.STATIONS_READ,
            Permission.STATIONS_WRITE,
            Permission.COMMANDS_READ,
            Permission.COMMANDS_WRITE,
            Permission.CHARGING_READ,
            Permission.UPKEEP_READ,
            Permission.UPKEEP_WRITE,
            Permission.TRUST_READ,
            Permission.SESSIONS_READ,
            Permission.NOTICES_READ,
        }
    ),
    # Decides what is billed; touches no station.
    Role.FINANCE: frozenset(
        {
            Permission.SESSIONS_READ,
            Permission.SESSIONS_WRITE,
            Permission.STATIONS_READ,
            Permission.ACCESS_READ,
        }
    ),
    Role.ADMIN: EVERYTHING,
}
_DESCRIPTIONS = {
    Role.VIEWER: "sees everything but accounts, and changes nothing",
    Role.OPERATOR: "runs the network: everything but accounts",
    Role.FIELD_TECHNICIAN: "puts stations up and mends them",
    Role.FINANCE: "decides what is billed",
    Role.ADMIN: "everything, and who else may do what",
}
