"""Deliveries as people see them, and what they ask for: once more, a range, or a test."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import asyncpg

from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.notices.webhooks import TEST_TYPE, Attempt, DeliveryState, WebhookDelivery
from shared.store.conditions import Conditions, Position
from shared.store.conditions import count as count_rows
from shared.store.notices.webhook_endpoints import not_found
from shared.store.notices.webhook_expansion import MATCHES
from shared.store.pool import Connection, Database

_COLUMNS = ", ".join(
    f"CASE WHEN state = '{DeliveryState.WAITING}' THEN next_attempt_at END AS next_attempt_at"
    if field.name == "next_attempt_at"
    else field.name
    for field in fields(WebhookDelivery)
)
_ATTEMPTS_SHOWN = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a replay has put on its way.

    Attributes:
        deliveries: how many.
        last_event_id: of the last event that was looked at, None if there was none.
        more: whether there are events of the range behind it.
    """

    deliveries: int
    last_event_id: str | None
    more: bool


def _delivery(record: asyncpg.Record) -> WebhookDelivery:
    return WebhookDelivery(
        **{
            **record,
            "webhook_delivery_id": str(record["webhook_delivery_id"]),
            "webhook_endpoint_id": str(record["webhook_endpoint_id"]),
            "state": DeliveryState(record["state"]),
        }
    )


def _delivery_not_found(webhook_endpoint_id: str, webhook_delivery_id: str) -> NotFoundError:
    return NotFoundError(
        f"webhook endpoint {webhook_endpoint_id} has no delivery {webhook_delivery_id}: it never "
        "had, or it is not kept any more",
        code=NotFoundCode.WEBHOOK_DELIVERY,
    )


async def _require_endpoint(db: "Database | Connection", webhook_endpoint_id: str) -> None:
    if not await db.fetchval(
        "SELECT true FROM webhook_endpoints WHERE webhook_endpoint_id = $1", webhook_endpoint_id
    ):
        raise not_found(webhook_endpoint_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries of an endpoint are asked for; None is no condition."""

    webhook_endpoint_id: str
    state: DeliveryState | None = None
    station_id: str | None = None
    event_type: str | None = None
    event_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def _conditions(found: DeliveryFilter, limit: int) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("webhook_endpoint_id =", found.webhook_endpoint_id)
    conditions.compare("state =", found.state)
    conditions.compare("station_id =", found.station_id)
    conditions.compare("type =", found.event_type)
    conditions.compare("event_id =", found.event_id)
    key = "webhook_deliveries.webhook_delivery_id"
    conditions.made("created_at", key=key, since=found.since, until=found.until)
    return conditions


async def list_before(
    db: Database,
    found: DeliveryFilter,
    *,
    before: Position | None,
    limit: int,
    goes_down: bool = True,
) -> list[tuple[WebhookDelivery, Attempt | None]]:
    """Return up to `limit` deliveries, the newest first, each with its last attempt.

    Raises:
        NotFoundError: there is no such endpoint.
    """
    await _require_endpoint(db, found.webhook_endpoint_id)
    conditions = _conditions(found, limit)
    order = conditions.page(
        "webhook_deliveries.webhook_delivery_id", time=None, behind=before, goes_down=goes_down
    )
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM webhook_deliveries WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - column names, the values are parameters
        *conditions.parameters,
    )
    deliveries = [_delivery(record) for record in records]
    last = await db.fetch(
        """
        SELECT attempt.* FROM unnest($1::uuid[]) AS asked (webhook_delivery_id)
        CROSS JOIN LATERAL (
            SELECT * FROM webhook_attempts
            WHERE webhook_delivery_id = asked.webhook_delivery_id
            ORDER BY attempted_at DESC LIMIT 1) AS attempt
        """,
        [each.webhook_delivery_id for each in deliveries],
    )
    attempts = {str(record["webhook_delivery_id"]): _attempt(record) for record in last}
    return [(each, attempts.get(each.webhook_delivery_id)) for each in deliveries]


async def count(db: Database, found: DeliveryFilter, *, up_to: int) -> int:
    """Return how many deliveries such a list has, counting no further than `up_to`."""
    return await count_rows(db, "webhook_deliveries", _conditions(found, up_to))


def _attempt(record: asyncpg.Record) -> Attempt:
    return Attempt(
        attempted_at=record["attempted_at"],
        seconds=record["seconds"],
        status=record["status"],
        error=record["error"],
        answer=record["answer"],
    )


async def get(
    db: Database, webhook_endpoint_id: str, webhook_delivery_id: str
) -> tuple[WebhookDelivery, list[Attempt]]:
    """Return one delivery with its attempts, the last first.

    Raises:
        NotFoundError: there is no such delivery, or no such endpoint.
    """
    await _require_endpoint(db, webhook_endpoint_id)
    record = await db.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM webhook_deliveries
        WHERE webhook_endpoint_id = $1 AND webhook_delivery_id = $2
        """,  # noqa: S608 - column names
        webhook_endpoint_id,
        webhook_delivery_id,
    )
    if record is None:
        raise _delivery_not_found(webhook_endpoint_id, webhook_delivery_id)
    attempts = await db.fetch(
        """
        SELECT * FROM webhook_attempts WHERE webhook_delivery_id = $1
        ORDER BY attempted_at DESC LIMIT $2
        """,
        webhook_delivery_id,
        _ATTEMPTS_SHOWN,
    )
    return _delivery(record), [_attempt(each) for each in attempts]


