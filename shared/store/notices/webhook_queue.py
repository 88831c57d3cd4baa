"""What the worker does with deliveries: claims an endpoint, reads what is due, notes what came.

An endpoint is served by one worker at a time, for as long as its lease lasts. So the order of its
deliveries is that worker's own affair, and a claim costs one row, not one for each delivery.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import asyncpg

from shared.domain.notices.events import Event
from shared.domain.notices.webhooks import Attempt, DeliveryState
from shared.store.pool import Connection, Database


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedEndpoint:
    """An endpoint that is served here, as it is now.

    Attributes:
        revision: of what is to be delivered, read before it.
        secrets: what signs, encrypted, the newest first.
        failures: in a row.
        failing_since: when the first of them was noted.
    """

    webhook_endpoint_id: str
    organization_id: str
    url: str
    api_version: str
    secrets: tuple[str, ...]
    revision: int
    failures: int
    failing_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDelivery:
    """A delivery that may be sent now, unless an older one of its lane is on its way.

    Attributes:
        created_at: when it was made, which is when a test was asked for.
        event: what it tells; None for a test, and if the event is not kept any more.
        test_data: what a test tells.
    """

    webhook_delivery_id: str
    event_id: str
    lane: str
    failures: int
    created_at: datetime
    event: Event | None
    test_data: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an attempt, and what that says of the endpoint.

    Attributes:
        attempt: None if there was nothing to send.
        retry_s: how long it is put off, if it was not delivered.
        failures: of the endpoint in a row, this one included.
        leave_alone_s: how long nothing is sent to the endpoint.
    """

    webhook_endpoint_id: str
    webhook_delivery_id: str
    attempt: Attempt | None
    retry_s: float
    failures: int
    leave_alone_s: float


_ENDPOINT = """
    endpoint.webhook_endpoint_id, endpoint.organization_id, endpoint.url, endpoint.api_version,
    progress.revision, progress.failures, progress.failing_since,
    ARRAY(SELECT secret FROM webhook_secrets AS each
          WHERE each.webhook_endpoint_id = endpoint.webhook_endpoint_id
            AND (each.expires_at IS NULL OR each.expires_at > now())
          ORDER BY each.webhook_secret_id DESC) AS secrets
"""


def _claimed(record: asyncpg.Record) -> ClaimedEndpoint:
    return ClaimedEndpoint(
        **{
            **record,
            "webhook_endpoint_id": str(record["webhook_endpoint_id"]),
            "secrets": tuple(record["secrets"]),
        }
    )


async def claim(
    db: Database, worker_id: str, *, limit: int, lease_s: float
) -> list[ClaimedEndpoint]:
    """Take endpoints that something is due for, those first that were not served for longest.

    Args:
        db: as the owner.
        worker_id: who takes them.
        limit: how many at most.
        lease_s: for so long nobody else takes them.
    """
    records = await db.fetch(
        f"""
        UPDATE webhook_progress AS progress
        SET worker_id = $1, leased_until = now() + make_interval(secs => $3), served_at = now()
        FROM webhook_endpoints AS endpoint
        WHERE endpoint.webhook_endpoint_id = progress.webhook_endpoint_id
          AND progress.webhook_endpoint_id IN (
              SELECT webhook_endpoint_id
              FROM webhook_progress AS due JOIN webhook_endpoints USING (webhook_endpoint_id)
              WHERE enabled AND due_at <= now() AND not_before <= now()
                AND (leased_until IS NULL OR leased_until <= now())
              ORDER BY served_at LIMIT $2 FOR UPDATE OF due SKIP LOCKED)
        RETURNING {_ENDPOINT}
        """,  # noqa: S608 - a constant
        worker_id,
        limit,
        lease_s,
    )
    return [_claimed(record) for record in records]


async def renew(
    db: Database, worker_id: str, webhook_endpoint_id: str, *, lease_s: float
) -> ClaimedEndpoint | None:
    """Keep an endpoint for longer, and return it as it is now.

    Returns:
        None if it is another's by now, was switched off, was removed, or is to be left alone.
    """
    record = await db.fetchrow(
        f"""
        UPDATE webhook_progress AS progress
        SET leased_until = now() + make_interval(secs => $3)
        FROM webhook_endpoints AS endpoint
        WHERE endpoint.webhook_endpoint_id = progress.webhook_endpoint_id
          AND progress.webhook_endpoint_id = $2 AND worker_id = $1 AND leased_until > now()
          AND enabled AND not_before <= now()
        RETURNING {_ENDPOINT}
        """,  # noqa: S608 - as above
        worker_id,
        webhook_endpoint_id,
        lease_s,
    )
    return None if record is None else _claimed(record)


