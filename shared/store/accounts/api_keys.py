"""API keys, of which only hashes are stored."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import asyncpg

from shared.domain.accounts.api_keys import ApiKey
from shared.domain.accounts.permissions import Permission
from shared.domain.accounts.roles import Role
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Database

_COMPUTED = {
    "api_key_id": "api_key_id::text",
    "created_by_user_id": "created_by_user_id::text",
    # Empty is nothing; null is no user, whose rights are bounded by nobody's.
    "permissions": "CASE WHEN created_by_user_id IS NOT NULL"
    " THEN role_of_maker(created_by_user_id, organization_id) END AS maker_role",
}
_COLUMNS = ", ".join(_COMPUTED.get(field.name, field.name) for field in fields(ApiKey))
_UPDATABLE = frozenset({"name", "scopes", "expires_at"})
_KNOWN_SCOPES = frozenset(Permission)
_KNOWN_ROLES = frozenset(Role)


def _api_key(record: asyncpg.Record | dict[str, Any]) -> ApiKey:
    columns = dict(record.items())
    # What a newer version has granted and this one does not know opens nothing here.
    scopes = frozenset(Permission(scope) for scope in record["scopes"] if scope in _KNOWN_SCOPES)
    role = columns.pop("maker_role")
    permissions = scopes
    if role is not None:
        permissions &= Role(role).permissions if role in _KNOWN_ROLES else frozenset()
    return ApiKey(**{**columns, "scopes": scopes, "permissions": permissions})


def _not_found(api_key_id: str) -> NotFoundError:
    return NotFoundError(f"there is no API key {api_key_id}", code=NotFoundCode.API_KEY)


async def create(
    db: Database,
    *,
    organization_id: str,
    name: str,
    prefix: str,
    key_hash: bytes,
    scopes: frozenset[Permission],
    expires_at: datetime | None,
    created_by: str,
    created_by_user_id: str | None,
) -> ApiKey:
    """Keep a new key."""
    record = await db.fetchrow(
        f"""
        INSERT INTO api_keys (organization_id, name, prefix, key_hash, scopes, expires_at,
                              created_by, created_by_user_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - column names of a dataclass
        organization_id,
        name,
        prefix,
        key_hash,
        sorted(scopes),
        expires_at,
        created_by,
        created_by_user_id,
    )
    assert record is not None  # noqa: S101 - it was inserted, or an error was raised
    return _api_key(record)


async def find(db: Database, key_hashes: Sequence[bytes]) -> list[ApiKey | None]:
    """Return the key of each hash, or None where there is none, in the same order."""
    records = await db.fetch(
        f"SELECT key_hash, {_COLUMNS} FROM api_keys WHERE key_hash = ANY($1)",  # noqa: S608 - as above
        list(key_hashes),
    )
    found = {}
    for record in records:
        members = dict(record.items())
        key_hash = members.pop("key_hash")
        found[key_hash] = _api_key(members)
    return [found.get(key_hash) for key_hash in key_hashes]


async def get(db: Database, api_key_id: str) -> ApiKey:
    """Return one key.

    Raises:
        NotFoundError: there is none of this id.
    """
    record = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM api_keys WHERE api_key_id = $1",  # noqa: S608 - as above
        api_key_id,
    )
    if record is None:
        raise _not_found(api_key_id)
    return _api_key(record)


async def list_after(
    db: Database,
    *,
    after: str | None,
    limit: int,
    goes_down: bool = False,
    created_by_user_id: str | None = None,
) -> list[ApiKey]:
    """Return up to `limit` keys, the oldest first, from the one behind `after` on.

    Args:
        db: the pool.
        after: id of the one before.
        limit: how many at most.
        goes_down: whether the newest comes first.
        created_by_user_id: only those that stand on this user's rights; None is all.
    """
    conditions = _made_by(created_by_user_id, limit)
    order = conditions.in_order(
        "api_keys.api_key_id", behind=after and [after], goes_down=goes_down
    )
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM api_keys WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [_api_key(record) for record in records]


async def count(db: Database, *, up_to: int, created_by_user_id: str | None = None) -> int:
    """Return how many keys such a list has, counting no further than `up_to`."""
    return await count_rows(db, "api_keys", _made_by(created_by_user_id, up_to))


def _made_by(user_id: str | None, *parameters: object) -> Conditions:
    conditions = Conditions(*parameters)
    conditions.compare("created_by_user_id =", user_id)
    return conditions


async def update(db: Database, api_key_id: str, changes: Mapping[str, Any]) -> ApiKey:
    """Change a key's name, scopes or expires_at.

    Raises:
        NotFoundError: there is none of this id.
    """
    if not changes:
        return await get(db, api_key_id)
    if unknown := changes.keys() - _UPDATABLE:
        raise KeyError(f"not an operator's to change: {sorted(unknown)}")
    values = {**changes, **({"scopes": sorted(changes["scopes"])} if "scopes" in changes else {})}
    assignments = ", ".join(f"{column} = ${i}" for i, column in enumerate(values, start=2))
    record = await db.fetchrow(
        f"""
        UPDATE api_keys SET {assignments}, updated_at = now()
        WHERE api_key_id = $1 RETURNING {_COLUMNS}
        """,  # noqa: S608 - the names are checked above, the values are parameters
        api_key_id,
        *values.values(),
    )
    if record is None:
        raise _not_found(api_key_id)
    return _api_key(record)


async def delete(db: Database, api_key_id: str) -> None:
    """Revoke a key.

    Raises:
        NotFoundError: there is none of this id.
    """
    deleted = await db.execute("DELETE FROM api_keys WHERE api_key_id = $1", api_key_id)
    if deleted == "DELETE 0":
        raise _not_found(api_key_id)


async def note_use(db: Database, used_at: Mapping[str, datetime]) -> None:
    """Keep when keys were used last.

    Args:
        db: where.
        used_at: by id. Another process may know of a later use, which stays.
    """
    await db.execute(
        """
        WITH used AS (
            SELECT api_key_id, used_at
            FROM unnest($1::uuid[], $2::timestamptz[]) AS told (api_key_id, used_at)
            JOIN api_keys USING (api_key_id)
            WHERE last_used_at IS NULL OR last_used_at < used_at
            ORDER BY api_keys.api_key_id
            FOR NO KEY UPDATE OF api_keys
        )
        UPDATE api_keys SET last_used_at = used.used_at
        FROM used WHERE api_keys.api_key_id = used.api_key_id
        """,
        list(used_at),
        list(used_at.values()),
    )
