"""Counting what stations say otherwise than the specification: in messages, and over sessions."""

from collections.abc import Sequence

from shared.domain.stations.quirks import QuirkSighting
from shared.store.pool import Connection, Database

# Vendor, model and firmware are a station's own words, and part of a key.
NAME_MAX_LENGTH = 100


async def add(
    db: "Database | Connection", sightings: Sequence[QuirkSighting], *, max_per_station: int
) -> None:
    """Count what stations have shown, under the firmware they told at their last boot.

    Args:
        db: the pool, or a connection.
        sightings: what was seen.
        max_per_station: quirks that were last shown by one station; it gets no new ones beyond.
    """
    await db.execute(
        """
        WITH told AS (
            SELECT left(coalesce(vendor, ''), $10) AS vendor,
                   left(coalesce(model, ''), $10) AS model,
                   left(coalesce(firmware_version, ''), $10) AS firmware_version,
                   seen.ocpp_version, action, kind, member,
                   sum(count) AS count, min(first_seen_at) AS first_seen_at,
                   max(last_seen_at) AS last_seen_at,
                   (array_agg(seen.station_id ORDER BY last_seen_at DESC))[1] AS last_station_id,
                   (array_agg(example ORDER BY last_seen_at DESC))[1] AS example
            FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                        $7::bigint[], $8::timestamptz[], $9::timestamptz[])
                 AS seen (station_id, ocpp_version, action, kind, member, example, count,
                          first_seen_at, last_seen_at)
            LEFT JOIN stations ON stations.station_id = seen.station_id
            GROUP BY 1, 2, 3, 4, 5, 6, 7
        ),
        judged AS (
            SELECT told.*, known.quirk_id IS NULL AS is_new,
                   row_number() OVER (PARTITION BY told.last_station_id, known.quirk_id IS NULL
                                      ORDER BY told.first_seen_at) AS number
            FROM told
            LEFT JOIN quirks AS known USING (vendor, model, firmware_version, ocpp_version, action,
                                             kind, member)
        )
        INSERT INTO quirks AS known (vendor, model, firmware_version, ocpp_version, action, kind,
                                     member, count, first_seen_at, last_seen_at, last_station_id,
                                     example)
        SELECT vendor, model, firmware_version, ocpp_version, action, kind, member, count,
               first_seen_at, last_seen_at, last_station_id, example
        FROM judged
        WHERE NOT is_new OR number + (
            SELECT count(*) FROM quirks WHERE quirks.last_station_id = judged.last_station_id
        ) <= $11
        -- In one order everywhere, so that two pods that write the same rows do not deadlock.
        ORDER BY 1, 2, 3, 4, 5, 6, 7
        ON CONFLICT (vendor, model, firmware_version, ocpp_version, action, kind, member)
        DO UPDATE
        SET count = known.count + excluded.count,
            first_seen_at = least(known.first_seen_at, excluded.first_seen_at),
            last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
            last_station_id = excluded.last_station_id, example = excluded.example
        """,
        [sighting.station_id for sighting in sightings],
        [sighting.ocpp_version for sighting in sightings],
        [sighting.action for sighting in sightings],
        [sighting.kind for sighting in sightings],
        [sighting.member for sighting in sightings],
        [sighting.example for sighting in sightings],
        [sighting.count for sighting in sightings],
        [sighting.first_seen_at for sighting in sightings],
        [sighting.last_seen_at for sighting in sightings],
        NAME_MAX_LENGTH,
        max_per_station,
    )