_SENT_AGAIN = """
    state = 'waiting', failures = 0, first_attempt_at = NULL, next_attempt_at = now(),
    finished_at = NULL
"""


async def _wake(
    connection: Connection, webhook_endpoint_id: str, kind: str, details: dict[str, Any]
) -> None:
    """Have the worker look, and keep what was asked for, which the audit log tells."""
    await connection.execute(
        """
        UPDATE webhook_progress SET revision = revision + 1, due_at = least(due_at, now())
        WHERE webhook_endpoint_id = $1
        """,
        webhook_endpoint_id,
    )
    await connection.execute(
        """
        INSERT INTO webhook_requests (webhook_endpoint_id, organization_id, kind, details)
        SELECT webhook_endpoint_id, organization_id, $2, $3 FROM webhook_endpoints
        WHERE webhook_endpoint_id = $1
        """,
        webhook_endpoint_id,
        kind,
        details,
    )


async def _require_enabled(connection: Connection, webhook_endpoint_id: str) -> None:
    enabled = await connection.fetchval(
        "SELECT enabled FROM webhook_endpoints WHERE webhook_endpoint_id = $1 FOR SHARE",
        webhook_endpoint_id,
    )
    if enabled is None:
        raise not_found(webhook_endpoint_id)
    if not enabled:
        raise ConflictError(
            f"webhook endpoint {webhook_endpoint_id} is switched off: enable it first",
            code=ConflictCode.WEBHOOK_ENDPOINT_DISABLED,
        )


async def resend(
    db: Database, webhook_endpoint_id: str, webhook_delivery_id: str
) -> WebhookDelivery:
    """Have one delivery sent once more, beside those that wait, which it does not hold up.

    Raises:
        NotFoundError: there is no such delivery, or no such endpoint.
        ConflictError: the endpoint is switched off, or the event is not kept any more.
    """
    async with db.acquire() as connection, connection.transaction():
        await _require_enabled(connection, webhook_endpoint_id)
        # First, as who notes what came of an attempt does: so they never wait in a circle.
        await connection.execute(
            "SELECT FROM webhook_progress WHERE webhook_endpoint_id = $1 FOR UPDATE",
            webhook_endpoint_id,
        )
        record = await connection.fetchrow(
            f"""
            UPDATE webhook_deliveries
            SET {_SENT_AGAIN},
                lane = CASE WHEN state = 'waiting' THEN lane ELSE webhook_delivery_id::text END
            WHERE webhook_endpoint_id = $1 AND webhook_delivery_id = $2
            RETURNING {_COLUMNS}, test_data IS NOT NULL OR EXISTS (
                SELECT FROM events WHERE events.number = webhook_deliveries.number
                AND events.recorded_at = webhook_deliveries.recorded_at) AS kept
            """,  # noqa: S608 - column names
            webhook_endpoint_id,
            webhook_delivery_id,
        )
        if record is None:
            raise _delivery_not_found(webhook_endpoint_id, webhook_delivery_id)
        members = dict(record.items())
        if not members.pop("kept"):
            raise ConflictError(
                f"the event of delivery {webhook_delivery_id} is not kept any more",
                code=ConflictCode.EVENT_NOT_KEPT,
            )
        await _wake(
            connection,
            webhook_endpoint_id,
            "resend",
            {"webhook_delivery_id": webhook_delivery_id, "event_id": members["event_id"]},
        )
    return _delivery(members)  # type: ignore[arg-type]


