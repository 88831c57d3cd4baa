"""Stations that came to the door and are not registered: an inbox, bounded in number."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

import asyncpg

from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.domain.stations.stations import UnknownStation
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Database

_COLUMNS = ", ".join(field.name for field in fields(UnknownStation))
_UNKNOWN = "unknown_stations AS unknown"


def _unknown_station(record: asyncpg.Record) -> UnknownStation:
    return UnknownStation(**{**record, "subprotocols": tuple(record["subprotocols"])})


async def add(db: Database, seen: Sequence[UnknownStation], *, keep: int) -> None:
    """Write down who came, and forget all but `keep`.

    A real station comes again and again, one that somebody made up mostly does not: those who came
    once are forgotten first, and among equals who has not come for longest. But half of the places
    are theirs if they need them, or ids that were made up twice would keep out whoever comes next.

    Args:
        db: the pool.
        seen: one per station id; `attempts` are those since it was last written down.
        keep: how many the inbox may hold.
    """
    async with db.acquire() as connection, connection.transaction():
        await connection.execute(
            """
            INSERT INTO unknown_stations AS known (station_id, address, user_agent, subprotocols,
                                                   first_seen_at, last_seen_at, attempts)
            SELECT station_id, address, user_agent, string_to_array(subprotocols, ','),
                   first_seen_at, last_seen_at, attempts
            FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[],
                        $6::timestamptz[], $7::bigint[])
                 AS seen (station_id, address, user_agent, subprotocols, first_seen_at,
                          last_seen_at, attempts)
            WHERE NOT EXISTS (SELECT FROM stations WHERE stations.station_id = seen.station_id)
            ORDER BY station_id
            ON CONFLICT (station_id) DO UPDATE
            SET address = excluded.address, user_agent = excluded.user_agent,
                subprotocols = excluded.subprotocols,
                last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
                attempts = known.attempts + excluded.attempts
            """,
            [station.station_id for station in seen],
            [station.address for station in seen],
            [station.user_agent for station in seen],
            [",".join(station.subprotocols) for station in seen],
            [station.first_seen_at for station in seen],
            [station.last_seen_at for station in seen],
            [station.attempts for station in seen],
        )
        await connection.execute(
            """
            DELETE FROM unknown_stations WHERE station_id IN (
                SELECT station_id FROM (
                    SELECT station_id, attempts > 1 AS comes_again,
                           row_number() OVER (PARTITION BY attempts > 1
                                              ORDER BY last_seen_at DESC, station_id) AS place
                    FROM unknown_stations
                ) AS ranked
                ORDER BY place > $1 / 2, comes_again DESC, place
                OFFSET $1
            )
            """,
            keep,
        )


async def get(db: Database, station_id: str) -> UnknownStation:
    """Return one unknown station.

    Raises:
        NotFoundError: no station of this id has come, or it is registered.
    """
    record = await db.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM unknown_stations WHERE station_id = $1
        AND NOT EXISTS (SELECT FROM stations WHERE station_id = $1)
        """,  # noqa: S608 - column names of a dataclass
        station_id,
    )
    if record is None:
        raise _not_found(station_id)
    return _unknown_station(record)


async def list_after(
    db: Database,
    *,
    after: str | None,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    goes_down: bool = False,
) -> list[UnknownStation]:
    """Return up to `limit` of them in the order of their ids, from the one behind `after` on.

    Args:
        db: the pool.
        after: id of the one before.
        limit: how many at most.
        since: only those that came then or later.
        until: only those that came before, and not since.
        goes_down: the other way round.
    """
    conditions = _conditions(limit, since, until)
    behind = None if after is None else [after]
    order = conditions.in_order("unknown.station_id", behind=behind, goes_down=goes_down)
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM {_UNKNOWN} WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [_unknown_station(record) for record in records]


async def count(
    db: Database, *, up_to: int, since: datetime | None = None, until: datetime | None = None
) -> int:
    """Return how many of them there are, counting no further than `up_to`."""
    return await count_rows(db, _UNKNOWN, _conditions(up_to, since, until))


def _conditions(limit: int, since: datetime | None, until: datetime | None) -> Conditions:
    conditions = Conditions(limit)
    # One that is registered meanwhile is not unknown, whether or not its row has gone. It is looked
    # up for each that is listed: a join would read all stations first.
    conditions.add(
        "(SELECT 1 FROM stations WHERE stations.station_id = unknown.station_id) IS NULL"
    )
    conditions.compare("last_seen_at >=", since)
    conditions.compare("last_seen_at <", until)
    return conditions


async def delete(db: Database, station_id: str) -> None:
    """Forget an unknown station; if it comes again, it is listed again.

    Raises:
        NotFoundError: none of this id is listed.
    """
    tag = await db.execute("DELETE FROM unknown_stations WHERE station_id = $1", station_id)
    if tag == "DELETE 0":
        raise _not_found(station_id)


def _not_found(station_id: str) -> NotFoundError:
    return NotFoundError(
        f"no unknown station {station_id!r} is listed: it has not come yet, was forgotten, or is "
        "registered already",
        code=NotFoundCode.UNKNOWN_STATION,
    )
