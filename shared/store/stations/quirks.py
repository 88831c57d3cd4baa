"""What stations say otherwise than the specification, counted per firmware."""

from dataclasses import dataclass, fields
from datetime import datetime

import asyncpg

from shared.domain.stations.quirks import Quirk, QuirkKind
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Database
from shared.store.quirk_sightings import NAME_MAX_LENGTH


@dataclass(frozen=True, slots=True, kw_only=True)
class QuirkFilter:
    """Which quirks are listed: those of which all holds that is not None.

    `station_id`: of the vendor, model and firmware that it told last; `since`, `until`: seen last
    then or later, or before.
    """

    station_id: str | None = None
    vendor: str | None = None
    model: str | None = None
    firmware_version: str | None = None
    kind: QuirkKind | None = None
    since: datetime | None = None
    until: datetime | None = None


_ALL = QuirkFilter()
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
    found: QuirkFilter = _ALL,
    goes_down: bool = False,
) -> list[Quirk]:
    """Return up to `limit` quirks in the order they were first seen, from behind `after` on.

    Args:
        db: the pool.
        after: id of the quirk before.
        limit: how many at most.
        found: which.
        goes_down: whether the one that was seen first last comes first.
    """
    conditions = _conditions(limit, found)
    order = conditions.in_order("quirks.quirk_id", behind=after and [after], goes_down=goes_down)
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM quirks WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - column names of a dataclass
        *conditions.parameters,
    )
    return [_quirk(record) for record in records]


async def count(db: Database, *, up_to: int, found: QuirkFilter = _ALL) -> int:
    """Return how many quirks there are, counting no further than `up_to`."""
    return await count_rows(db, "quirks", _conditions(up_to, found))


def _conditions(limit: int, found: QuirkFilter) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("vendor =", found.vendor)
    conditions.compare("model =", found.model)
    conditions.compare("firmware_version =", found.firmware_version)
    conditions.compare("kind =", found.kind)
    conditions.compare("last_seen_at >=", found.since)
    conditions.compare("last_seen_at <", found.until)
    if found.station_id is not None:
        longest = conditions.parameter(NAME_MAX_LENGTH)
        conditions.add(
            f"""(vendor, model, firmware_version) = (
                SELECT left(coalesce(vendor, ''), {longest}), left(coalesce(model, ''), {longest}),
                       left(coalesce(firmware_version, ''), {longest})
                FROM stations WHERE station_id = {conditions.parameter(found.station_id)}
            )"""  # noqa: S608 - names of parameters
        )
    return conditions


async def forget(db: Database, quirk_id: str) -> bool:
    """Forget a quirk, perhaps because a new firmware mended it; return whether there was one."""
    return await db.execute("DELETE FROM quirks WHERE quirk_id = $1", quirk_id) != "DELETE 0"
