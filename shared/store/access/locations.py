"""Locations, and the rules of who may charge there."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import asyncpg

from shared.domain.access.locations import EVERYBODY, Location, LocationAuthorization, LocationRule
from shared.domain.access.tokens import id_token_key
from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.store import organization_scope
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Database

ORGANIZATIONS_ABOVE = """
    ARRAY(
        WITH RECURSIVE above AS (
            SELECT organization_id, parent_id FROM organizations
            WHERE organization_id = {organization_id}
            UNION ALL
            SELECT parent.organization_id, parent.parent_id
            FROM organizations AS parent JOIN above ON parent.organization_id = above.parent_id
        )
        SELECT organization_id FROM above
    )
"""
"""SQL: an organization and those above it, whose tokens may charge at its stations."""

_COMPUTED = {
    "authorization": f"""
        CASE WHEN free_since IS NOT NULL AND free_until IS NULL
        THEN '{LocationAuthorization.FREE}' ELSE '{LocationAuthorization.REQUIRED}' END
        AS authorization
    """
}
_COLUMNS = ", ".join(_COMPUTED.get(field.name, field.name) for field in fields(Location))
_UPDATABLE = frozenset(
    {
        "name",
        "allowed_id_tokens",
        "allowed_group_id_tokens",
        "authorization",
        "organization_id",
        "time_zone",
    }
)


# A location that is made free once more, or was never free, keeps what it has.
_ASSIGNED = {
    "authorization": f"""
        free_since = CASE
            WHEN {{value}}::text = '{LocationAuthorization.FREE}'
             AND (free_since IS NULL OR free_until IS NOT NULL) THEN now() ELSE free_since END,
        free_until = CASE
            WHEN {{value}}::text = '{LocationAuthorization.FREE}' THEN NULL
            WHEN free_since IS NOT NULL THEN coalesce(free_until, now()) END
    """
}


def _location(record: asyncpg.Record) -> Location:
    return Location(
        **{
            **record,
            "allowed_id_tokens": tuple(record["allowed_id_tokens"]),
            "allowed_group_id_tokens": tuple(record["allowed_group_id_tokens"]),
            "authorization": LocationAuthorization(record["authorization"]),
        }
    )


def _not_found(location_id: str) -> NotFoundError:
    return NotFoundError(f"there is no location {location_id!r}", code=NotFoundCode.LOCATION)


async def create(
    db: Database,
    *,
    location_id: str,
    name: str | None,
    allowed_id_tokens: Sequence[str],
    allowed_group_id_tokens: Sequence[str],
    organization_id: str | None = None,
    authorization: LocationAuthorization = LocationAuthorization.REQUIRED,
    time_zone: str | None = None,
) -> Location:
    """Register a location; without an organization it belongs to that of the caller.

    Raises:
        ConflictError: the id is taken.
        InvalidInputError: there is no such organization.
    """
    await organization_scope.require(db, organization_id)
    record = await db.fetchrow(
        f"""
        INSERT INTO locations (location_id, name, allowed_id_tokens, allowed_group_id_tokens,
                               organization_id, free_since, time_zone)
        VALUES ($1, $2, $3, $4, coalesce($5, own_organization()), CASE WHEN $6 THEN now() END, $7)
        ON CONFLICT DO NOTHING
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - column names of a dataclass
        location_id,
        name,
        allowed_id_tokens,
        allowed_group_id_tokens,
        organization_id,
        authorization is LocationAuthorization.FREE,
        time_zone,
    )
    if record is None:
        raise ConflictError(
            f"there is a location {location_id!r} already", code=ConflictCode.LOCATION_EXISTS
        )
    return _location(record)


async def get(db: Database, location_id: str) -> Location:
    """Return one location.

    Raises:
        NotFoundError: there is none.
    """
    record = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM locations WHERE location_id = $1",  # noqa: S608 - as above
        location_id,
    )
    if record is None:
        raise _not_found(location_id)
    return _location(record)


