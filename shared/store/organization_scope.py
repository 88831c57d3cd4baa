"""Whether an organization may be named: areas ask it before they give something to one."""

from shared.domain.errors import InvalidInputError
from shared.store.pool import Database


async def require(db: Database, organization_id: str | None) -> None:
    """Return if there is such an organization in sight, or none is named.

    Raises:
        InvalidInputError: there is none, as far as whoever asks may know.
    """
    if organization_id is not None and not await db.fetchval(
        "SELECT true FROM organizations WHERE organization_id = $1", organization_id
    ):
        raise InvalidInputError(
            f"there is no organization {organization_id!r}: make it first, or leave "
            "organization_id out"
        )
