"""What stations say otherwise than the specification, counted per firmware."""

from dataclasses import fields

import asyncpg

from shared.domain.stations.quirks import Quirk, QuirkKind
from shared.store.pool import Database
from shared.store.quirk_sightings import NAME_MAX_LENGTH

_COLUMNS = ", ".join(field.name for field in fields(Quirk))


def _quirk(record: asyncpg.Record) -> Quirk:
    return Quirk(
        **{**record, "quirk_id": str(record["quirk_id"]), "kind": QuirkKind(record["kind"])}
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
        NAME_MAX_LENGTH,
    )
    return [_quirk(record) for record in records]


async def forget(db: Database, quirk_id: str) -> bool:
    """Forget a quirk, perhaps because a new firmware mended it; return whether there was one."""
    return await db.execute("DELETE FROM quirks WHERE quirk_id = $1", quirk_id) != "DELETE 0"
