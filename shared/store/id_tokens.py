"""Id tokens: who may charge."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import asyncpg

from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.tokens import AuthorizationStatus, IdToken, IdTokenType, id_token_key
from shared.store.pool import Database

_COLUMNS = ", ".join(field.name for field in fields(IdToken))
_UPDATABLE = frozenset(
    {"type", "status", "expires_at", "group_id_token", "max_concurrent_sessions"}
)


def _id_token(record: asyncpg.Record) -> IdToken:
    return IdToken(
        **{
            **record,
            "type": IdTokenType(record["type"]),
            "status": AuthorizationStatus(record["status"]),
        }
    )


def _not_found(id_token: str) -> NotFoundError:
    return NotFoundError(f"there is no id token {id_token!r}")


async def create(
    db: Database,
    *,
    id_token: str,
    type: IdTokenType,  # noqa: A002 - the field's name in OCPP
    status: AuthorizationStatus,
    expires_at: datetime | None,
    group_id_token: str | None,
    max_concurrent_sessions: int | None = None,
) -> IdToken:
    """Register a token.

    Raises:
        ConflictError: it exists, perhaps in other letter case.
    """
    record = await db.fetchrow(
        f"""
        INSERT INTO id_tokens (id_token_key, id_token, type, status, expires_at, group_id_token,
                               max_concurrent_sessions)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT DO NOTHING
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - column names of a dataclass
        id_token_key(id_token),
        id_token,
        type,
        status,
        expires_at,
        group_id_token,
        max_concurrent_sessions,
    )
    if record is None:
        raise ConflictError(f"there is an id token {id_token!r} already")
    return _id_token(record)


async def find(db: Database, id_tokens: Sequence[str]) -> list[IdToken | None]:
    """Return each token, or None where nobody registered it, in the same order."""
    keys = [id_token_key(id_token) for id_token in id_tokens]
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM id_tokens WHERE id_token_key = ANY($1)",  # noqa: S608 - as above
        keys,
    )
    found = {id_token_key(record["id_token"]): _id_token(record) for record in records}
    return [found.get(key) for key in keys]


async def get(db: Database, id_token: str) -> IdToken:
    """Return one token.

    Raises:
        NotFoundError: there is none.
    """
    (token,) = await find(db, [id_token])
    if token is None:
        raise _not_found(id_token)
    return token


async def list_after(db: Database, *, after: str | None, limit: int) -> list[IdToken]:
    """Return up to `limit` tokens in the order of their keys, from the one behind `after` on."""
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM id_tokens
        WHERE id_token_key > $1 ORDER BY id_token_key LIMIT $2
        """,  # noqa: S608 - as above
        id_token_key(after) if after else "",
        limit,
    )
    return [_id_token(record) for record in records]


async def update(db: Database, id_token: str, changes: dict[str, Any]) -> IdToken:
    """Change a token's type, status, expires_at, group_id_token or max_concurrent_sessions.

    Raises:
        NotFoundError: there is no such token.
    """
    if not changes:
        return await get(db, id_token)
    if unknown := changes.keys() - _UPDATABLE:
        raise KeyError(f"not an operator's to change: {sorted(unknown)}")
    assignments = ", ".join(f"{column} = ${i}" for i, column in enumerate(changes, start=2))
    record = await db.fetchrow(
        f"""
        UPDATE id_tokens SET {assignments}, updated_at = now()
        WHERE id_token_key = $1 RETURNING {_COLUMNS}
        """,  # noqa: S608 - the names are checked above, the values are parameters
        id_token_key(id_token),
        *changes.values(),
    )
    if record is None:
        raise _not_found(id_token)
    return _id_token(record)


async def delete(db: Database, id_token: str) -> None:
    """Forget a token.

    Raises:
        NotFoundError: there is no such token.
    """
    tag = await db.execute("DELETE FROM id_tokens WHERE id_token_key = $1", id_token_key(id_token))
    if tag == "DELETE 0":
        raise _not_found(id_token)
