"""Who is behind a request."""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID
from shared.domain.accounts.permissions import EVERYTHING, Permission


class PrincipalKind(StrEnum):
    """By what a request proved who sent it."""

    ROOT_KEY = "root_key"
    API_KEY = "api_key"
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who sent a request, and what it may do.

    Attributes:
        principal_id: of the key or the user; stable, and never a secret.
        name: how people know it: what a history and the audit log show.
        organization_id: it sees what belongs to this one and to those below it.
        permissions: what it may do there.
    """

    kind: PrincipalKind
    principal_id: str
    name: str
    organization_id: str
    permissions: frozenset[Permission]


ROOT = Principal(
    kind=PrincipalKind.ROOT_KEY,
    principal_id="root",
    name="api",
    organization_id=DEFAULT_ORGANIZATION_ID,
    permissions=EVERYTHING,
)
"""Whoever has a key of VOLTARO_API_KEYS: all of the installation, and everything in it."""