async def send_test(
    db: Database, webhook_endpoint_id: str, *, event_id: str, data: dict[str, Any]
) -> WebhookDelivery:
    """Have a test sent, beside all that waits.

    Raises:
        NotFoundError: there is no such endpoint.
        ConflictError: it is switched off.
    """
    async with db.acquire() as connection, connection.transaction():
        await _require_enabled(connection, webhook_endpoint_id)
        record = await connection.fetchrow(
            f"""
            INSERT INTO webhook_deliveries (webhook_endpoint_id, event_id, number, test_data, type,
                                            lane)
            VALUES ($1, $2, 0, $3, $4, $2)
            RETURNING {_COLUMNS}
            """,  # noqa: S608 - column names
            webhook_endpoint_id,
            event_id,
            data,
            TEST_TYPE,
        )
        await _wake(connection, webhook_endpoint_id, "test", {"event_id": event_id})
    assert record is not None  # noqa: S101 - it was inserted, or an error was raised
    return _delivery(record)


async def replay(
    db: Database,
    webhook_endpoint_id: str,
    *,
    first: int,
    last: int,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> Replay:
    """Have the events of a range delivered once more, each station's in their order.

    As its filters are now, and of what it is told of anyway: no event behind the last one that was
    looked at for it. What waits already is left as it is.

    Args:
        db: where.
        webhook_endpoint_id: to which.
        first: number of the first event.
        last: and of the last.
        since: when the first was recorded.
        until: before when the last was.
        limit: deliveries at most.

    Raises:
        NotFoundError: there is no such endpoint.
        ConflictError: it is switched off.
    """
    async with db.acquire() as connection, connection.transaction():
        await _require_enabled(connection, webhook_endpoint_id)
        record = await connection.fetchrow(
            f"""
            WITH endpoint AS MATERIALIZED (
                SELECT types, station_ids, location_ids, organization_ids, number,
                       organizations_below(organization_id) AS sees, (
                           SELECT day::timestamp AT TIME ZONE 'UTC' FROM event_days
                           WHERE last_number >= $2 ORDER BY day LIMIT 1) AS day
                FROM webhook_endpoints JOIN webhook_progress USING (webhook_endpoint_id)
                WHERE webhook_endpoint_id = $1
            ), found AS MATERIALIZED (
                SELECT events.number, events.recorded_at, events.type, events.station_id
                FROM endpoint JOIN events ON events.number >= $2
                 AND events.number <= least($3, endpoint.number)
                 AND events.recorded_at >= endpoint.day
                 AND ($4::timestamptz IS NULL OR events.recorded_at >= $4)
                 AND ($5::timestamptz IS NULL OR events.recorded_at < $5)
                 AND {MATCHES.format(endpoint="endpoint")}
                ORDER BY events.number LIMIT $6 + 1
            ), taken AS MATERIALIZED (
                SELECT * FROM found ORDER BY number LIMIT $6
            ), again AS (
                -- Not by ON CONFLICT DO UPDATE, which locks also what waits and is noted just now.
                UPDATE webhook_deliveries AS delivery
                SET {_SENT_AGAIN}, lane = coalesce(delivery.station_id, '')
                FROM taken
                WHERE webhook_endpoint_id = $1 AND event_id = taken.number::text
                  AND state <> 'waiting'
                RETURNING webhook_delivery_id
            ), added AS (
                INSERT INTO webhook_deliveries (webhook_endpoint_id, event_id, number, recorded_at,
                                                type, station_id, lane)
                SELECT $1, number::text, number, recorded_at, type, station_id,
                       coalesce(station_id, '')
                FROM taken
                ON CONFLICT DO NOTHING
                RETURNING webhook_delivery_id
            )
            SELECT (SELECT count(*) FROM again) + (SELECT count(*) FROM added) AS deliveries,
                   (SELECT max(number)::text FROM taken) AS last_event_id,
                   (SELECT count(*) > $6 FROM found) AS more
            """,  # noqa: S608 - constants
            webhook_endpoint_id,
            first,
            last,
            since,
            until,
            limit,
        )
        assert record is not None  # noqa: S101 - it has one row always
        asked = {"from_event_id": first, "to_event_id": last, "since": since, "until": until}
        await _wake(connection, webhook_endpoint_id, "replay", {**asked, **record})
    return Replay(**record)
