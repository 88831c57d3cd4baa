"""What a principal may hand on: no more than it has, and only where it sees."""

from collections.abc import Set as AbstractSet
from datetime import datetime

from shared.domain.accounts.permissions import Permission
from shared.domain.accounts.principals import Principal
from shared.domain.errors import ForbiddenError, NotFoundError
from shared.store.accounts.sight import sees
from shared.store.pool import Database


def require_all(principal: Principal, permissions: AbstractSet[Permission]) -> None:
    """Make sure that a principal has these permissions itself.

    Also for changing who has them already: whoever could reset an administrator's password would
    soon be one.

    Raises:
        ForbiddenError: it lacks some, which are named.
    """
    if missing := permissions - principal.permissions:
        raise ForbiddenError(
            f"{principal.name!r} has not the permission {', '.join(sorted(missing))}, and nobody "
            "grants or changes what they do not have themselves"
        )


def require_time(principal: Principal, expires_at: datetime | None) -> None:
    """Make sure that what a principal grants ends when it does itself, or before.

    Else a key with an end would have none: it would make another one, or put its own off.

    Args:
        principal: who grants.
        expires_at: the end of what it grants; None is never.

    Raises:
        ForbiddenError: that is later than its own.
    """
    ends_at = principal.expires_at
    if ends_at is not None and (expires_at is None or expires_at > ends_at):
        raise ForbiddenError(
            f"{principal.name!r} is a key that ends at {ends_at.isoformat()}, and grants nothing "
            "for longer than that: name an `expires_at` up to then, or ask somebody without an end"
        )


async def require_sight(db: Database, principal: Principal, organization_id: str) -> None:
    """Make sure that a principal sees an organization.

    Raises:
        NotFoundError: it does not, or there is none of this id.
    """
    if not await sees(db, principal.organization_id, organization_id):
        raise NotFoundError(f"there is no organization {organization_id!r}")
