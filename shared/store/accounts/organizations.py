"""Organizations, and what stands below each."""

from dataclasses import fields
from typing import Any

import asyncpg

from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID, Organization
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, InvalidInputError, NotFoundError
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database

_COLUMNS = ", ".join(field.name for field in fields(Organization))
_UPDATABLE = frozenset({"name", "parent_id"})
# Of the advisory lock on where organizations stand.
_TREE = 4_611_125
# What may belong to one and has no foreign key, and what that is called.
_WITHOUT_KEY = {"sessions": "sessions"}


def _not_found(organization_id: str) -> NotFoundError:
    return NotFoundError(
        f"there is no organization {organization_id!r}", code=NotFoundCode.ORGANIZATION
    )


async def create(db: Database, *, organization_id: str, parent_id: str, name: str) -> Organization:
    """Make an organization below another one.

    Raises:
        ConflictError: the id is taken.
        InvalidInputError: there is no such parent.
    """
    await _require_parent(db, parent_id)
    record = await db.fetchrow(
        f"""
        INSERT INTO organizations (organization_id, parent_id, name)
        -- The id of the default one, and that of the parent, are taken; the table's checks come
        -- before its key.
        SELECT $1, $2, $3 WHERE $1 NOT IN ($2, 'default')
        ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
        """,
        organization_id,
        parent_id,
        name,
    )
    if record is None:
        raise ConflictError(
            f"the organization_id {organization_id!r} is taken: choose another",
            code=ConflictCode.ORGANIZATION_EXISTS,
        )
    return Organization(**record)


async def get(db: Database, organization_id: str) -> Organization:
    """Return one organization.

    Raises:
        NotFoundError: there is none.
    """
    record = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM organizations WHERE organization_id = $1",  # noqa: S608 - as above
        organization_id,
    )
    if record is None:
        raise _not_found(organization_id)
    return Organization(**record)


async def list_after(
    db: Database,
    *,
    after: str | None,
    limit: int,
    parent_id: str | None = None,
    goes_down: bool = False,
) -> list[Organization]:
    """Return up to `limit` organizations in the order of their ids, from behind `after` on.

    Args:
        db: the pool.
        after: id of the one before.
        limit: how many at most.
        parent_id: only those right below it.
        goes_down: the other way round.
    """
    conditions = Conditions(limit)
    conditions.compare("parent_id =", parent_id)
    behind = None if after is None else [after]
    order = conditions.in_order("organization_id", behind=behind, goes_down=goes_down)
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM organizations WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [Organization(**record) for record in records]


async def count(db: Database, *, up_to: int, parent_id: str | None = None) -> int:
    """Return how many organizations there are, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    conditions.compare("parent_id =", parent_id)
    return await count_rows(db, "organizations", conditions)


async def read_parents(db: Database) -> dict[str, str | None]:
    """Return all organizations that are in sight, each with the one above it."""
    records = await db.fetch("SELECT organization_id, parent_id FROM organizations")
    return {record["organization_id"]: record["parent_id"] for record in records}


async def update(db: Database, organization_id: str, changes: dict[str, Any]) -> Organization:
    """Change an organization's name, or where it stands.

    Raises:
        NotFoundError: there is no such organization.
        InvalidInputError: there is no such parent.
        ConflictError: the new parent is the organization itself or stands below it, or the default
            organization is to stand below another.
    """
    if unknown := changes.keys() - _UPDATABLE:
        raise KeyError(f"not to be changed: {sorted(unknown)}")
    if not changes:
        return await get(db, organization_id)
    async with db.acquire() as connection, connection.transaction():
        if "parent_id" in changes:
            await _require_free_of_circles(connection, organization_id, changes["parent_id"])
        assignments = ", ".join(f"{column} = ${i}" for i, column in enumerate(changes, start=2))
        record = await connection.fetchrow(
            f"""
            UPDATE organizations SET {assignments}, updated_at = now()
            WHERE organization_id = $1 RETURNING {_COLUMNS}
            """,  # noqa: S608 - the names are checked above, the values are parameters
            organization_id,
            *changes.values(),
        )
    if record is None:
        raise _not_found(organization_id)
    return Organization(**record)


async def _require_free_of_circles(
    connection: Connection, organization_id: str, parent_id: str
) -> None:
    # Two that move at one time could each find the other out of its way.
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _TREE)
    if not await connection.fetchval(
        "SELECT true FROM organizations WHERE organization_id = $1", organization_id
    ):
        raise _not_found(organization_id)
    if organization_id == DEFAULT_ORGANIZATION_ID:
        raise ConflictError(
            "all organizations stand below the default one: it has no parent",
            code=ConflictCode.ORGANIZATION_IS_DEFAULT,
        )
    await _require_parent(connection, parent_id)
    if await connection.fetchval(
        """
        WITH RECURSIVE below AS (
            SELECT $1::text AS organization_id
            UNION
            SELECT organizations.organization_id
            FROM organizations JOIN below ON organizations.parent_id = below.organization_id
        )
        SELECT true FROM below WHERE organization_id = $2
        """,
        organization_id,
        parent_id,
    ):
        raise ConflictError(
            f"organization {parent_id!r} is or stands below {organization_id!r}: nothing can stand "
            "below itself",
            code=ConflictCode.ORGANIZATION_BELOW_ITSELF,
        )


async def _require_parent(db: "Database | Connection", parent_id: str) -> None:
    if not await db.fetchval(
        "SELECT true FROM organizations WHERE organization_id = $1", parent_id
    ):
        raise InvalidInputError(f"there is no organization {parent_id!r} to stand below")


async def delete(db: Database, organization_id: str) -> None:
    """Forget an organization that nothing belongs to.

    Raises:
        NotFoundError: there is no such organization.
        ConflictError: something belongs to it or stands below it, or it is the default one.
    """
    if organization_id == DEFAULT_ORGANIZATION_ID:
        raise ConflictError(
            "the default organization cannot be removed",
            code=ConflictCode.ORGANIZATION_IS_DEFAULT,
        )
    for table, things in _WITHOUT_KEY.items():
        if await db.fetchval(
            f"SELECT true FROM {table} WHERE organization_id = $1 LIMIT 1",  # noqa: S608 - named above
            organization_id,
        ):
            raise _is_in_use(organization_id, things)
    try:
        tag = await db.execute(
            "DELETE FROM organizations WHERE organization_id = $1", organization_id
        )
    except asyncpg.ForeignKeyViolationError as error:
        table = error.table_name or "something"
        below = table == "organizations"
        things = "other organizations" if below else table.replace("_", " ")
        raise _is_in_use(organization_id, things) from None
    if tag == "DELETE 0":
        raise _not_found(organization_id)


def _is_in_use(organization_id: str, things: str) -> ConflictError:
    return ConflictError(
        f"{things} belong to organization {organization_id!r} or stand below it: give them to "
        "another one, or remove them, first",
        code=ConflictCode.ORGANIZATION_IN_USE,
    )
