"""Which organizations a principal sees: its own and those below it."""

from shared.store.pool import Database


async def sees(db: Database, organization_id: str, other_id: str) -> bool:
    """Tell whether an organization is, or stands above, another one that there is.

    Args:
        db: where.
        organization_id: whose sight is asked for.
        other_id: the other one.
    """
    return bool(
        await db.fetchval(
            """
            WITH RECURSIVE above AS (
                SELECT organization_id, parent_id FROM organizations WHERE organization_id = $2
                UNION ALL
                SELECT organizations.organization_id, organizations.parent_id
                FROM organizations JOIN above ON organizations.organization_id = above.parent_id
            )
            SELECT EXISTS (SELECT FROM above WHERE organization_id = $1)
            """,
            organization_id,
            other_id,
        )
    )