async def list_after(
    db: Database,
    *,
    after: str | None,
    limit: int,
    goes_down: bool = False,
    organization_id: str | None = None,
) -> list[Location]:
    """Return up to `limit` locations in the order of their ids, from behind `after` on.

    Args:
        db: the pool.
        after: id of the one before.
        limit: how many at most.
        goes_down: the other way round.
        organization_id: only those that belong to it.
    """
    conditions = Conditions(limit)
    conditions.compare(f"location_id {'<' if goes_down else '>'}", after)
    conditions.compare("organization_id =", organization_id)
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM locations
        WHERE {conditions} ORDER BY location_id {"DESC" if goes_down else "ASC"} LIMIT $1
        """,  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [_location(record) for record in records]


async def count(db: Database, *, up_to: int, organization_id: str | None = None) -> int:
    """Return how many locations there are, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    conditions.compare("organization_id =", organization_id)
    return await count_rows(db, "locations", conditions)


async def update(db: Database, location_id: str, changes: dict[str, Any]) -> Location:
    """Change a location's name or rules.

    Raises:
        NotFoundError: there is no such location.
        InvalidInputError: there is no such organization.
    """
    if not changes:
        return await get(db, location_id)
    await organization_scope.require(db, changes.get("organization_id"))
    if unknown := changes.keys() - _UPDATABLE:
        raise KeyError(f"not an operator's to change: {sorted(unknown)}")
    assignments = ", ".join(
        _ASSIGNED.get(column, "{column} = {value}").format(column=column, value=f"${i}")
        for i, column in enumerate(changes, start=2)
    )
    record = await db.fetchrow(
        f"""
        UPDATE locations SET {assignments}, updated_at = now()
        WHERE location_id = $1 RETURNING {_COLUMNS}
        """,  # noqa: S608 - the names are checked above, the values are parameters
        location_id,
        *changes.values(),
    )
    if record is None:
        raise _not_found(location_id)
    return _location(record)


async def delete(db: Database, location_id: str) -> None:
    """Forget a location without stations.

    Raises:
        NotFoundError: there is no such location.
        ConflictError: stations stand there.
    """
    try:
        tag = await db.execute("DELETE FROM locations WHERE location_id = $1", location_id)
    except asyncpg.ForeignKeyViolationError:
        raise ConflictError(
            f"stations stand at location {location_id!r}: give them another location_id, or null, "
            "before it is removed",
            code=ConflictCode.LOCATION_IN_USE,
        ) from None
    if tag == "DELETE 0":
        raise _not_found(location_id)


async def find_rules(db: Database, station_ids: Sequence[str]) -> list[LocationRule]:
    """Return who may charge at each station, in the same order."""
    records = await db.fetch(
        f"""
        SELECT station_id, location_id, coalesce(allowed_id_tokens, '{{}}') AS id_tokens,
               coalesce(allowed_group_id_tokens, '{{}}') AS groups,
               {ORGANIZATIONS_ABOVE.format(organization_id="stations.organization_id")}
               AS organizations, free_since, free_until
        FROM stations LEFT JOIN locations USING (location_id)
        WHERE station_id = ANY($1)
        """,  # noqa: S608 - the text above
        station_ids,
    )
    found = {record["station_id"]: _rule(record) for record in records}
    return [found.get(station_id, EVERYBODY) for station_id in station_ids]


# Most stations stand nowhere in particular and belong to who runs the installation: one is enough.
_OF_THE_INSTALLATION = LocationRule(organization_ids=frozenset({DEFAULT_ORGANIZATION_ID}))


def _rule(record: asyncpg.Record) -> LocationRule:
    rule = LocationRule(
        frozenset(map(id_token_key, record["id_tokens"])),
        frozenset(map(id_token_key, record["groups"])),
        frozenset(record["organizations"]),
        record["location_id"],
        record["free_since"],
        record["free_until"],
    )
    return _OF_THE_INSTALLATION if rule == _OF_THE_INSTALLATION else rule
