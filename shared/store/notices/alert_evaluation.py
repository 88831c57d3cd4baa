"""Holds what is the case against the rules: alerts fire, go on, and resolve.

Each kind is one statement for all rules and stations, in a transaction of its own with the events
of what it changed. It writes only what changes: an alert that goes on costs a look.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from shared.domain.notices.alerts import HEALABLE, AlertKind, loosest
from shared.domain.notices.events import EventType, NewEvent
from shared.store.notices import outbox
from shared.store.notices.alert_conditions import WATCHES, Watch
from shared.store.pool import Connection, Database

# Any number will do, as long as nothing else in the database locks on it. One worker at a time.
LOCK = 6_801_600_240

# Rules of those above an organization concern its stations as well. A station is looked up by its
# key for each candidate: read as a whole, stations would cost more than all else.
_STATEMENT = """
    WITH RECURSIVE parameters AS (  -- says of which types they are
        SELECT $1::timestamptz, $2::float8, $3::bigint
    ),
    concerned AS (
        SELECT rule_id, organization_id FROM alert_rules WHERE kind = '{kind}' AND enabled
        UNION ALL
        SELECT concerned.rule_id, organizations.organization_id
        FROM organizations JOIN concerned ON organizations.parent_id = concerned.organization_id
    ),
    candidates AS MATERIALIZED ({candidates}),
    found AS MATERIALIZED (
        SELECT rule.*, candidate.station_id, candidate.evse_id, candidate.connector_id,
               candidate.session_id, candidate.subject, candidate.since,
               candidate.evidence || {evidence} AS evidence, station.location_id
        FROM candidates AS candidate {stations}
        WHERE {holds}
    ),
    fired AS (
        INSERT INTO alerts (organization_id, rule_id, rule_name, kind, severity, subject,
                            station_id, location_id, evse_id, connector_id, session_id, since,
                            evidence, fired_at, resolve_after_s, healing_at)
        SELECT organization_id, rule_id, name, kind, severity, subject, station_id, location_id,
               evse_id, connector_id, session_id, since, evidence, $1, resolve_after_s,
               {healing_at}
        FROM found
        WHERE NOT EXISTS (
            SELECT FROM alerts
            WHERE alerts.rule_id = found.rule_id AND alerts.subject = found.subject
              AND alerts.resolved_at IS NULL)
        ORDER BY since, subject LIMIT $3
        ON CONFLICT (rule_id, subject) WHERE resolved_at IS NULL DO NOTHING
        RETURNING *
    ),
    back AS (
        UPDATE alerts SET clear_since = NULL, occurrences = occurrences + 1
        FROM found
        WHERE alerts.rule_id = found.rule_id AND alerts.subject = found.subject
          AND alerts.resolved_at IS NULL AND alerts.clear_since IS NOT NULL
        RETURNING alerts.alert_id
    ),
    clear AS (
        UPDATE alerts
        SET clear_since = coalesce(clear_since, $1),
            resolved_at = CASE WHEN {is_over} THEN $1 END,
            healing_at = CASE WHEN {is_over} THEN NULL ELSE healing_at END
        WHERE kind = '{kind}' AND resolved_at IS NULL AND (clear_since IS NULL OR {is_over})
          AND NOT EXISTS (
              SELECT FROM found
              WHERE found.rule_id = alerts.rule_id AND found.subject = alerts.subject)
          AND {judged}
        RETURNING *
    )
    SELECT * FROM fired UNION ALL SELECT * FROM clear WHERE resolved_at IS NOT NULL
"""
_IS_OVER = "coalesce(clear_since, $1) <= $1 - make_interval(secs => resolve_after_s)"
_RULES = """
    CROSS JOIN LATERAL (
        SELECT organization_id, location_id FROM stations
        WHERE stations.station_id = candidate.station_id OFFSET 0
    ) AS station
    JOIN concerned USING (organization_id)
    JOIN LATERAL (
        SELECT rule_id, organization_id, name, kind, parameters, severity, resolve_after_s,
               self_healing
        FROM alert_rules
        WHERE alert_rules.rule_id = concerned.rule_id
          AND (cardinality(station_ids) + cardinality(location_ids) = 0
               OR candidate.station_id = ANY (station_ids)
               OR station.location_id = ANY (location_ids))
    ) AS rule ON NOT EXISTS (
        SELECT FROM maintenance_windows AS planned
        WHERE planned.station_id = candidate.station_id
          AND planned.starts_at <= $1 AND planned.ends_at > $1
          AND (planned.evse_id IS NULL OR planned.evse_id = candidate.evse_id))
"""
_RULES_OF_INSTALLATION = """
    CROSS JOIN (SELECT NULL::text AS location_id) AS station
    JOIN alert_rules AS rule ON rule.kind = '{kind}' AND rule.enabled
"""
_HEALING_AT = "$1 + make_interval(secs => (self_healing ->> 'wait_s')::float8)"
# Judged by what is not known of them, alerts of other stations than those looked at would end.
_OF_SLICE = """
    ((station_id > $4 AND station_id <= $5)
     OR NOT EXISTS (SELECT FROM stations WHERE stations.station_id = alerts.station_id))
"""


@dataclass(frozen=True, slots=True)
class Slice:
    """Stations between two ids, the first of which is not among them."""

    after: str
    last: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What one run over a kind has changed."""

    fired: int
    resolved: int


