"""Groups of id tokens: rules for all tokens that name the same group."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import asyncpg

from shared.domain.access.tokens import AuthorizationStatus, IdTokenGroup, id_token_key
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.store import organization_scope
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Database

_COLUMNS = ", ".join(field.name for field in fields(IdTokenGroup))
_UPDATABLE = frozenset({"name", "status", "max_concurrent_sessions", "organization_id"})


def _group(record: asyncpg.Record) -> IdTokenGroup:
    return IdTokenGroup(**{**record, "status": AuthorizationStatus(record["status"])})


def _not_found(group_id_token: str) -> NotFoundError:
    return NotFoundError(
        f"there are no rules of a group {group_id_token!r}", code=NotFoundCode.ID_TOKEN_GROUP
    )


async def create(
    db: Database,
    *,
    group_id_token: str,
    name: str | None,
    status: AuthorizationStatus,
    max_concurrent_sessions: int | None,
    organization_id: str | None = None,
) -> IdTokenGroup:
    """Keep rules of a group; without an organization they belong to that of the caller.

    Raises:
        ConflictError: it has some, perhaps in other letter case.
        InvalidInputError: there is no such organization.
    """
    await organization_scope.require(db, organization_id)
    record = await db.fetchrow(
        f"""
        INSERT INTO id_token_groups (group_key, group_id_token, name, status,
                                     max_concurrent_sessions, organization_id)
        VALUES ($1, $2, $3, $4, $5, coalesce($6, own_organization()))
        ON CONFLICT DO NOTHING
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - column names of a dataclass
        id_token_key(group_id_token),
        group_id_token,
        name,
        status,
        max_concurrent_sessions,
        organization_id,
    )
    if record is None:
        raise ConflictError(
            f"there is a group {group_id_token!r} already", code=ConflictCode.ID_TOKEN_GROUP_EXISTS
        )
    return _group(record)


async def find(db: Database, group_id_tokens: Sequence[str]) -> list[IdTokenGroup | None]:
    """Return the rules of each group, or None where it has none, in the same order."""
    keys = [id_token_key(group_id_token) for group_id_token in group_id_tokens]
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM id_token_groups WHERE group_key = ANY($1)",  # noqa: S608 - as above
        keys,
    )
    found = {id_token_key(record["group_id_token"]): _group(record) for record in records}
    return [found.get(key) for key in keys]


async def get(db: Database, group_id_token: str) -> IdTokenGroup:
    """Return the rules of one group.

    Raises:
        NotFoundError: it has none.
    """
    (group,) = await find(db, [group_id_token])
    if group is None:
        raise _not_found(group_id_token)
    return group


async def list_after(
    db: Database,
    *,
    after: str | None,
    limit: int,
    goes_down: bool = False,
    organization_id: str | None = None,
) -> list[IdTokenGroup]:
    """Return up to `limit` groups in the order of their keys, from the one behind `after` on.

    Args:
        db: the pool.
        after: the group before.
        limit: how many at most.
        goes_down: the other way round.
        organization_id: only those that belong to it.
    """
    conditions = Conditions(limit)
    behind = None if after is None else id_token_key(after)
    conditions.compare(f"group_key {'<' if goes_down else '>'}", behind)
    conditions.compare("organization_id =", organization_id)
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM id_token_groups
        WHERE {conditions} ORDER BY group_key {"DESC" if goes_down else "ASC"} LIMIT $1
        """,  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [_group(record) for record in records]


async def count(db: Database, *, up_to: int, organization_id: str | None = None) -> int:
    """Return how many groups there are, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    conditions.compare("organization_id =", organization_id)
    return await count_rows(db, "id_token_groups", conditions)


async def update(db: Database, group_id_token: str, changes: dict[str, Any]) -> IdTokenGroup:
    """Change a group's name, status or max_concurrent_sessions.

    Raises:
        NotFoundError: it has no rules.
        InvalidInputError: there is no such organization.
    """
    if not changes:
        return await get(db, group_id_token)
    await organization_scope.require(db, changes.get("organization_id"))
    if unknown := changes.keys() - _UPDATABLE:
        raise KeyError(f"not an operator's to change: {sorted(unknown)}")
    assignments = ", ".join(f"{column} = ${i}" for i, column in enumerate(changes, start=2))
    record = await db.fetchrow(
        f"""
        UPDATE id_token_groups SET {assignments}, updated_at = now()
        WHERE group_key = $1 RETURNING {_COLUMNS}
        """,  # noqa: S608 - the names are checked above, the values are parameters
        id_token_key(group_id_token),
        *changes.values(),
    )
    if record is None:
        raise _not_found(group_id_token)
    return _group(record)


async def delete(db: Database, group_id_token: str) -> None:
    """Forget the rules of a group; its tokens stay, and stay a group.

    Raises:
        NotFoundError: it has none.
    """
    key = id_token_key(group_id_token)
    if await db.execute("DELETE FROM id_token_groups WHERE group_key = $1", key) == "DELETE 0":
        raise _not_found(group_id_token)