async def read_due(
    db: Database, webhook_endpoint_id: str, *, lanes_on_their_way: Sequence[str], limit: int
) -> list[DueDelivery]:
    """Return deliveries in the order of their events, without lanes that have to wait.

    A lane waits while one of its deliveries is on its way, and while its first is put off.
    """
    records = await db.fetch(
        """
        SELECT webhook_delivery_id, event_id, lane, failures, test_data,
               delivery.created_at, events.number, events.type, events.occurred_at,
               events.recorded_at, events.organization_id, events.location_id, events.station_id,
               events.data
        FROM webhook_deliveries AS delivery
        LEFT JOIN events ON events.number = delivery.number
                        AND events.recorded_at = delivery.recorded_at
        WHERE webhook_endpoint_id = $1 AND state = 'waiting'
          AND lane <> ALL ($2) AND lane <> ALL (ARRAY(
              SELECT lane FROM webhook_deliveries AS put_off
              WHERE put_off.webhook_endpoint_id = $1 AND put_off.state = 'waiting'
                AND put_off.failures > 0 AND put_off.next_attempt_at > now()))
        ORDER BY delivery.number, webhook_delivery_id LIMIT $3
        """,
        webhook_endpoint_id,
        list(lanes_on_their_way),
        limit,
    )
    return [
        DueDelivery(
            webhook_delivery_id=str(record["webhook_delivery_id"]),
            event_id=record["event_id"],
            lane=record["lane"],
            failures=record["failures"],
            created_at=record["created_at"],
            event=_event(record),
            test_data=record["test_data"],
        )
        for record in records
    ]


_EVENT = tuple(field.name for field in fields(Event))


def _event(record: asyncpg.Record) -> Event | None:
    if record["number"] is None:
        return None
    return Event(**{name: record[name] for name in _EVENT})


_DELIVERED, _FAILED, _WAITING = (
    DeliveryState.DELIVERED.value,
    DeliveryState.FAILED.value,
    DeliveryState.WAITING.value,
)


async def note_outcomes(
    db: Database, outcomes: Sequence[Outcome], *, retry_for_s: float, disable_after_s: float
) -> list[bool]:
    """Write down what came of attempts, of any endpoints, in one transaction.

    Args:
        db: as the owner.
        outcomes: in the order in which they came; no delivery has two.
        retry_for_s: so long after its first attempt a delivery is given up.
        disable_after_s: so long after its first failure in a row an endpoint is to be switched off,
            and then nothing of it is given up.

    Returns:
        For each whether its endpoint has failed for too long.
    """
    async with db.acquire() as connection, connection.transaction():
        too_long = await _note_health(connection, outcomes, disable_after_s)
        # By their ids, so that two who note alike wait for one another and never in a circle.
        ordered = sorted(outcomes, key=lambda each: each.webhook_delivery_id)
        await connection.execute(
            f"""
            UPDATE webhook_deliveries AS delivery
            SET state = outcome.state, attempts = attempts + outcome.attempted,
                failures = CASE WHEN outcome.state = '{_DELIVERED}' THEN 0 ELSE failures + 1 END,
                first_attempt_at = coalesce(first_attempt_at, now()),
                next_attempt_at = now() + make_interval(secs => outcome.retry_s),
                finished_at = CASE WHEN outcome.state <> '{_WAITING}' THEN now() END
            FROM (
                SELECT webhook_delivery_id, retry_s, attempted, CASE
                    WHEN said.state <> '{_WAITING}' THEN said.state
                    WHEN first_attempt_at < now() - make_interval(secs => $6) AND NOT said.disabled
                    THEN '{_FAILED}' ELSE '{_WAITING}' END AS state
                FROM unnest($1::uuid[], $2::text[], $3::float8[], $4::integer[], $5::boolean[])
                     AS said (webhook_delivery_id, state, retry_s, attempted, disabled)
                JOIN webhook_deliveries USING (webhook_delivery_id)
            ) AS outcome
            WHERE delivery.webhook_delivery_id = outcome.webhook_delivery_id
              AND delivery.state = '{_WAITING}'
            """,  # noqa: S608 - constants
            [each.webhook_delivery_id for each in ordered],
            [_state(each) for each in ordered],
            [each.retry_s for each in ordered],
            [int(each.attempt is not None) for each in ordered],
            [each.webhook_endpoint_id in too_long for each in ordered],
            retry_for_s,
        )
        attempts = [(each, each.attempt) for each in ordered if each.attempt is not None]
        await connection.execute(
            """
            INSERT INTO webhook_attempts (webhook_delivery_id, attempted_at, seconds, status, error,
                                          answer)
            SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::float8[], $4::integer[],
                                 $5::text[], $6::text[])
            ON CONFLICT DO NOTHING
            """,
            [each.webhook_delivery_id for each, _ in attempts],
            [attempt.attempted_at for _, attempt in attempts],
            [attempt.seconds for _, attempt in attempts],
            [attempt.status for _, attempt in attempts],
            [attempt.error for _, attempt in attempts],
            [attempt.answer for _, attempt in attempts],
        )
    return [each.webhook_endpoint_id in too_long for each in outcomes]


