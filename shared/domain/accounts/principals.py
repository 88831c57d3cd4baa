"""Who is behind a request."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID
from shared.domain.accounts.permissions import EVERYTHING, Permission


class PrincipalKind(StrEnum):
    """By what a request proved who sent it."""

    ROOT_KEY = "root_key"
    API_KEY = "api_key"
    USER = "user"


Author: TypeAlias = PrincipalKind | Literal["openid_provider"]
"""Who changes anything: who sends requests, and a provider, which says who somebody is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who sent a request, and what it may do.

    Attributes:
        principal_id: of the key or the user; stable, and never a secret.
        name: how people know it: what a history and the audit log show.
        organization_id: it sees what belongs to this one and to those below it.
        permissions: what it may do there.
        user_id: the person on whose rights it stands: the user themselves, or whoever made the
            key; None if nobody but who runs the installation is behind it.
        expires_at: it is nobody any more from then on; None if it does not end by itself.
    """

    kind: Author
    principal_id: str
    name: str
    organization_id: str
    permissions: frozenset[Permission]
    user_id: str | None = None
    expires_at: datetime | None = None


def provider_principal(issuer: str, *, subject: str | None, organization_id: str) -> Principal:
    """Return who it is that makes or changes a user by what an OpenID provider says of them.

    Args:
        issuer: the provider.
        subject: of whom it speaks; None if it names a session of its own alone.
        organization_id: whose user that is.
    """
    return Principal(
        kind="openid_provider",
        principal_id=issuer,
        name=subject or issuer,
        organization_id=organization_id,
        permissions=frozenset(),
    )


ROOT = Principal(
    kind=PrincipalKind.ROOT_KEY,
    principal_id="root",
    name="api",
    organization_id=DEFAULT_ORGANIZATION_ID,
    permissions=EVERYTHING,
)
"""Whoever has a key of VOLTARO_API_KEYS: all of the installation, and everything in it."""
