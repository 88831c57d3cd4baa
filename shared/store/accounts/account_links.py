"""Links by which users set a password: single use, for a while, stored as hashes."""

from dataclasses import dataclass

from shared.domain.accounts.users import LinkPurpose, User
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.store.accounts import users
from shared.store.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class DueLink:
    """A link to be mailed.

    Attributes:
        failures: how often that has failed.
    """

    account_link_id: str
    purpose: LinkPurpose
    user: User
    failures: int


async def create(
    db: Database, user: User, purpose: LinkPurpose, *, token_hash: bytes, lifetime_s: float
) -> None:
    """Keep a link that is handed over at once."""
    await db.execute(
        """
        INSERT INTO account_links (user_id, organization_id, purpose, token_hash, expires_at)
        VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
        """,
        user.user_id,
        user.organization_id,
        purpose,
        token_hash,
        lifetime_s,
    )


async def order(
    db: Database, user: User, purpose: LinkPurpose, *, lifetime_s: float, pause_s: float
) -> None:
    """Have the worker make a link and mail it.

    Args:
        db: where.
        user: to whom.
        purpose: why.
        lifetime_s: how long it works.
        pause_s: a link of this purpose that is younger is left alone, so that strangers do not fill
            anybody's mailbox; those that were mailed before go on working.
    """
    await db.execute(
        """
        INSERT INTO account_links (user_id, organization_id, purpose, expires_at, mail_at)
        SELECT $1, $2, $3, now() + make_interval(secs => $4), now()
        WHERE NOT EXISTS (
            SELECT FROM account_links
            WHERE user_id = $1 AND purpose = $3
              AND created_at > now() - make_interval(secs => $5)
        )
        """,
        user.user_id,
        user.organization_id,
        purpose,
        lifetime_s,
        pause_s,
    )


async def find_user(db: Database, token_hash: bytes) -> User:
    """Return whose a link is that still works.

    Raises:
        NotFoundError: it was used, its time is over, or there never was one.
    """
    record = await db.fetchrow(
        f"""
        SELECT {users.COLUMNS} FROM account_links JOIN users USING (user_id)
        WHERE token_hash = $1 AND expires_at > now() AND NOT users.disabled
        """,  # noqa: S608 - a constant
        token_hash,
    )
    if record is None:
        raise _not_found()
    return users.user_of(record)


async def use(db: Database, token_hash: bytes, password_hash: str) -> User:
    """Set the password of whoever has this link; their sessions and all their links end.

    Raises:
        NotFoundError: as `find_user` does; of two who use it at once the second gets this.
    """
    async with db.acquire() as connection, connection.transaction():
        user_id = await connection.fetchval(
            """
            DELETE FROM account_links WHERE token_hash = $1 AND expires_at > now()
            RETURNING user_id
            """,
            token_hash,
        )
        record = await connection.fetchrow(
            f"""
            UPDATE users SET password_hash = $2, updated_at = now()
            WHERE user_id = $1 AND NOT disabled RETURNING {users.COLUMNS}
            """,  # noqa: S608 - a constant
            user_id,
            password_hash,
        )
        if record is None:
            raise _not_found()
        await connection.execute("DELETE FROM user_sessions WHERE user_id = $1", user_id)
        await connection.execute("DELETE FROM account_links WHERE user_id = $1", user_id)
    return users.user_of(record)


def _not_found() -> NotFoundError:
    return NotFoundError(
        "this link does not work any more: it was used, or its time is over. Ask for another one",
        code=NotFoundCode.ACCOUNT_LINK,
    )


async def claim_due(db: Database, *, limit: int, lease_s: float) -> list[DueLink]:
    """Take links that are to be mailed; for `lease_s` no other worker does."""
    records = await db.fetch(
        f"""
        WITH due AS (
            SELECT account_link_id FROM account_links
            WHERE mail_at <= now() AND expires_at > now()
            ORDER BY mail_at LIMIT $1 FOR UPDATE SKIP LOCKED
        ), claimed AS (
            UPDATE account_links SET mail_at = now() + make_interval(secs => $2)
            WHERE account_link_id IN (SELECT account_link_id FROM due)
            RETURNING account_link_id, user_id, purpose, mail_failures
        )
        SELECT account_link_id, purpose, mail_failures, {users.COLUMNS}
        FROM claimed JOIN users USING (user_id)
        """,  # noqa: S608 - a constant
        limit,
        lease_s,
    )
    return [
        DueLink(
            account_link_id=str(record["account_link_id"]),
            purpose=LinkPurpose(record["purpose"]),
            user=users.user_of(record),
            failures=record["mail_failures"],
        )
        for record in records
    ]


async def set_token(db: Database, account_link_id: str, token_hash: bytes) -> bool:
    """Have a link go by this token, before it is mailed; False if it was taken back meanwhile."""
    updated = await db.execute(
        "UPDATE account_links SET token_hash = $2 WHERE account_link_id = $1",
        account_link_id,
        token_hash,
    )
    return updated == "UPDATE 1"


async def note_mailed(db: Database, account_link_id: str) -> None:
    """Note that a link was handed to the mail server."""
    await db.execute(
        """
        UPDATE account_links SET mail_at = NULL, mail_error = NULL, mailed_at = now()
        WHERE account_link_id = $1
        """,
        account_link_id,
    )


async def note_failure(
    db: Database, account_link_id: str, *, error: str, retry_s: float | None
) -> None:
    """Note that a link could not be mailed; it is tried again after `retry_s`, or never."""
    await db.execute(
        """
        UPDATE account_links
        SET mail_at = now() + make_interval(secs => $3), mail_failures = mail_failures + 1,
            mail_error = $2
        WHERE account_link_id = $1
        """,
        account_link_id,
        error,
        retry_s,
    )


async def sweep_expired(db: Database) -> int:
    """Forget links whose time is over; return how many."""
    deleted = await db.execute("DELETE FROM account_links WHERE expires_at < now()")
    return int(deleted.rpartition(" ")[2])
