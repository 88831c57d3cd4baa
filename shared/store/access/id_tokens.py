"""Id tokens: who may charge.

A token is its text and its type, and its row has one key of both. The first of a text has the text
alone for its key: code of before there could be several finds that one.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import datetime
from typing import Any

import asyncpg

from shared.domain.access.tokens import (
    AuthorizationStatus,
    IdToken,
    IdTokenType,
    all_keys,
    id_token_key,
    is_same_type,
    typed_key,
    without_type,
)
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.store import organization_scope
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database

_NAMES = tuple(field.name for field in fields(IdToken))
_COLUMNS = ", ".join(_NAMES)
# Of the advisory locks on the text of a token.
_TOKENS = 4_611_124
_UPDATABLE = frozenset(
    {
        "type",
        "status",
        "expires_at",
        "group_id_token",
        "max_concurrent_sessions",
        "organization_id",
    }
)


def _id_token(record: asyncpg.Record) -> IdToken:
    columns = {name: record[name] for name in _NAMES}
    columns["type"] = IdTokenType(columns["type"])
    columns["status"] = AuthorizationStatus(columns["status"])
    return IdToken(**columns)


def _not_found(id_token: str) -> NotFoundError:
    return NotFoundError(f"there is no id token {id_token!r}", code=NotFoundCode.ID_TOKEN)


async def create(
    db: Database,
    *,
    id_token: str,
    type: IdTokenType,  # noqa: A002 - the field's name in OCPP
    status: AuthorizationStatus,
    expires_at: datetime | None,
    group_id_token: str | None,
    max_concurrent_sessions: int | None = None,
    organization_id: str | None = None,
) -> IdToken:
    """Register a token; without an organization it belongs to that of the caller.

    Raises:
        ConflictError: there is one of this text and type, perhaps in other letter case.
        InvalidInputError: there is no such organization.
    """
    await organization_scope.require(db, organization_id)
    async with _locked(db, id_token) as connection:
        known = await _read(connection, id_token)
        _require_new(known, id_token, type)
        # The first of its text has the key that code of before there could be two looks up.
        plain = id_token_key(id_token)
        record = await connection.fetchrow(
            f"""
            INSERT INTO id_tokens (id_token_key, id_token, type, status, expires_at, group_id_token,
                                   max_concurrent_sessions, organization_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($8, own_organization()))
            ON CONFLICT DO NOTHING
            RETURNING {_COLUMNS}
            """,  # noqa: S608 - column names of a dataclass
            typed_key(id_token, type) if plain in known else plain,
            id_token,
            type,
            status,
            expires_at,
            group_id_token,
            max_concurrent_sessions,
            organization_id,
        )
    if record is None:
        raise ConflictError(
            f"there is an id token {id_token!r} already", code=ConflictCode.ID_TOKEN_EXISTS
        )
    return _id_token(record)


@asynccontextmanager
async def _locked(db: Database, id_token: str) -> AsyncIterator[Connection]:
    """Give a transaction in which nobody else registers or changes tokens of this text."""
    async with db.acquire() as connection, connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock($1, hashtext($2))", _TOKENS, id_token_key(id_token)
        )
        yield connection


def _require_new(known: Mapping[str, IdToken], id_token: str, type_: IdTokenType) -> None:
    if any(is_same_type(token.type, type_) for token in known.values()):
        raise ConflictError(
            f"there is an id token {id_token!r} of type {type_} already",
            code=ConflictCode.ID_TOKEN_EXISTS,
        )


async def _read(connection: Connection, id_token: str) -> dict[str, IdToken]:
    records = await connection.fetch(
        f"SELECT id_token_key, {_COLUMNS} FROM id_tokens WHERE id_token_key = ANY($1)",  # noqa: S608 - as above
        all_keys(id_token),
    )
    return {record["id_token_key"]: _id_token(record) for record in records}


async def find_all(db: Database, id_tokens: Sequence[str]) -> list[tuple[IdToken, ...] | None]:
    """Return the tokens of each text, of whatever types, or None where nobody registered one."""
    records = await db.fetch(
        f"SELECT id_token_key, {_COLUMNS} FROM id_tokens WHERE id_token_key = ANY($1)",  # noqa: S608 - as above
        [key for id_token in id_tokens for key in all_keys(id_token)],
    )
    found: dict[str, tuple[IdToken, ...]] = {}
    for record in records:
        plain = without_type(record["id_token_key"])
        found[plain] = (*found.get(plain, ()), _id_token(record))
    return [found.get(id_token_key(id_token)) for id_token in id_tokens]


def _select(
    known: Mapping[str, IdToken], id_token: str, type_: IdTokenType | None
) -> tuple[str, IdToken]:
    """Return the key and the token that an operator means.

    Raises:
        NotFoundError: there is none.
        ConflictError: there are several, and no type tells them apart.
    """
    meant = {
        key: token
        for key, token in known.items()
        if type_ is None or is_same_type(token.type, type_)
    }
    match list(meant.items()):
        case []:
            raise _not_found(id_token)
        case [found]:
            return found
        case several:
            types = ", ".join(sorted(token.type for _, token in several))
            raise ConflictError(
                f"there are several id tokens {id_token!r}: name the type of the one you mean "
                f"({types})",
                code=ConflictCode.ID_TOKEN_AMBIGUOUS,
            )


async def get(db: Database, id_token: str, type_: IdTokenType | None = None) -> IdToken:
    """Return one token; without a type the only one of its text.

    Raises:
        NotFoundError: there is none.
        ConflictError: there are several, and no type tells them apart.
    """
    async with db.acquire() as connection:
        _, token = _select(await _read(connection, id_token), id_token, type_)
    return token


async def list_after(
    db: Database,
    *,
    after: str | None,
    limit: int,
    goes_down: bool = False,
    organization_id: str | None = None,
) -> list[tuple[str, IdToken]]:
    """Return up to `limit` tokens with their keys, in the order of those, from behind `after`.

    Args:
        db: the pool.
        after: key of the token before.
        limit: how many at most.
        goes_down: the other way round.
        organization_id: only those that belong to it.
    """
    conditions = Conditions(limit)
    behind = None if after is None else id_token_key(after)
    conditions.compare(f"id_token_key {'<' if goes_down else '>'}", behind)
    conditions.compare("organization_id =", organization_id)
    records = await db.fetch(
        f"""
        SELECT id_token_key, {_COLUMNS} FROM id_tokens
        WHERE {conditions} ORDER BY id_token_key {"DESC" if goes_down else "ASC"} LIMIT $1
        """,  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [(record["id_token_key"], _id_token(record)) for record in records]


async def count(db: Database, *, up_to: int, organization_id: str | None = None) -> int:
    """Return how many tokens there are, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    conditions.compare("organization_id =", organization_id)
    return await count_rows(db, "id_tokens", conditions)


