"""Alerts as people see them, and what people do with them."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

import asyncpg

from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.notices.alerts import (
    Alert,
    AlertFilter,
    AlertKind,
    AlertState,
    Severity,
)
from shared.domain.notices.events import EventType
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.notices import outbox
from shared.store.notices.alert_evaluation import event_of
from shared.store.pool import Database

_COMPUTED = {name: f"{name}::text" for name in ("alert_id", "rule_id", "session_id")}
COLUMNS = ", ".join(_COMPUTED.get(field.name, field.name) for field in fields(Alert))
"""What a statement selects that reads whole alerts."""

_OF_STATE = {
    AlertState.OPEN: "resolved_at IS NULL AND acknowledged_at IS NULL",
    AlertState.ACKNOWLEDGED: "resolved_at IS NULL AND acknowledged_at IS NOT NULL",
    AlertState.RESOLVED: "resolved_at IS NOT NULL",
}


def alert_of(record: asyncpg.Record | Mapping[str, Any]) -> Alert:
    """Return the alert of a row of `COLUMNS`."""
    kind, severity = AlertKind(record["kind"]), Severity(record["severity"])
    return Alert(**{**record, "kind": kind, "severity": severity})


def _not_found(alert_id: str) -> NotFoundError:
    return NotFoundError(f"there is no alert {alert_id}", code=NotFoundCode.ALERT)


def _conditions(found: AlertFilter, *parameters: object) -> Conditions:
    conditions = Conditions(*parameters)
    if found.state is not None:
        conditions.add(_OF_STATE[found.state])
    conditions.compare("kind =", found.kind)
    conditions.compare("severity =", found.severity)
    conditions.compare("station_id =", found.station_id)
    conditions.compare("rule_id =", found.rule_id)
    conditions.compare("organization_id =", found.organization_id)
    conditions.made("fired_at", key="alerts.alert_id", since=found.since, until=found.until)
    return conditions


async def list_before(
    db: Database, found: AlertFilter, *, before: str | None, limit: int, goes_down: bool = True
) -> list[Alert]:
    """Return up to `limit` alerts, newest first, from behind `before` on.

    Args:
        db: the pool.
        found: which.
        before: id of the one before.
        limit: how many at most.
        goes_down: whether the newest comes first.
    """
    conditions = _conditions(found, limit)
    order = conditions.in_order("alerts.alert_id", behind=before and [before], goes_down=goes_down)
    records = await db.fetch(
        f"SELECT {COLUMNS} FROM alerts WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - names of a dataclass, and conditions of columns
        *conditions.parameters,
    )
    return [alert_of(record) for record in records]


async def count(db: Database, found: AlertFilter, *, up_to: int) -> int:
    """Return how many alerts there are, counting no further than `up_to`."""
    return await count_rows(db, "alerts", _conditions(found, up_to))


async def get(db: Database, alert_id: str) -> Alert:
    """Return one alert.

    Raises:
        NotFoundError: there is none.
    """
    record = await db.fetchrow(
        f"SELECT {COLUMNS} FROM alerts WHERE alert_id = $1",  # noqa: S608 - as above
        alert_id,
    )
    if record is None:
        raise _not_found(alert_id)
    return alert_of(record)


async def acknowledge(db: Database, alert_id: str, *, by: str, note: str | None) -> Alert:
    """Note that somebody sees to an alert: it escalates no further. Who was first stays.

    Raises:
        NotFoundError: there is no such alert.
        ConflictError: it is over.
    """
    async with db.acquire() as connection, connection.transaction():
        record = await connection.fetchrow(
            """
            UPDATE alerts SET acknowledged_at = now(), acknowledged_by = $2, note = $3
            WHERE alert_id = $1 AND resolved_at IS NULL AND acknowledged_at IS NULL
            RETURNING *
            """,
            alert_id,
            by,
            note,
        )
        if record is not None:
            event = event_of(
                EventType.ALERT_ACKNOWLEDGED, record, occurred_at=record["acknowledged_at"]
            )
            await outbox.put(connection, [event])
    alert = await get(db, alert_id)
    if alert.acknowledged_at is None:
        raise _is_over(alert_id)
    return alert


async def silence(db: Database, alert_id: str, *, until: datetime | None) -> Alert:
    """Have nobody told of an alert until then; None ends that.

    Raises:
        NotFoundError: there is no such alert.
        ConflictError: it is over.
    """
    tag = await db.execute(
        "UPDATE alerts SET silenced_until = $2 WHERE alert_id = $1 AND resolved_at IS NULL",
        alert_id,
        until,
    )
    alert = await get(db, alert_id)
    if tag == "UPDATE 0":
        raise _is_over(alert_id)
    return alert


def _is_over(alert_id: str) -> ConflictError:
    return ConflictError(
        f"alert {alert_id} is over: its condition has ended", code=ConflictCode.ALERT_RESOLVED
    )