async def evaluate(
    db: Database,
    kind: AlertKind,
    parameters: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
    limit: int,
    stations: Slice | None = None,
    told: Sequence[Mapping[str, Any]] = (),
) -> Evaluated | None:
    """Have alerts of one kind fire and resolve.

    Args:
        db: the pool.
        kind: which.
        parameters: of its rules that are on.
        now: the time that everything is judged by.
        limit: so many alerts fire at most; the others with the next run.
        stations: which are looked at, of a kind that is watched in slices.
        told: candidates of a kind that watches the installation.

    Returns:
        What changed; None if another worker does it now.
    """
    watch = WATCHES[kind]
    bound = loosest(parameters, watch.bounds, choose_highest=watch.bound_is_highest)
    async with db.acquire() as connection, connection.transaction():
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
            return None
        if bound is None:
            records = await connection.fetch(_NOTHING_HOLDS.format(kind=kind), now)
        else:
            more: tuple[object, ...] = ()
            if watch.in_slices and stations is not None:
                more = (stations.after, stations.last)
            elif watch.of_installation:
                more = (list(told),)
            records = await connection.fetch(statement(kind), now, bound, limit, *more)
        await _tell(connection, records)
    fired = sum(record["resolved_at"] is None for record in records)
    return Evaluated(fired=fired, resolved=len(records) - fired)


def statement(kind: AlertKind) -> str:
    """Return the statement that holds one kind against its rules."""
    watch: Watch = WATCHES[kind]
    rules = _RULES_OF_INSTALLATION if watch.of_installation else _RULES
    return _STATEMENT.format(
        kind=kind,
        candidates=watch.candidates,
        stations=rules.format(kind=kind),
        holds=watch.holds,
        evidence=watch.evidence,
        is_over=_IS_OVER,
        judged=_OF_SLICE if watch.in_slices else "true",
        healing_at=_HEALING_AT if kind in HEALABLE else "NULL::timestamptz",
    )


# Without a rule that is on, no condition is watched, and what was open is over.
_NOTHING_HOLDS = f"""
    WITH clear AS (
        UPDATE alerts
        SET clear_since = coalesce(clear_since, $1),
            resolved_at = CASE WHEN {_IS_OVER} THEN $1 END, healing_at = NULL
        WHERE kind = '{{kind}}' AND resolved_at IS NULL AND (clear_since IS NULL OR {_IS_OVER})
        RETURNING *
    )
    SELECT * FROM clear WHERE resolved_at IS NOT NULL
"""  # noqa: S608 - texts of ours


async def find_slice(db: Database, *, after: str, stations: int) -> Slice | None:
    """Return the next stations that are online, in the order of their ids.

    Args:
        db: the pool.
        after: where the slice before ended; "" begins at the first one.
        stations: how many it has.

    Returns:
        None at the end, where the next one begins again.
    """
    last = await db.fetchval(
        """
        SELECT max(station_id) FROM (
            SELECT station_id FROM stations WHERE station_id > $1 ORDER BY station_id LIMIT $2
        ) AS slice
        """,
        after,
        stations,
    )
    return None if last is None else Slice(after, last)


async def count_open(db: Database) -> dict[tuple[str, str], int]:
    """Return how many alerts are open, by kind and severity."""
    records = await db.fetch(
        """
        SELECT kind, severity, count(*) AS count FROM alerts WHERE resolved_at IS NULL
        GROUP BY kind, severity
        """
    )
    return {(record["kind"], record["severity"]): record["count"] for record in records}


async def forget_resolved(db: Database, *, before: datetime, limit: int) -> int:
    """Forget alerts that were over before a time, with who was told; return how many."""
    forgotten = await db.fetch(
        """
        DELETE FROM alerts WHERE alert_id IN (
            SELECT alerts.alert_id FROM alerts WHERE resolved_at < $1
            ORDER BY resolved_at LIMIT $2
        ) RETURNING true
        """,
        before,
        limit,
    )
    await db.execute(
        """
        DELETE FROM alert_notifications WHERE notification_id IN (
            SELECT notification_id FROM alert_notifications WHERE created_at < $1 LIMIT $2
        )
        """,
        before,
        limit,
    )
    return len(forgotten)


async def _tell(connection: Connection, records: Sequence[asyncpg.Record]) -> None:
    await outbox.put(
        connection,
        [
            event_of(
                EventType.ALERT_FIRED
                if record["resolved_at"] is None
                else EventType.ALERT_RESOLVED,
                record,
                occurred_at=record["resolved_at"] or record["fired_at"],
            )
            for record in records
        ],
    )


def event_of(what: EventType, record: asyncpg.Record, *, occurred_at: datetime) -> NewEvent:
    """Return the event of an alert's row."""
    session_id = record["session_id"]
    return NewEvent(
        type=what,
        organization_id=record["organization_id"],
        occurred_at=occurred_at,
        location_id=record["location_id"],
        station_id=record["station_id"],
        data={
            "alert_id": str(record["alert_id"]),
            "rule_id": str(record["rule_id"]),
            "rule_name": record["rule_name"],
            "kind": record["kind"],
            "severity": record["severity"],
            "subject": record["subject"],
            "evse_id": record["evse_id"],
            "connector_id": record["connector_id"],
            "session_id": None if session_id is None else str(session_id),
            "evidence": record["evidence"],
            "acknowledged_by": record["acknowledged_by"],
        },
    )
