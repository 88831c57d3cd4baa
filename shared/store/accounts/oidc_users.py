"""Users who come from an OpenID provider, known by its issuer and their subject there."""

from datetime import datetime

import asyncpg

from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID
from shared.domain.accounts.principals import provider_principal
from shared.domain.accounts.roles import Role
from shared.domain.accounts.users import User
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.store.accounts import users
from shared.store.pool import Database
from shared.store.request_database import act_as


async def welcome(
    db: Database,
    *,
    issuer: str,
    subject: str,
    name: str,
    email: str | None,
    role: Role,
    organization_id: str,
    request_id: str,
    address: str | None,
) -> User:
    """Return whoever the provider says it is, as they are according to it; new ones are made.

    Whoever may do something else than before signs in anew: their sessions end. What changes
    stands in the audit log, in the name of the provider.

    Args:
        db: where.
        issuer: the provider.
        subject: who they are to it.
        name: for people.
        email: for people as well; nobody is found by it.
        role: what they are.
        organization_id: and where.
        request_id: in which request.
        address: from where it came; None if that is not known.

    Raises:
        NotFoundError: there is no such organization.
    """
    provider = provider_principal(issuer, subject=subject, organization_id=organization_id)
    try:
        async with db.acquire() as connection, connection.transaction():
            await act_as(connection, provider, request_id=request_id, address=address)
            before = await connection.fetchrow(
                """
                SELECT role, organization_id FROM users
                WHERE oidc_issuer = $1 AND oidc_subject = $2 FOR UPDATE
                """,
                issuer,
                subject,
            )
            record = await connection.fetchrow(
                f"""
                INSERT INTO users (oidc_issuer, oidc_subject, name, email, role, organization_id)
                VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (oidc_issuer, oidc_subject) DO UPDATE
                SET name = excluded.name, email = excluded.email, role = excluded.role,
                    organization_id = excluded.organization_id, updated_at = now()
                RETURNING {users.COLUMNS}
                """,  # noqa: S608 - a constant
                issuer,
                subject,
                name,
                email or "",
                role,
                organization_id,
            )
            assert record is not None  # noqa: S101 - inserted or updated, or an error was raised
            if before is not None and tuple(before) != (role, organization_id):
                await connection.execute(
                    "DELETE FROM user_sessions WHERE user_id = $1", record["user_id"]
                )
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFoundError(
            f"there is no organization {organization_id!r}", code=NotFoundCode.ORGANIZATION
        ) from error
    return users.user_of(record)


async def note_session(
    db: Database, user_session_id: str, *, provider_session_id: str | None, id_token: str | None
) -> None:
    """Keep what the provider calls a session of ours, and what says there whose it is."""
    await db.execute(
        """
        UPDATE user_sessions SET oidc_session_id = $2, oidc_id_token = $3
        WHERE user_session_id = $1
        """,
        user_session_id,
        provider_session_id,
        id_token,
    )


async def id_token_of(db: Database, user_session_id: str) -> str | None:
    """Return what says at the provider whose session it is; None if it does not come from there."""
    found: str | None = await db.fetchval(
        "SELECT oidc_id_token FROM user_sessions WHERE user_session_id = $1", user_session_id
    )
    return found


async def end_sessions(
    db: Database,
    *,
    issuer: str,
    subject: str | None,
    provider_session_id: str | None,
    begun_before: datetime,
    request_id: str,
    address: str | None,
) -> set[str]:
    """End the sessions that the provider has ended, and return the ids of their users.

    That stands in the audit log, in the name of the provider.

    Args:
        db: where.
        issuer: the provider.
        subject: whose; None is anybody's.
        provider_session_id: which; None is all of `subject`. One of which the provider never told
            us what it calls it may be any of theirs.
        begun_before: later ones are not meant: who sends an old word of the provider again ends
            nothing.
        request_id: in which request.
        address: from where it came; None if that is not known.
    """
    provider = provider_principal(issuer, subject=subject, organization_id=DEFAULT_ORGANIZATION_ID)
    async with db.acquire() as connection, connection.transaction():
        await act_as(connection, provider, request_id=request_id, address=address)
        records = await connection.fetch(
            """
            DELETE FROM user_sessions USING users
            WHERE user_sessions.user_id = users.user_id
              AND users.oidc_issuer = $1
              AND ($2::text IS NULL OR users.oidc_subject = $2)
              AND ($3::text IS NULL OR oidc_session_id = $3
                   OR (oidc_session_id IS NULL AND $2 IS NOT NULL))
              AND user_sessions.created_at <= $4
            RETURNING user_sessions.user_id
            """,
            issuer,
            subject,
            provider_session_id,
            begun_before,
        )
    return {str(record["user_id"]) for record in records}
