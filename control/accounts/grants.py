"""What a principal may hand on: no more than it has, and only where it sees."""

from collections.abc import Set as AbstractSet

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


async def require_sight(db: Database, principal: Principal, organization_id: str) -> None:
    """Make sure that a principal sees an organization.

    Raises:
        NotFoundError: it does not, or there is none of this id.
    """
    if not await sees(db, principal.organization_id, organization_id):
        raise NotFoundError(f"there is no organization {organization_id!r}")