def _state(outcome: Outcome) -> str:
    if outcome.attempt is None:
        return _FAILED
    return _DELIVERED if outcome.attempt.delivered else _WAITING


async def _note_health(
    connection: Connection, outcomes: Sequence[Outcome], disable_after_s: float
) -> set[str]:
    """Write down whether endpoints work; return which have failed for too long."""
    last = {each.webhook_endpoint_id: each for each in outcomes if each.attempt is not None}
    # Of several in one batch none that worked may be overlooked.
    worked = {
        each.webhook_endpoint_id
        for each in outcomes
        if each.attempt is not None and each.attempt.delivered
    }
    ordered = [last[key] for key in sorted(last)]
    records = await connection.fetch(
        """
        UPDATE webhook_progress AS progress
        SET failures = said.failures,
            failing_since = CASE
                WHEN said.failures = 0 THEN NULL
                WHEN said.worked THEN now() ELSE coalesce(failing_since, now()) END,
            not_before = greatest(now() + make_interval(secs => said.leave_alone_s),
                                  CASE WHEN said.failures > 0 THEN not_before END)
        FROM unnest($1::uuid[], $2::integer[], $3::float8[], $4::boolean[])
             AS said (webhook_endpoint_id, failures, leave_alone_s, worked)
        WHERE progress.webhook_endpoint_id = said.webhook_endpoint_id
          -- What works as before leaves the row as it is.
          AND (said.failures > 0 OR progress.failures > 0)
        RETURNING progress.webhook_endpoint_id,
                  progress.failing_since < now() - make_interval(secs => $5) AS too_long
        """,
        [each.webhook_endpoint_id for each in ordered],
        [each.failures for each in ordered],
        [each.leave_alone_s for each in ordered],
        [each.webhook_endpoint_id in worked for each in ordered],
        disable_after_s,
    )
    return {str(record["webhook_endpoint_id"]) for record in records if record["too_long"]}


async def put_off_no_longer(db: Database, webhook_endpoint_id: str) -> None:
    """Have all that waits be tried at once: its endpoint works again."""
    await db.execute(
        """
        UPDATE webhook_deliveries SET next_attempt_at = now()
        WHERE webhook_endpoint_id = $1 AND state = 'waiting' AND failures > 0
          AND next_attempt_at > now()
        """,
        webhook_endpoint_id,
    )


async def release(
    db: Database, worker_id: str, webhook_endpoint_id: str, *, revision: int | None
) -> None:
    """Give an endpoint back.

    Args:
        db: as the owner.
        worker_id: who had it.
        webhook_endpoint_id: which.
        revision: nothing was found to be due at that one, so that it is due when what is put off
            is, or when something is added. None: there may be more at once.
    """
    await db.execute(
        """
        UPDATE webhook_progress AS progress
        SET worker_id = NULL, leased_until = NULL,
            due_at = CASE WHEN revision IS DISTINCT FROM $3 THEN now() ELSE (
                SELECT min(next_attempt_at) FROM webhook_deliveries AS delivery
                WHERE delivery.webhook_endpoint_id = progress.webhook_endpoint_id
                  AND state = 'waiting' AND failures > 0) END
        WHERE webhook_endpoint_id = $2 AND worker_id = $1
        """,
        worker_id,
        webhook_endpoint_id,
        revision,
    )
