"""Who is told of alerts: what is to be told now, mails that wait, and what became of them.

What is told is taken and put among the mails that wait in one transaction, so that it is neither
lost nor told anew by the next worker. A mail that was handed over by one who died then goes out
again, with the same Message-ID.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import asyncpg

from shared.domain.notices.alerts import Alert, AlertRule
from shared.store.notices.alert_rules import rule_of
from shared.store.notices.alerts import COLUMNS, alert_of
from shared.store.pool import Connection, Database

# Any number will do, as long as nothing else in the database locks on it. One worker at a time.
_LOCK = 6_801_600_242
_RULE_COLUMNS = ", ".join(
    "rule_id::text" if field.name == "rule_id" else field.name for field in fields(AlertRule)
)
_UNTOLD = """
    (fired_told_at IS NULL OR (resolved_at IS NOT NULL AND resolved_told_at IS NULL))
    AND (silenced_until IS NULL OR silenced_until <= $1)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail to one person.

    Attributes:
        step: 0 for who is told first; else of the escalation, the first one is 1.
    """

    notification_id: str
    organization_id: str
    rule_id: str
    alert_ids: tuple[str, ...]
    step: int
    recipient: str
    subject: str
    body: str
    html: str
    tries: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A mail, as it is shown: `state` is `waiting`, `sent` or `failed`."""

    notification_id: str
    step: int
    channel: str
    recipient: str
    subject: str
    state: str
    tries: int
    error: str | None
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """A rule that has something to tell.

    Attributes:
        rule: None if it was removed: nobody is told any more.
        first_at: when the first of it happened.
    """

    rule_id: str
    rule: AlertRule | None
    first_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An alert that is told of, and where it is.

    Attributes:
        is_new: whether it is told for the first time.
        escalated_steps: how many steps of the escalation have told of it.
        time_zone: of its location; None if that has none.
    """

    alert: Alert
    is_new: bool
    escalated_steps: int
    location_name: str | None
    time_zone: str | None


async def take_turn(connection: Connection) -> bool:
    """Return whether this transaction may decide who is told; another worker does it else."""
    taken: bool = await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK)
    return taken


async def find_untold(connection: Connection, *, now: datetime) -> list[Untold]:
    """Return the rules that have something to tell."""
    records = await connection.fetch(
        f"""
        SELECT untold.rule_id::text AS of_rule, first_at, rule.*
        FROM (
            SELECT rule_id, min(CASE WHEN fired_told_at IS NULL THEN fired_at ELSE resolved_at END)
                   AS first_at
            FROM alerts WHERE {_UNTOLD} GROUP BY rule_id
        ) AS untold
        LEFT JOIN (SELECT {_RULE_COLUMNS} FROM alert_rules) AS rule
            ON rule.rule_id = untold.rule_id::text
        """,  # noqa: S608 - texts of ours
        now,
    )
    return [
        Untold(
            rule_id=record["of_rule"],
            rule=None if record["rule_id"] is None else _rule_of(record),
            first_at=record["first_at"],
        )
        for record in records
    ]


async def find_escalating(connection: Connection) -> list[AlertRule]:
    """Return the rules that have others told of what nobody acknowledges."""
    records = await connection.fetch(
        f"""
        SELECT {_RULE_COLUMNS} FROM alert_rules
        WHERE escalation <> '[]' AND EXISTS (
            SELECT FROM alerts
            WHERE alerts.rule_id = alert_rules.rule_id AND resolved_at IS NULL
              AND escalated_steps < jsonb_array_length(escalation))
        """  # noqa: S608 - texts of ours
    )
    return [_rule_of(record) for record in records]


async def take_untold(
    connection: Connection, rule_id: str, *, now: datetime, limit: int
) -> list[Told]:
    """Take what a rule has to tell, the oldest first; what is acknowledged needs no first word."""
    return await _take(
        connection,
        f"""
        UPDATE alerts SET fired_told_at = coalesce(fired_told_at, $1),
                          resolved_told_at = CASE WHEN resolved_at IS NOT NULL THEN $1 END
        WHERE alert_id IN (
            SELECT alert_id FROM alerts WHERE rule_id = $2 AND {_UNTOLD}
            ORDER BY fired_at, alerts.alert_id LIMIT $3
        )
        RETURNING {COLUMNS}, old.fired_told_at IS NULL AS is_new, escalated_steps
        """,  # noqa: S608 - texts of ours
        now,
        rule_id,
        limit,
    )


async def take_escalated(
    connection: Connection, rule_id: str, *, step: int, after_s: float, now: datetime, limit: int
) -> list[Told]:
    """Take what nobody has acknowledged for so long, of what the steps before have told."""
    return await _take(
        connection,
        f"""
        UPDATE alerts SET escalated_steps = $4
        WHERE alert_id IN (
            SELECT alert_id FROM alerts
            WHERE rule_id = $2 AND resolved_at IS NULL AND clear_since IS NULL
              AND acknowledged_at IS NULL AND escalated_steps = $4 - 1
              AND fired_told_at <= $1::timestamptz - make_interval(secs => $5)
              AND (silenced_until IS NULL OR silenced_until <= $1)
            ORDER BY fired_at, alerts.alert_id LIMIT $3
        )
        RETURNING {COLUMNS}, false AS is_new, escalated_steps
        """,  # noqa: S608 - texts of ours
        now,
        rule_id,
        limit,
        step,
        after_s,
    )


async def _take(connection: Connection, statement: str, *parameters: object) -> list[Told]:
    records = await connection.fetch(
        f"""
        WITH taken AS ({statement})
        SELECT taken.*, locations.name AS location_name, locations.time_zone
        FROM taken LEFT JOIN locations USING (location_id)
        ORDER BY fired_at, taken.alert_id
        """,  # noqa: S608 - texts of ours
        *parameters,
    )
    names = [field.name for field in fields(Alert)]
    return [
        Told(
            alert=alert_of({name: record[name] for name in names}),
            is_new=record["is_new"],
            escalated_steps=record["escalated_steps"],
            location_name=record["location_name"],
            time_zone=record["time_zone"],
        )
        for record in records
    ]


async def note_told(connection: Connection, rule_id: str, *, now: datetime) -> None:
    """Note that a rule has told something: the next mail waits."""
    await connection.execute(
        "UPDATE alert_rules SET last_told_at = $2 WHERE rule_id = $1", rule_id, now
    )


async def add(
    connection: Connection,
    rule: AlertRule,
    recipients: Sequence[str],
    alert_ids: Iterable[str],
    *,
    step: int,
    subject: str,
    body: str,
    html: str,
    now: datetime,
) -> None:
    """Have a mail sent to some people."""
    await connection.execute(
        """
        INSERT INTO alert_notifications (organization_id, rule_id, alert_ids, step, recipient,
                                         subject, body, html, next_try_at, created_at)
        SELECT $1, $2, $3, $4, recipient, $6, $7, $8, $9, $9
        FROM unnest($5::text[]) AS recipient
        """,
        rule.organization_id,
        rule.rule_id,
        list(alert_ids),
        step,
        recipients,
        subject,
        body,
        html,
        now,
    )


async def list_of(db: Database, alert_id: str) -> list[Notification]:
    """Return the latest mails that tell of an alert, the newest first."""
    records = await db.fetch(
        """
        SELECT notification_id::text, step, channel, recipient, subject, state, tries, error,
               created_at, sent_at
        FROM alert_notifications WHERE alert_ids @> ARRAY[$1::uuid]
        ORDER BY alert_notifications.notification_id DESC LIMIT 100
        """,
        alert_id,
    )
    return [Notification(**record) for record in records]


async def claim_due(db: Database, *, now: datetime, limit: int, lease_s: float) -> list[Mail]:
    """Take mails that are to be sent now; nobody else takes them for `lease_s`."""
    records = await db.fetch(
        """
        UPDATE alert_notifications SET next_try_at = $1::timestamptz + make_interval(secs => $3)
        WHERE notification_id IN (
            SELECT notification_id FROM alert_notifications
            WHERE state = 'waiting' AND next_try_at <= $1
            ORDER BY next_try_at LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        RETURNING notification_id::text, organization_id, rule_id::text, alert_ids::text[], step,
                  recipient, subject, body, html, tries, created_at
        """,
        now,
        limit,
        lease_s,
    )
    return [Mail(**{**record, "alert_ids": tuple(record["alert_ids"])}) for record in records]


async def note_sent(db: Database, notification_id: str, *, now: datetime) -> None:
    """Note that a mail was handed over."""
    await db.execute(
        """
        UPDATE alert_notifications
        SET state = 'sent', sent_at = $2, tries = tries + 1, next_try_at = NULL, error = NULL
        WHERE notification_id = $1
        """,
        notification_id,
        now,
    )


async def note_failure(
    db: Database, notification_id: str, *, error: str, next_try_at: datetime | None
) -> None:
    """Note that a mail could not be handed over; None: that is for good."""
    await db.execute(
        """
        UPDATE alert_notifications
        SET state = CASE WHEN $3::timestamptz IS NULL THEN 'failed' ELSE 'waiting' END,
            tries = tries + 1, next_try_at = $3, error = $2
        WHERE notification_id = $1
        """,
        notification_id,
        error,
        next_try_at,
    )


def _rule_of(record: asyncpg.Record) -> AlertRule:
    return rule_of({field.name: record[field.name] for field in fields(AlertRule)})
