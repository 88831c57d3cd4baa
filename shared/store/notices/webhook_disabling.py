"""Webhook endpoints that are switched off because they take nothing, and who is told."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.accounts.roles import Role
from shared.domain.notices.events import EventType, NewEvent
from shared.domain.notices.webhooks import DisabledReason
from shared.store.notices import outbox
from shared.store.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class DisabledEndpoint:
    """An endpoint that was switched off, whose administrators are to be mailed.

    Attributes:
        failures: how often that has failed.
        recipients: the addresses of administrators.
    """

    webhook_endpoint_id: str
    organization_id: str
    url: str
    description: str | None
    reason: DisabledReason
    failures: int
    recipients: Sequence[str]


async def disable(db: Database, webhook_endpoint_id: str, reason: DisabledReason) -> bool:
    """Switch an endpoint off; its organization is told by an event and by mail.

    What waits to be delivered is kept.

    Returns:
        False if it is off already, or was removed.
    """
    async with db.acquire() as connection, connection.transaction():
        record = await connection.fetchrow(
            """
            UPDATE webhook_endpoints
            SET enabled = false, disabled_reason = $2, disabled_at = now(), updated_at = now()
            WHERE webhook_endpoint_id = $1 AND enabled
            RETURNING organization_id, url, disabled_at
            """,
            webhook_endpoint_id,
            reason,
        )
        if record is None:
            return False
        await connection.execute(
            """
            UPDATE webhook_progress SET mail_at = now(), mail_failures = 0, mail_error = NULL
            WHERE webhook_endpoint_id = $1
            """,
            webhook_endpoint_id,
        )
        await outbox.put(
            connection,
            [
                NewEvent(
                    type=EventType.WEBHOOK_DISABLED,
                    occurred_at=record["disabled_at"],
                    organization_id=record["organization_id"],
                    data={
                        "webhook_endpoint_id": webhook_endpoint_id,
                        "url": record["url"],
                        "reason": reason.value,
                    },
                )
            ],
        )
    return True


async def claim_to_mail(db: Database, *, limit: int, lease_s: float) -> list[DisabledEndpoint]:
    """Take endpoints whose administrators are to be mailed; for `lease_s` no other worker does.

    Those of the organization itself, or of the next one above it that has any. Whoever switched
    mail on only now is not told of what was long ago.
    """
    records = await db.fetch(
        """
        WITH due AS (
            SELECT webhook_endpoint_id
            FROM webhook_progress JOIN webhook_endpoints USING (webhook_endpoint_id)
            WHERE mail_at <= now() AND NOT enabled AND disabled_at > now() - interval '1 day'
            ORDER BY mail_at LIMIT $1 FOR UPDATE OF webhook_progress SKIP LOCKED
        ), claimed AS (
            UPDATE webhook_progress SET mail_at = now() + make_interval(secs => $2)
            WHERE webhook_endpoint_id IN (SELECT webhook_endpoint_id FROM due)
            RETURNING webhook_endpoint_id, mail_failures
        )
        SELECT webhook_endpoint_id, organization_id, url, description, disabled_reason AS reason,
               mail_failures AS failures, ARRAY(
            WITH RECURSIVE above AS (
                SELECT organizations.organization_id, parent_id, 0 AS steps FROM organizations
                WHERE organizations.organization_id = webhook_endpoints.organization_id
                UNION ALL
                SELECT parent.organization_id, parent.parent_id, steps + 1
                FROM organizations AS parent
                JOIN above ON parent.organization_id = above.parent_id
            ), administrators AS (
                SELECT email, rank() OVER (ORDER BY steps) AS place
                FROM above JOIN users USING (organization_id)
                WHERE role = $3 AND NOT disabled
            )
            SELECT email FROM administrators WHERE place = 1 ORDER BY email
        ) AS recipients
        FROM claimed JOIN webhook_endpoints USING (webhook_endpoint_id)
        """,
        limit,
        lease_s,
        Role.ADMIN,
    )
    return [
        DisabledEndpoint(
            **{
                **record,
                "webhook_endpoint_id": str(record["webhook_endpoint_id"]),
                "reason": DisabledReason(record["reason"]),
            }
        )
        for record in records
    ]


async def note_mailed(db: Database, webhook_endpoint_id: str) -> None:
    """Note that administrators were mailed, or that there are none."""
    await db.execute(
        """
        UPDATE webhook_progress SET mail_at = NULL, mail_error = NULL
        WHERE webhook_endpoint_id = $1
        """,
        webhook_endpoint_id,
    )


async def note_not_mailed(
    db: Database, webhook_endpoint_id: str, *, error: str, retry_s: float | None
) -> None:
    """Note that they could not be mailed; it is tried again after `retry_s`, or never."""
    await db.execute(
        """
        UPDATE webhook_progress
        SET mail_at = now() + make_interval(secs => $3), mail_failures = mail_failures + 1,
            mail_error = $2
        WHERE webhook_endpoint_id = $1
        """,
        webhook_endpoint_id,
        error,
        retry_s,
    )
