"""Permissions and the roles that are made of them."""

from enum import StrEnum


class Permission(StrEnum):
    """What a request needs: reading or changing the things of one area.

    A route needs that of the area whose folder it stands in, to read for GET and to change for all
    other methods, unless it says otherwise. The same words are the scopes of API keys.
    """

    STATIONS_READ = "stations:read"
    STATIONS_WRITE = "stations:write"
    SESSIONS_READ = "sessions:read"
    SESSIONS_WRITE = "sessions:write"
    ACCESS_READ = "access:read"
    ACCESS_WRITE = "access:write"
    COMMANDS_READ = "commands:read"
    COMMANDS_WRITE = "commands:write"
    CHARGING_READ = "charging:read"
    CHARGING_WRITE = "charging:write"
    UPKEEP_READ = "upkeep:read"
    UPKEEP_WRITE = "upkeep:write"
    TRUST_READ = "trust:read"
    TRUST_WRITE = "trust:write"
    NOTICES_READ = "notices:read"
    NOTICES_WRITE = "notices:write"
    ACCOUNTS_READ = "accounts:read"
    ACCOUNTS_WRITE = "accounts:write"


EVERYTHING = frozenset(Permission)
