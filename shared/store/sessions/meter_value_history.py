"""Reading a station's meter values, whatever transaction they are of."""

from dataclasses import dataclass, fields
from datetime import datetime

from shared.domain.sessions.meter_values import ReadingContext, StoredMeterValue
from shared.store.pool import Database

_COLUMNS = ", ".join(field.name for field in fields(StoredMeterValue))


@dataclass(frozen=True, slots=True)
class StationMeterValuePosition:
    """Where a meter value stands among those of its station."""

    sampled_at: datetime
    evse_id: int
    fingerprint: int


async def list_after(
    db: Database,
    station_id: str,
    *,
    since: datetime,
    until: datetime,
    evse_id: int | None = None,
    context: ReadingContext | None = None,
    in_transaction: bool | None = None,
    after: StationMeterValuePosition | None,
    limit: int,
) -> list[tuple[StationMeterValuePosition, StoredMeterValue]]:
    """Return up to `limit` meter values of a station in the order of their time.

    Args:
        db: the pool.
        station_id: whose.
        since: only those of then or later, by the station's clock.
        until: only those before.
        evse_id: only this EVSE's; 0 is the main meter.
        context: only those with a sample of this context, and of these only such samples.
        in_transaction: only those that name a transaction, or only the others.
        after: the list begins behind it.
        limit: how many at most.
    """
    conditions = ["station_id = $1", "sampled_at >= $2", "sampled_at < $3"]
    parameters: list[object] = [station_id, since, until, limit]

    def parameter(value: object) -> str:
        parameters.append(value)
        return f"${len(parameters)}"

    if evse_id is not None:
        conditions.append(f"evse_id = {parameter(evse_id)}")
    if context is not None:
        conditions.append(f"samples @> {parameter([{'context': context}])}::jsonb")
    if in_transaction is not None:
        conditions.append(f"transaction_id IS {'NOT NULL' if in_transaction else 'NULL'}")
    if after is not None:
        key = (after.sampled_at, after.evse_id, after.fingerprint)
        conditions.append(
            f"(sampled_at, evse_id, fingerprint) > ({', '.join(map(parameter, key))})"
        )
        # Said again, as partitions are left out by their own column only.
        conditions.append(f"sampled_at >= {parameter(after.sampled_at)}")
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS}, fingerprint FROM meter_values WHERE {" AND ".join(conditions)}
        ORDER BY sampled_at, evse_id, fingerprint LIMIT $4
        """,  # noqa: S608 - column names of a dataclass; the values are parameters
        *parameters,
    )
    found = []
    for record in records:
        columns = dict(record)
        position = StationMeterValuePosition(
            columns["sampled_at"], columns["evse_id"], columns.pop("fingerprint")
        )
        value = StoredMeterValue(**columns)
        found.append((position, value if context is None else value.only(context)))
    return found
