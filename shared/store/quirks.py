"""What stations say otherwise than the specification, counted per firmware."""

from collections.abc import Sequence
from dataclasses import fields

import asyncpg

from shared.domain.quirks import Quirk, QuirkKind, QuirkSighting
from shared.store.pool import Connection, Database

_COLUMNS = ", ".join(field.name for field in fields(Quirk))
# Vendor, model and firmware are a station's own words, and part of a key.
_NAME_MAX_LENGTH = 100


def _quirk(record: asyncpg.Record) -> Quirk:
    return Quirk(
        **{**record, "quirk_id": str(record["quirk_id"]), "kind": QuirkKind(record["kind"])}
    )


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
        _NAME_MAX_LENGTH,
        max_per_station,
    )


async def list_after(
    db: Database,
    *,
    after: str | None,
    limit: int,
    station_id: str | None = None,
    vendor: str | None = None,
    model: str | None = None,
    firmware_version: str | None = None,
    kind: QuirkKind | None = None,
) -> list[Quirk]:
    """Return up to `limit` quirks in the order they were first seen, from behind `after` on.

    With `station_id` they are those of the vendor, model and firmware that it told last.
    """
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM quirks
        WHERE ($1::uuid IS NULL OR quirk_id > $1) AND ($3::text IS NULL OR vendor = $3)
          AND ($4::text IS NULL OR model = $4) AND ($5::text IS NULL OR firmware_version = $5)
          AND ($6::text IS NULL OR kind = $6)
          AND ($7::text IS NULL OR (vendor, model, firmware_version) = (
              SELECT left(coalesce(vendor, ''), $8), left(coalesce(model, ''), $8),
                     left(coalesce(firmware_version, ''), $8)
              FROM stations WHERE station_id = $7
          ))
        ORDER BY quirks.quirk_id LIMIT $2
        """,  # noqa: S608 - column names of a dataclass
        after,
        limit,
        vendor,
        model,
        firmware_version,
        kind,
        station_id,
        _NAME_MAX_LENGTH,
    )
    return [_quirk(record) for record in records]


async def forget(db: Database, quirk_id: str) -> bool:
    """Forget a quirk, perhaps because a new firmware mended it; return whether there was one."""
    return await db.execute("DELETE FROM quirks WHERE quirk_id = $1", quirk_id) != "DELETE 0"
