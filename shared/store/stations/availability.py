"""Reading when stations were there and how their connectors were; `facts` and claims write it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from shared.domain.errors import InvalidInputError
from shared.domain.stations.availability import (
    ConnectionSpan,
    DisconnectReason,
    Period,
    StatusChange,
)
from shared.domain.stations.stations import ConnectorStatus
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Database

# In one answer, which is worked out in memory: a station that comes and goes once a minute has so
# many connections in a month.
_MAX_CHANGES = 50_000
# What a pod could not end itself ends with what is known of its station.
_SPANS = """
    SELECT span.station_id, span.epoch, span.pod_id, span.connection_id, span.ocpp_version,
           span.connected_at,
           coalesce(span.disconnected_at,
                    CASE WHEN NOT station.online OR station.epoch <> span.epoch
                         THEN coalesce(station.disconnected_at, station.connected_at) END)
               AS disconnected_at,
           span.last_heard_at, span.reason, span.close_code, span.close_reason
    FROM station_connections AS span JOIN stations AS station USING (station_id)
"""


async def list_connections_before(
    db: Database,
    station_id: str,
    *,
    before: Sequence[int] | None,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    goes_down: bool = True,
) -> list[ConnectionSpan]:
    """Return up to `limit` connections of a station, newest first.

    Args:
        db: the pool.
        station_id: whose.
        before: an epoch; the list begins behind it.
        limit: how many at most.
        since: only those that began then or later.
        until: only those that began before.
        goes_down: whether the newest comes first.
    """
    conditions = Conditions(limit, DisconnectReason.CLOSED_BY_STATION)
    _begun(conditions, station_id, since, until)
    order = conditions.in_order("epoch", behind=before, goes_down=goes_down)
    records = await db.fetch(
        f"""
        SELECT span.station_id, epoch, pod_id, connection_id, ocpp_version, connected_at,
               disconnected_at,
               CASE WHEN disconnected_at IS NULL THEN pods.renewed_at
                    WHEN reason = $2 THEN disconnected_at
                    ELSE last_heard_at END AS last_seen_at,
               reason, close_code, close_reason
        FROM ({_SPANS}) AS span LEFT JOIN pods USING (pod_id)
        WHERE {conditions}
        ORDER BY {order} LIMIT $1
        """,  # noqa: S608 - the text above
        *conditions.parameters,
    )
    return [_span(record) for record in records]


async def count_connections(
    db: Database,
    station_id: str,
    *,
    up_to: int,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many connections a list has, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    _begun(conditions, station_id, since, until)
    return await count_rows(db, "station_connections", conditions)


def _begun(
    conditions: Conditions, station_id: str, since: datetime | None, until: datetime | None
) -> None:
    conditions.compare("station_id =", station_id)
    conditions.compare("connected_at >=", since)
    conditions.compare("connected_at <", until)


@dataclass(frozen=True, slots=True)
class StationHistory:
    """What is known of a station's availability in a period.

    `statuses` are those of its connectors by EVSE and connector, EVSE 0 and connector 0 being the
    station itself; each begins with the last one before the period, if there is one. `maintenance`
    is by EVSE; None is the whole station.
    """

    connected: list[Period]
    statuses: Mapping[tuple[int, int], list[StatusChange]]
    maintenance: Mapping[int | None, list[Period]]


async def get_history(db: Database, station_id: str, period: Period) -> StationHistory:
    """Return what is known of a station's availability in a period that ends by now.

    Raises:
        InvalidInputError: too much happened in the period.
    """
    async with (
        db.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        spans = await connection.fetch(
            f"""
            SELECT connected_at, coalesce(disconnected_at, $3) AS disconnected_at
            FROM ({_SPANS}) AS span
            WHERE station_id = $1 AND connected_at < $3
              AND coalesce(disconnected_at, $3) > $2
            ORDER BY connected_at LIMIT $4
            """,  # noqa: S608 - the text above
            station_id,
            period.start,
            period.end,
            _MAX_CHANGES + 1,
        )
        changes = await connection.fetch(
            """
            -- Which connectors there are, by one look into the index for each.
            WITH RECURSIVE connector AS (
                (SELECT evse_id, connector_id FROM connector_status_changes
                 WHERE station_id = $1 ORDER BY evse_id, connector_id LIMIT 1)
                UNION ALL
                SELECT following.evse_id, following.connector_id
                FROM connector CROSS JOIN LATERAL (
                    SELECT change.evse_id, change.connector_id
                    FROM connector_status_changes AS change
                    WHERE change.station_id = $1
                      AND (change.evse_id, change.connector_id)
                          > (connector.evse_id, connector.connector_id)
                    ORDER BY change.evse_id, change.connector_id LIMIT 1
                ) AS following
            )
            SELECT evse_id, connector_id, status, received_at
            FROM connector
            CROSS JOIN LATERAL (
                -- The last one before the period, however long the history before it is.
                (SELECT status, received_at, change_id
                 FROM connector_status_changes AS change
                 WHERE change.station_id = $1 AND change.evse_id = connector.evse_id
                   AND change.connector_id = connector.connector_id AND received_at < $2
                 ORDER BY received_at DESC, change_id DESC LIMIT 1)
                UNION ALL
                SELECT status, received_at, change_id
                FROM connector_status_changes AS change
                WHERE change.station_id = $1 AND change.evse_id = connector.evse_id
                  AND change.connector_id = connector.connector_id
                  AND received_at >= $2 AND received_at < $3
            ) AS change
            ORDER BY evse_id, connector_id, received_at, change_id LIMIT $4
            """,
            station_id,
            period.start,
            period.end,
            _MAX_CHANGES + 1,
        )
        if max(len(spans), len(changes)) > _MAX_CHANGES:
            raise InvalidInputError(
                f"station {station_id!r} connected, or its connectors changed, more than "
                f"{_MAX_CHANGES} times in this period: ask for shorter ones"
            )
        windows = await connection.fetch(
            """
            SELECT evse_id, starts_at, ends_at FROM maintenance_windows
            WHERE station_id = $1 AND starts_at < $3 AND ends_at > $2
            """,
            station_id,
            period.start,
            period.end,
        )
    statuses: defaultdict[tuple[int, int], list[StatusChange]] = defaultdict(list)
    for change in changes:
        statuses[change["evse_id"], change["connector_id"]].append(_status_change(change))
    maintenance: defaultdict[int | None, list[Period]] = defaultdict(list)
    for window in windows:
        maintenance[window["evse_id"]].append(Period(window["starts_at"], window["ends_at"]))
    return StationHistory(
        connected=[Period(span["connected_at"], span["disconnected_at"]) for span in spans],
        statuses=statuses,
        maintenance=maintenance,
    )


async def now(db: Database) -> datetime:
    """Return the time by the clock that writes history."""
    time: datetime = await db.fetchval("SELECT now()")
    return time


def _span(record: asyncpg.Record) -> ConnectionSpan:
    reason = record["reason"]
    return ConnectionSpan(**{**record, "reason": reason and DisconnectReason(reason)})


def _status_change(record: asyncpg.Record) -> StatusChange:
    return StatusChange(record["received_at"], ConnectorStatus(record["status"]))
