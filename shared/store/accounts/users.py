"""Users, and what they are checked by."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID
from shared.domain.accounts.roles import Role
from shared.domain.accounts.users import User, UserSecrets, email_key
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database

COLUMNS = """
    users.user_id, users.organization_id, users.email, users.name, users.role, users.disabled,
    users.password_hash IS NOT NULL AS has_password, users.totp_confirmed AS has_second_factor,
    users.last_login_at, users.created_at, users.updated_at,
    users.oidc_issuer IS NOT NULL AS from_provider
"""
"""What `user_of` reads."""
_UPDATABLE = frozenset({"name", "role", "organization_id", "disabled"})
# Locked in one order, so that two who remove each other do not both succeed.
_ADMINISTRATORS = """
    SELECT user_id FROM users
    WHERE organization_id = $1 AND role = $2 AND NOT disabled
      AND (password_hash IS NOT NULL OR last_login_at IS NOT NULL)
    ORDER BY users.user_id FOR UPDATE
"""


def user_of(record: Mapping[str, Any] | asyncpg.Record) -> User:
    """Return the user of a row that has `COLUMNS`, perhaps among others."""
    return User(
        user_id=str(record["user_id"]),
        organization_id=record["organization_id"],
        email=record["email"],
        name=record["name"],
        role=Role(record["role"]),
        disabled=record["disabled"],
        has_password=record["has_password"],
        has_second_factor=record["has_second_factor"],
        last_login_at=record["last_login_at"],
        created_at=record["created_at"],
        updated_at=record["updated_at"],
        from_provider=record["from_provider"],
    )


def _not_found(user_id: str) -> NotFoundError:
    return NotFoundError(f"there is no user {user_id}", code=NotFoundCode.USER)


async def create(
    db: Database,
    *,
    organization_id: str,
    email: str,
    name: str,
    role: Role,
    password_hash: str | None = None,
) -> User:
    """Keep a new user.

    Raises:
        ConflictError: somebody has this e-mail address.
    """
    record = await db.fetchrow(
        f"""
        INSERT INTO users (organization_id, email, email_key, name, role, password_hash)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (email_key) DO NOTHING
        RETURNING {COLUMNS}
        """,  # noqa: S608 - a constant
        organization_id,
        email,
        email_key(email),
        name,
        role,
        password_hash,
    )
    if record is None:
        raise ConflictError(
            f"there is a user with the e-mail address {email} already",
            code=ConflictCode.USER_EXISTS,
        )
    return user_of(record)


async def get(db: Database, user_id: str) -> User:
    """Return one user.

    Raises:
        NotFoundError: there is none of this id.
    """
    record = await db.fetchrow(f"SELECT {COLUMNS} FROM users WHERE user_id = $1", user_id)  # noqa: S608 - a constant
    if record is None:
        raise _not_found(user_id)
    return user_of(record)


async def find_by_email(db: Database, email: str) -> UserSecrets | None:
    """Return who has an e-mail address, and what they are checked by."""
    return await _find_secrets(db, "email_key = $1", email_key(email))


async def get_secrets(db: Database, user_id: str) -> UserSecrets:
    """Return a user, and what they are checked by.

    Raises:
        NotFoundError: there is none of this id.
    """
    found = await _find_secrets(db, "user_id = $1", user_id)
    if found is None:
        raise _not_found(user_id)
    return found


async def _find_secrets(db: Database, condition: str, value: str) -> UserSecrets | None:
    record = await db.fetchrow(
        f"SELECT {COLUMNS}, password_hash, totp_secret FROM users WHERE {condition}",  # noqa: S608 - constants
        value,
    )
    if record is None:
        return None
    return UserSecrets(
        user=user_of(record),
        password_hash=record["password_hash"],
        totp_secret=record["totp_secret"],
    )


async def list_after(
    db: Database, *, after: str | None, limit: int, goes_down: bool = False
) -> list[User]:
    """Return up to `limit` users, the oldest first, from the one behind `after` on.

    Args:
        db: the pool.
        after: id of the one before.
        limit: how many at most.
        goes_down: whether the newest comes first.
    """
    conditions = Conditions(limit)
    order = conditions.in_order("users.user_id", behind=after and [after], goes_down=goes_down)
    records = await db.fetch(
        f"SELECT {COLUMNS} FROM users WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [user_of(record) for record in records]


async def count(db: Database, *, up_to: int) -> int:
    """Return how many users there are, counting no further than `up_to`."""
    return await count_rows(db, "users", Conditions(up_to))


async def update(db: Database, user_id: str, changes: Mapping[str, Any]) -> User:
    """Change a user's name, role, organization or whether they may sign in.

    Whoever may do something else afterwards signs in anew: their sessions end.

    Raises:
        NotFoundError: there is none of this id.
        ConflictError: nobody would be left to run the installation.
    """
    if unknown := changes.keys() - _UPDATABLE:
        raise KeyError(f"not an operator's to change: {sorted(unknown)}")
    if not changes:
        return await get(db, user_id)
    assignments = ", ".join(f"{column} = ${i}" for i, column in enumerate(changes, start=2))
    async with db.acquire() as connection, connection.transaction():
        administrators = await _lock_administrators(connection)
        record = await connection.fetchrow(
            f"""
            UPDATE users SET {assignments}, updated_at = now() WHERE user_id = $1
            RETURNING {COLUMNS}
            """,  # noqa: S608 - the names are checked above, the values are parameters
            user_id,
            *changes.values(),
        )
        if record is None:
            raise _not_found(user_id)
        user = user_of(record)
        if not _is_administrator(user):
            _require_others(administrators, user_id)
        if changes.keys() - {"name"}:
            await connection.execute("DELETE FROM user_sessions WHERE user_id = $1", user_id)
            await connection.execute(
                "UPDATE account_links SET organization_id = $2 WHERE user_id = $1",
                user_id,
                user.organization_id,
            )
    return user


async def delete(db: Database, user_id: str) -> None:
    """Remove a user with their sessions, and with the API keys that stand on their rights.

    Raises:
        NotFoundError: there is none of this id.
        ConflictError: nobody would be left to run the installation.
    """
    async with db.acquire() as connection, connection.transaction():
        _require_others(await _lock_administrators(connection), user_id)
        # By themselves, so that each is told of in the audit log.
        await connection.execute("DELETE FROM api_keys WHERE created_by_user_id = $1", user_id)
        deleted = await connection.execute("DELETE FROM users WHERE user_id = $1", user_id)
        if deleted == "DELETE 0":
            raise _not_found(user_id)


async def _lock_administrators(connection: Connection) -> set[str]:
    records = await connection.fetch(_ADMINISTRATORS, DEFAULT_ORGANIZATION_ID, Role.ADMIN)
    return {str(record["user_id"]) for record in records}


def _is_administrator(user: User) -> bool:
    return (
        user.organization_id == DEFAULT_ORGANIZATION_ID
        and user.role is Role.ADMIN
        and not user.disabled
    )


def _require_others(administrators: set[str], user_id: str) -> None:
    if administrators == {user_id}:
        raise ConflictError(
            "this is the last administrator of the installation: make somebody else one before",
            code=ConflictCode.LAST_ADMINISTRATOR,
        )


async def set_password(db: Database, user_id: str, password_hash: str, *, keep: str | None) -> None:
    """Change a user's password, and end their sessions.

    Args:
        db: where.
        user_id: whose.
        password_hash: of the new one.
        keep: id of the session in which it was changed, which stays.

    Raises:
        NotFoundError: there is none of this id.
    """
    async with db.acquire() as connection, connection.transaction():
        updated = await connection.execute(
            "UPDATE users SET password_hash = $2, updated_at = now() WHERE user_id = $1",
            user_id,
            password_hash,
        )
        if updated == "UPDATE 0":
            raise _not_found(user_id)
        await connection.execute(
            """
            DELETE FROM user_sessions
            WHERE user_id = $1 AND ($2::uuid IS NULL OR user_session_id <> $2)
            """,
            user_id,
            keep,
        )
        await connection.execute("DELETE FROM account_links WHERE user_id = $1", user_id)


async def renew_hash(db: Database, user_id: str, *, before: str, after: str) -> None:
    """Keep the same password with other parameters, unless it was changed meanwhile."""
    await db.execute(
        "UPDATE users SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2",
        user_id,
        before,
        after,
    )


async def list_second_factors(db: Database, *, limit: int) -> list[str]:
    """Return up to `limit` encrypted secrets of second factors, those of the newest users first."""
    records = await db.fetch(
        """
        SELECT totp_secret FROM users WHERE totp_confirmed AND totp_secret IS NOT NULL
        ORDER BY users.user_id DESC LIMIT $1
        """,
        limit,
    )
    return [record["totp_secret"] for record in records]


async def begin_second_factor(db: Database, user_id: str, totp_secret: str) -> None:
    """Keep the encrypted secret of a second factor, which counts when it was confirmed.

    Raises:
        ConflictError: they have one already.
    """
    updated = await db.execute(
        """
        UPDATE users SET totp_secret = $2, totp_last_step = NULL, updated_at = now()
        WHERE user_id = $1 AND NOT totp_confirmed
        """,
        user_id,
        totp_secret,
    )
    if updated == "UPDATE 0":
        raise ConflictError(
            "there is a second factor already: remove it before",
            code=ConflictCode.SECOND_FACTOR_EXISTS,
        )


async def confirm_second_factor(
    db: Database, user_id: str, *, totp_secret: str, recovery_code_hashes: list[bytes]
) -> None:
    """Have the second factor count from now on.

    Raises:
        ConflictError: another one was begun meanwhile, or it counts already.
    """
    updated = await db.execute(
        """
        UPDATE users SET totp_confirmed = true, recovery_code_hashes = $3, updated_at = now()
        WHERE user_id = $1 AND totp_secret = $2 AND NOT totp_confirmed
        """,
        user_id,
        totp_secret,
        recovery_code_hashes,
    )
    if updated == "UPDATE 0":
        raise ConflictError(
            "this is not the second factor that was begun last: begin anew",
            code=ConflictCode.SECOND_FACTOR_REPLACED,
        )


async def remove_second_factor(db: Database, user_id: str) -> None:
    """Forget a user's second factor and their recovery codes.

    Raises:
        NotFoundError: there is none of this id.
    """
    updated = await db.execute(
        """
        UPDATE users SET totp_secret = NULL, totp_confirmed = false, totp_last_step = NULL,
                         recovery_code_hashes = '{}', updated_at = now()
        WHERE user_id = $1
        """,
        user_id,
    )
    if updated == "UPDATE 0":
        raise _not_found(user_id)


async def take_step(db: Database, user_id: str, step: int) -> bool:
    """Take the code of a step; False if that or a later one was taken before."""
    updated = await db.execute(
        """
        UPDATE users SET totp_last_step = $2
        WHERE user_id = $1 AND (totp_last_step IS NULL OR totp_last_step < $2)
        """,
        user_id,
        step,
    )
    return updated == "UPDATE 1"


async def take_recovery_code(db: Database, user_id: str, code_hash: bytes) -> bool:
    """Take a recovery code, which never counts again; False if there is no such one."""
    updated = await db.execute(
        """
        UPDATE users SET recovery_code_hashes = array_remove(recovery_code_hashes, $2)
        WHERE user_id = $1 AND $2 = ANY(recovery_code_hashes)
        """,
        user_id,
        code_hash,
    )
    return updated == "UPDATE 1"
