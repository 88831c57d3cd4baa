"""API keys: what programs prove with who sent a request."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.accounts.permissions import Permission
from shared.domain.accounts.principals import Principal, PrincipalKind

KEY_START = "voltaro_"
"""What every key begins with, so that scanners find one that stands where it should not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is known of a key; the key itself is known to its owner alone.

    Attributes:
        prefix: its first part, to tell keys apart; it opens nothing.
        scopes: what it may do at most.
        permissions: what it may do now: its scopes, as far as whoever made it has them, and has
            them where the key is. All, if that was no user.
        organization_id: it sees what belongs to this one and to those below it.
        expires_at: from then on it is refused; None is never.
        last_used_at: about when it was used last; None is never.
        created_by: name of whoever made it.
        created_by_user_id: the user who did, or who has made the key that did; None if neither was
            a user. It goes with them.
    """

    api_key_id: str
    organization_id: str
    name: str
    prefix: str
    scopes: frozenset[Permission]
    permissions: frozenset[Permission]
    expires_at: datetime | None
    last_used_at: datetime | None
    created_by: str
    created_by_user_id: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def principal(self) -> Principal:
        """Who is behind a request that brings it."""
        return Principal(
            kind=PrincipalKind.API_KEY,
            principal_id=self.api_key_id,
            name=self.name,
            organization_id=self.organization_id,
            permissions=self.permissions,
            user_id=self.created_by_user_id,
            expires_at=self.expires_at,
        )

    def is_expired(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now
