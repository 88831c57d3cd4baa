"""Lists of commands: of a station, and of a batch."""

from datetime import datetime

from shared.domain.commands import CommandRecord, CommandState
from shared.store.commands import commands
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Database


async def list_of_station(
    db: Database,
    *,
    station_id: str,
    before: str | None,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    goes_down: bool = True,
) -> list[CommandRecord]:
    """Return up to `limit` commands of a station, newest first, from behind `before` on.

    Args:
        db: the pool.
        station_id: whose.
        before: id of the command before.
        limit: how many at most.
        since: only those made then or later.
        until: only those made before.
        goes_down: whether the newest comes first.
    """
    conditions = _of_station(limit, station_id, since, until)
    order = conditions.in_order(
        "commands.command_id", behind=before and [before], goes_down=goes_down
    )
    records = await db.fetch(
        f"SELECT {commands.COLUMNS} FROM commands WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [commands.to_record(record) for record in records]


async def count_of_station(
    db: Database,
    *,
    up_to: int,
    station_id: str,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many commands a list has, counting no further than `up_to`."""
    return await count_rows(db, "commands", _of_station(up_to, station_id, since, until))


def _of_station(
    limit: int, station_id: str, since: datetime | None, until: datetime | None
) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("station_id =", station_id)
    conditions.made("created_at", key="commands.command_id", since=since, until=until)
    return conditions


async def list_of_batch(
    db: Database,
    batch_id: str,
    *,
    state: CommandState | None,
    after: str | None,
    limit: int,
    goes_down: bool = False,
) -> list[CommandRecord]:
    """Return up to `limit` commands of a batch in the order of their ids, from behind `after` on.

    Args:
        db: the pool.
        batch_id: whose.
        state: only those in this state.
        after: id of the command before.
        limit: how many at most.
        goes_down: the other way round.
    """
    conditions = _of_batch(limit, batch_id, state)
    order = conditions.in_order(
        "commands.command_id", behind=after and [after], goes_down=goes_down
    )
    records = await db.fetch(
        f"SELECT {commands.COLUMNS} FROM commands WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [commands.to_record(record) for record in records]


async def count_of_batch(
    db: Database, batch_id: str, *, state: CommandState | None, up_to: int
) -> int:
    """Return how many commands of a batch there are, counting no further than `up_to`."""
    return await count_rows(db, "commands", _of_batch(up_to, batch_id, state))


def _of_batch(limit: int, batch_id: str, state: CommandState | None) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("batch_id =", batch_id)
    conditions.compare("state =", state)
    return conditions
