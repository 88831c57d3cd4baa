"""All meter values of a time: day by day, and within a day station by station.

So each page is read from one partition by its key, and what is of one station lies together, which
is how a file of columns stays small and is searched.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from shared.domain.sessions.meter_values import MeterValueFilter, StoredMeterValue
from shared.store.conditions import Conditions
from shared.store.exporting import PageSize
from shared.store.pool import Database

_COLUMNS = ", ".join(field.name for field in fields(StoredMeterValue))
_KEY = "station_id, evse_id, sampled_at, fingerprint"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Position:
    station_id: str
    evse_id: int
    sampled_at: datetime
    fingerprint: int

    @property
    def values(self) -> tuple[object, ...]:
        return (self.station_id, self.evse_id, self.sampled_at, self.fingerprint)


async def pages(
    db: Database, found: MeterValueFilter, size: PageSize
) -> AsyncGenerator[Sequence[StoredMeterValue], None]:
    """Give meter values page by page.

    Args:
        db: of `exporting`.
        found: which.
        size: how many at a time.
    """
    since = found.since
    while since < found.until:
        midnight = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        # There is no midnight behind the last day of the calendar.
        until = found.until if found.until - midnight <= _DAY else midnight + _DAY
        async for page in _pages_of_day(db, found, size, since, until):
            yield page
        since = until


async def _pages_of_day(
    db: Database, found: MeterValueFilter, size: PageSize, since: datetime, until: datetime
) -> AsyncGenerator[Sequence[StoredMeterValue], None]:
    behind: _Position | None = None
    while True:
        limit = size.rows
        conditions = _conditions(found, limit, since, until)
        if behind is not None:
            names = ", ".join(map(conditions.parameter, behind.values))
            conditions.add(f"({_KEY}) > ({names})")
        records = await db.fetch(
            f"""
            SELECT {_COLUMNS}, fingerprint FROM meter_values WHERE {conditions}
            ORDER BY {_KEY} LIMIT $1
            """,  # noqa: S608 - column names of a dataclass; the values are parameters
            *conditions.parameters,
        )
        values = []
        for record in records:
            columns = dict(record)
            fingerprint = columns.pop("fingerprint")
            value = StoredMeterValue(**columns)
            values.append(value if found.context is None else value.only(found.context))
        if values:
            yield values
        if len(records) < limit:
            return
        last = values[-1]
        behind = _Position(last.station_id, last.evse_id, last.sampled_at, fingerprint)


def _conditions(
    found: MeterValueFilter, limit: int, since: datetime, until: datetime
) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("sampled_at >=", since)
    conditions.compare("sampled_at <", until)
    conditions.compare("station_id =", found.station_id)
    conditions.compare("evse_id =", found.evse_id)
    if found.context is not None:
        samples = conditions.parameter([{"context": found.context}])
        conditions.add(f"samples @> {samples}::jsonb")
    if found.in_transaction is not None:
        conditions.add(f"transaction_id IS {'NOT NULL' if found.in_transaction else 'NULL'}")
    return conditions
