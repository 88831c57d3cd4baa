"""Sessions of users, of which only hashes of their tokens are stored."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from shared.domain.accounts.users import UserSession
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.store.accounts import users
from shared.store.pool import Database

_COLUMNS = f"""
    {users.COLUMNS}, user_sessions.user_session_id, user_sessions.address,
    user_sessions.user_agent, user_sessions.last_used_at, user_sessions.expires_at,
    user_sessions.created_at AS begun_at
"""
# Of one user; the oldest ends when one more is begun.
_MOST = 50


def _session(record: Mapping[str, Any] | asyncpg.Record) -> UserSession:
    return UserSession(
        user_session_id=str(record["user_session_id"]),
        user=users.user_of(record),
        address=record["address"],
        user_agent=record["user_agent"],
        last_used_at=record["last_used_at"],
        expires_at=record["expires_at"],
        created_at=record["begun_at"],
    )


async def begin(
    db: Database,
    *,
    user_id: str,
    token_hash: bytes,
    max_age_s: float,
    address: str | None,
    user_agent: str | None,
) -> UserSession:
    """Keep a new session of a user who may sign in, and note that they did.

    Raises:
        NotFoundError: there is no such user, or they may not sign in any more.
    """
    record = await db.fetchrow(
        f"""
        WITH users AS (
            UPDATE users SET last_login_at = now() WHERE user_id = $1 AND NOT disabled
            RETURNING *
        ), crowded AS (
            DELETE FROM user_sessions WHERE user_session_id IN (
                SELECT user_session_id FROM user_sessions WHERE user_id = $1
                ORDER BY user_sessions.user_session_id DESC OFFSET {_MOST - 1}
            )
        ), user_sessions AS (
            INSERT INTO user_sessions (user_id, organization_id, token_hash, expires_at, address,
                                       user_agent)
            SELECT user_id, organization_id, $2, now() + make_interval(secs => $3), $4, $5
            FROM users
            RETURNING *
        )
        SELECT {_COLUMNS} FROM user_sessions JOIN users USING (user_id)
        """,  # noqa: S608 - constants
        user_id,
        token_hash,
        max_age_s,
        address,
        user_agent,
    )
    if record is None:
        raise NotFoundError("this user may not sign in any more", code=NotFoundCode.USER)
    return _session(record)


async def find(db: Database, token_hashes: Sequence[bytes]) -> list[UserSession | None]:
    """Return the session of each hash whose user may sign in, in the same order; None for none."""
    records = await db.fetch(
        f"""
        SELECT token_hash, {_COLUMNS} FROM user_sessions JOIN users USING (user_id)
        WHERE token_hash = ANY($1) AND NOT users.disabled
        """,  # noqa: S608 - constants
        list(token_hashes),
    )
    found = {record["token_hash"]: _session(record) for record in records}
    return [found.get(token_hash) for token_hash in token_hashes]


async def list_of(db: Database, user_id: str) -> list[UserSession]:
    """Return the sessions of a user, the latest first."""
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM user_sessions JOIN users USING (user_id)
        WHERE user_id = $1 AND expires_at > now() ORDER BY user_sessions.user_session_id DESC
        """,  # noqa: S608 - constants
        user_id,
    )
    return [_session(record) for record in records]


async def change_token(db: Database, user_session_id: str, token_hash: bytes) -> None:
    """Have a session go by another token; the one before opens nothing any more.

    Raises:
        NotFoundError: it has ended.
    """
    updated = await db.execute(
        "UPDATE user_sessions SET token_hash = $2 WHERE user_session_id = $1",
        user_session_id,
        token_hash,
    )
    if updated == "UPDATE 0":
        raise NotFoundError("this session has ended: sign in again", code=NotFoundCode.USER_SESSION)


async def end(db: Database, user_session_id: str, *, user_id: str) -> None:
    """End one session of a user.

    Raises:
        NotFoundError: they have no such session.
    """
    deleted = await db.execute(
        "DELETE FROM user_sessions WHERE user_session_id = $1 AND user_id = $2",
        user_session_id,
        user_id,
    )
    if deleted == "DELETE 0":
        raise NotFoundError(
            f"there is no session {user_session_id}", code=NotFoundCode.USER_SESSION
        )


async def end_all(db: Database, user_id: str, *, keep: str | None = None) -> None:
    """End the sessions of a user, but the one whose id is `keep`."""
    await db.execute(
        """
        DELETE FROM user_sessions
        WHERE user_id = $1 AND ($2::uuid IS NULL OR user_session_id <> $2)
        """,
        user_id,
        keep,
    )


async def note_use(db: Database, used_at: Mapping[str, datetime]) -> None:
    """Keep when sessions were used last.

    Args:
        db: where.
        used_at: by id. Another process may know of a later use, which stays.
    """
    await db.execute(
        """
        WITH used AS (
            SELECT user_session_id, told.used_at
            FROM unnest($1::uuid[], $2::timestamptz[]) AS told (user_session_id, used_at)
            JOIN user_sessions USING (user_session_id)
            WHERE last_used_at < told.used_at
            ORDER BY user_sessions.user_session_id
            FOR NO KEY UPDATE OF user_sessions
        )
        UPDATE user_sessions SET last_used_at = used.used_at
        FROM used WHERE user_sessions.user_session_id = used.user_session_id
        """,
        list(used_at),
        list(used_at.values()),
    )


async def sweep_ended(db: Database) -> int:
    """Forget sessions whose time is over; return how many."""
    deleted = await db.execute("DELETE FROM user_sessions WHERE expires_at < now()")
    return int(deleted.rpartition(" ")[2])