async def update(
    db: Database, id_token: str, changes: dict[str, Any], *, type_: IdTokenType | None = None
) -> IdToken:
    """Change a token's members, all but its text.

    Args:
        db: the pool.
        id_token: which one.
        changes: by the names above.
        type_: which one of several of the same text.

    Raises:
        NotFoundError: there is no such token.
        ConflictError: there are several and none is named, or one of the new type is there.
        InvalidInputError: there is no such organization.
    """
    if not changes:
        return await get(db, id_token, type_)
    await organization_scope.require(db, changes.get("organization_id"))
    if unknown := changes.keys() - _UPDATABLE:
        raise KeyError(f"not an operator's to change: {sorted(unknown)}")
    async with _locked(db, id_token) as connection:
        known = await _read(connection, id_token)
        key, _ = _select(known, id_token, type_)
        new_key = key
        if (new_type := changes.get("type")) is not None:
            others = {each: other for each, other in known.items() if each != key}
            _require_new(others, id_token, new_type)
            if key != id_token_key(id_token):
                new_key = typed_key(id_token, new_type)
        assignments = ", ".join(f"{column} = ${i}" for i, column in enumerate(changes, start=3))
        record = await connection.fetchrow(
            f"""
            UPDATE id_tokens SET id_token_key = $2, {assignments}, updated_at = now()
            WHERE id_token_key = $1 RETURNING {_COLUMNS}
            """,  # noqa: S608 - the names are checked above, the values are parameters
            key,
            new_key,
            *changes.values(),
        )
    if record is None:
        raise _not_found(id_token)
    return _id_token(record)


async def delete(db: Database, id_token: str, type_: IdTokenType | None = None) -> None:
    """Forget a token.

    Raises:
        NotFoundError: there is no such token.
        ConflictError: there are several, and no type tells them apart.
    """
    async with _locked(db, id_token) as connection:
        key, _ = _select(await _read(connection, id_token), id_token, type_)
        await connection.execute("DELETE FROM id_tokens WHERE id_token_key = $1", key)
