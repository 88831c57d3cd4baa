"""Quirks that nobody can see in one message: they show when a session is worked out."""

from collections.abc import Iterable, Mapping

from shared.domain.stations.quirks import QuirkKind, QuirkSighting
from shared.store import quirk_sightings
from shared.store.pool import Connection
from shared.telemetry import metrics

_MEMBER = {
    QuirkKind.BEGIN_REPEATED: "sampledValue.context",
    QuirkKind.OTHER_COUNTER: "sampledValue.value",
}


async def count(
    connection: Connection, found: Mapping[str, Iterable[QuirkKind]], *, max_per_station: int
) -> None:
    """Count what sessions have shown, once each however often they are worked out.

    Args:
        connection: within a transaction that has locked these sessions.
        found: kinds by session id.
        max_per_station: as `quirk_sightings.add` takes it.
    """
    rows = [(session_id, kind) for session_id, kinds in found.items() for kind in sorted(kinds)]
    if not rows:
        return
    records = await connection.fetch(
        """
        WITH told AS (
            SELECT session_id, array_agg(kind) AS kinds
            FROM unnest($1::uuid[], $2::text[]) AS told (session_id, kind)
            JOIN sessions USING (session_id)
            WHERE kind <> ALL (sessions.quirks)
            GROUP BY session_id
        )
        UPDATE sessions SET quirks = sessions.quirks || told.kinds
        FROM told WHERE sessions.session_id = told.session_id
        RETURNING told.session_id::text, station_id, ocpp_version, kinds, now() AS seen_at
        """,
        [session_id for session_id, _ in rows],
        [kind for _, kind in rows],
    )
    sightings = [
        QuirkSighting(
            station_id=record["station_id"],
            ocpp_version=record["ocpp_version"],
            action="",
            kind=QuirkKind(kind),
            member=_MEMBER[QuirkKind(kind)],
            example=f"session {record['session_id']}",
            count=1,
            first_seen_at=record["seen_at"],
            last_seen_at=record["seen_at"],
        )
        for record in records
        for kind in record["kinds"]
    ]
    if sightings:
        await quirk_sightings.add(connection, sightings, max_per_station=max_per_station)
    for sighting in sightings:
        metrics.quirks.labels(sighting.kind).inc()
