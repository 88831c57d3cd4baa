"""Reading a station's meter values, whatever transaction they are of."""

from dataclasses import dataclass, fields
from datetime import datetime

from shared.domain.sessions.meter_values import ReadingContext, StoredMeterValue
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Database

_COLUMNS = ", ".join(field.name for field in fields(StoredMeterValue))


@dataclass(frozen=True, slots=True)
class StationMeterValuePosition:
    """Where a meter value stands among those of its station."""

    sampled_at: datetime
    evse_id: int
    fingerprint: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterValueFilter:
    """Which meter values of a station are listed: those of which all holds that is not None.

    `since`, `until`: by the station's clock; `evse_id` 0 is the main meter; `context`: those with a
    sample of it, and of these only such samples; `in_transaction`: those that name a transaction,
    or the others.
    """

    since: datetime
    until: datetime
    evse_id: int | None = None
    context: ReadingContext | None = None
    in_transaction: bool | None = None


async def list_after(
    db: Database,
    station_id: str,
    found: MeterValueFilter,
    *,
    after: StationMeterValuePosition | None,
    limit: int,
    goes_down: bool = False,
) -> list[tuple[StationMeterValuePosition, StoredMeterValue]]:
    """Return up to `limit` meter values of a station in the order of their time.

    Args:
        db: the pool.
        station_id: whose.
        found: which.
        after: the list begins behind it.
        limit: how many at most.
        goes_down: whether the last comes first.
    """
    conditions = _conditions(limit, station_id, found)
    behind = None if after is None else (after.sampled_at, after.evse_id, after.fingerprint)
    order = conditions.in_order(
        "sampled_at", "evse_id", "fingerprint", behind=behind, goes_down=goes_down
    )
    if after is not None:  # partitions are left out by their own column only
        conditions.compare(f"sampled_at {'<=' if goes_down else '>='}", after.sampled_at)
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS}, fingerprint FROM meter_values WHERE {conditions}
        ORDER BY {order} LIMIT $1
        """,  # noqa: S608 - column names of a dataclass; the values are parameters
        *conditions.parameters,
    )
    values = []
    for record in records:
        columns = dict(record)
        position = StationMeterValuePosition(
            columns["sampled_at"], columns["evse_id"], columns.pop("fingerprint")
        )
        value = StoredMeterValue(**columns)
        values.append((position, value if found.context is None else value.only(found.context)))
    return values


async def count(db: Database, station_id: str, found: MeterValueFilter, *, up_to: int) -> int:
    """Return how many meter values a list has, counting no further than `up_to`."""
    return await count_rows(db, "meter_values", _conditions(up_to, station_id, found))


def _conditions(limit: int, station_id: str, found: MeterValueFilter) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("station_id =", station_id)
    conditions.compare("sampled_at >=", found.since)
    conditions.compare("sampled_at <", found.until)
    conditions.compare("evse_id =", found.evse_id)
    if found.context is not None:
        conditions.compare("samples @>", [{"context": found.context}])
    if found.in_transaction is not None:
        conditions.add(f"transaction_id IS {'NOT NULL' if found.in_transaction else 'NULL'}")
    return conditions
