"""Commands to many stations: made in one statement, put on their way at a pace, counted."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

import asyncpg

from shared.domain.commands import Command, CommandState, command_params
from shared.domain.commands.batches import BatchProgress, CommandBatch
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, InvalidInputError, NotFoundError
from shared.domain.stations.stations import StationFilter
from shared.store import station_selection
from shared.store.commands import commands, parked
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Database

_COLUMNS = ", ".join(
    "batch_id::text" if field.name == "batch_id" else field.name for field in fields(CommandBatch)
)
_MAX_NAMED = 10
# How many commands of a batch are looked at beyond those that its pace lets go, as their stations
# may be offline, and how often one sweep looks again after it has parked these.
_LOOKED_AT = 1000
_MAX_LOOKS = 10


@dataclass(frozen=True, slots=True)
class WaitingCommand:
    """A command that its batch's pace lets go now."""

    command_id: str
    station_id: str


def _batch(record: asyncpg.Record) -> CommandBatch:
    return CommandBatch(**record)


async def create(
    db: Database,
    *,
    command: Command,
    stations: Sequence[str] | StationFilter,
    timeout_s: float,
    max_per_s: float,
    max_stations: int,
    request_digest: str,
    idempotency_key: str | None = None,
    password_hash: str | None = None,
) -> tuple[CommandBatch, bool]:
    """Queue a command for each of many stations, for all of them or for none.

    Args:
        db: the pool.
        command: what to ask.
        stations: whom, by name or by what holds for them.
        timeout_s: nothing is sent later than this.
        max_per_s: so many are put on their way in a second at most.
        max_stations: more are refused.
        request_digest: tells this request from others.
        idempotency_key: the caller's own; the same key again gives the first batch back.
        password_hash: of the password that the command gives the stations, if it gives one.

    Returns:
        The batch, and whether it is new.

    Raises:
        InvalidInputError: a station of a list is not registered, none matches a filter, or they are
            too many.
        ConflictError: the key was used for another batch.
    """
    if idempotency_key is not None:
        first = await _find_repeated(db, idempotency_key, request_digest)
        if first is not None:
            return first, False
    condition, argument, expected = _selection(stations)
    # Its commands hold their secrets until they are sent; the batch itself needs none.
    params = command_params(command)
    redacted = commands.redacted_params(params)
    # The batch comes to be only if there are stations, not too many, and all that were named.
    at_most = min(max_stations, int(max_per_s * timeout_s))
    record = await db.fetchrow(
        f"""
        WITH chosen AS MATERIALIZED (
            SELECT station_id FROM stations WHERE {condition} ORDER BY station_id LIMIT $8 + 1
        ),
        batch AS (
            INSERT INTO command_batches (type, params, filter, total, unrouted, max_per_s,
                                         idempotency_key, request_digest, expires_at)
            SELECT $2, $3::jsonb, $4::jsonb, count(*), count(*), $5, $6, $7,
                   now() + make_interval(secs => $9)
            FROM chosen
            HAVING count(*) BETWEEN 1 AND $8 AND count(*) = coalesce($10::bigint, count(*))
            ON CONFLICT (idempotency_key) DO NOTHING
            RETURNING *
        ),
        queued AS (
            INSERT INTO commands (station_id, type, params, expires_at, batch_id,
                                  redacted_params, password_hash)
            SELECT station_id, type, $11::jsonb, expires_at, batch_id, $12::jsonb, $13
            FROM chosen CROSS JOIN batch
        )
        SELECT {_COLUMNS} FROM batch
        """,  # noqa: S608 - column names, and conditions made of them
        argument,
        type(command).__name__,
        params if redacted is None else redacted,
        _kept_filter(stations),
        max_per_s,
        idempotency_key,
        request_digest,
        at_most,
        timeout_s,
        expected,
        params,
        redacted,
        password_hash,
    )
    if record is not None:
        return _batch(record), True
    if idempotency_key is not None:  # the same call may have come twice at the same time
        first = await _find_repeated(db, idempotency_key, request_digest)
        if first is not None:
            return first, False
    raise await _refusal(db, stations, at_most=at_most, max_stations=max_stations)


def _selection(stations: Sequence[str] | StationFilter) -> tuple[str, Any, int | None]:
    """Return the condition, its one argument, and how many must be found if that is known."""
    if not isinstance(stations, StationFilter):
        return "station_id = ANY($1::text[])", list(stations), len(stations)
    conditions = station_selection.conditions_of(stations, "$1::jsonb")
    return " AND ".join(["$1::jsonb IS NOT NULL", *conditions]), asdict(stations), None


def _kept_filter(stations: Sequence[str] | StationFilter) -> dict[str, Any] | None:
    if not isinstance(stations, StationFilter):
        return None
    return {name: value for name, value in asdict(stations).items() if value is not None}


async def _find_repeated(
    db: Database, idempotency_key: str, request_digest: str
) -> CommandBatch | None:
    record = await db.fetchrow(
        f"SELECT {_COLUMNS}, request_digest FROM command_batches WHERE idempotency_key = $1",  # noqa: S608 - as above
        idempotency_key,
    )
    if record is None:
        return None
    found = dict(record)
    if found.pop("request_digest") != request_digest:
        raise ConflictError(
            f"idempotency key {idempotency_key!r} was used for another batch "
            f"({found['batch_id']}): use a new key for a new batch",
            code=ConflictCode.IDEMPOTENCY_KEY_REUSED,
        )
    return CommandBatch(**found)


async def _refusal(
    db: Database, stations: Sequence[str] | StationFilter, *, at_most: int, max_stations: int
) -> InvalidInputError | ConflictError:
    """Return why a batch did not come to be."""
    condition, argument, _ = _selection(stations)
    count = await db.fetchval(f"SELECT count(*) FROM stations WHERE {condition}", argument)  # noqa: S608 - as above
    if not isinstance(stations, StationFilter) and count < len(stations):
        missing = await _list_missing(db, stations)
        names = ", ".join(map(repr, missing[:_MAX_NAMED]))
        more = f" and {len(missing) - _MAX_NAMED} more" if len(missing) > _MAX_NAMED else ""
        return InvalidInputError(
            f"not registered: {names}{more}; the others were not asked for anything either"
        )
    if count == 0:
        return InvalidInputError("no station matches")
    if count > max_stations:
        return InvalidInputError(
            f"these are {count} stations, and a batch has {max_stations} at most: make several"
        )
    if count > at_most:
        return InvalidInputError(
            f"these are {count} stations, and max_per_s and timeout_s leave time for {at_most}: "
            "raise one of the two"
        )
    # Somebody out of sight has used it: nothing else is left that keeps a batch from being made.
    return ConflictError(
        "this idempotency key was used for another batch: use a new one",
        code=ConflictCode.IDEMPOTENCY_KEY_REUSED,
    )


async def _list_missing(db: Database, station_ids: Sequence[str]) -> list[str]:
    records = await db.fetch(
        """
        SELECT named.station_id FROM unnest($1::text[]) AS named (station_id)
        WHERE NOT EXISTS (SELECT FROM stations WHERE stations.station_id = named.station_id)
        ORDER BY 1
        """,
        list(station_ids),
    )
    return [record["station_id"] for record in records]


async def get(db: Database, batch_id: str) -> BatchProgress:
    """Return a batch and how far it is.

    Raises:
        NotFoundError: there is none with this id.
    """
    record = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM command_batches WHERE batch_id = $1",  # noqa: S608 - as above
        batch_id,
    )
    if record is None:
        raise NotFoundError(
            f"there is no command batch {batch_id}", code=NotFoundCode.COMMAND_BATCH
        )
    (progress,) = await _with_progress(db, [record])
    return progress


async def list_before(
    db: Database,
    *,
    before: str | None,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    goes_down: bool = True,
) -> list[BatchProgress]:
    """Return up to `limit` batches, the newest first, from behind `before` on.

    Args:
        db: the pool.
        before: id of the batch before.
        limit: how many at most.
        since: only those made then or later.
        until: only those made before.
        goes_down: whether the newest comes first.
    """
    conditions = Conditions(limit)
    conditions.made("created_at", key="command_batches.batch_id", since=since, until=until)
    order = conditions.in_order(
        "command_batches.batch_id", behind=before and [before], goes_down=goes_down
    )
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM command_batches WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return await _with_progress(db, records)


async def count(
    db: Database, *, up_to: int, since: datetime | None = None, until: datetime | None = None
) -> int:
    """Return how many batches there are, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    conditions.made("created_at", key="batch_id", since=since, until=until)
    return await count_rows(db, "command_batches", conditions)


async def _with_progress(db: Database, records: Sequence[asyncpg.Record]) -> list[BatchProgress]:
    batches = [_batch(record) for record in records]
    counted = await db.fetch(
        """
        SELECT batch_id::text, state, count(*) FROM commands
        WHERE batch_id = ANY($1::uuid[]) GROUP BY batch_id, state
        """,
        [batch.batch_id for batch in batches],
    )
    counts: dict[str, dict[CommandState, int]] = {batch.batch_id: {} for batch in batches}
    for batch_id, state, count in counted:
        counts[batch_id][CommandState(state)] = count
    return [BatchProgress(batch, counts[batch.batch_id]) for batch in batches]


async def cancel(db: Database, batch_id: str) -> BatchProgress:
    """End what is still queued of a batch; what was sent goes on.

    Raises:
        NotFoundError: there is no such batch.
    """
    await db.execute(
        f"""
        WITH batch AS (
            UPDATE command_batches SET cancelled_at = coalesce(cancelled_at, now()), unrouted = 0
            WHERE batch_id = $1 RETURNING batch_id
        )
        UPDATE commands
        SET state = 'cancelled', finished_at = now(), error_code = 'Cancelled',
            error_description = 'its batch was cancelled before it was sent',
            {commands.WITHOUT_SECRETS}
        FROM batch WHERE commands.batch_id = batch.batch_id AND state = 'queued'
        """,  # noqa: S608 - a part of the statement
        batch_id,
    )
    return await get(db, batch_id)


async def list_due(db: Database) -> list[WaitingCommand]:
    """Return the commands that the pace of their batch lets go now, of stations that are online.

    What a batch saves up while there is nothing to do is a second's worth, or one command. Those of
    stations that are offline are met once and parked.
    """
    due: list[WaitingCommand] = []
    for _ in range(_MAX_LOOKS):
        records = await db.fetch(_DUE, _LOOKED_AT)
        due = [
            WaitingCommand(each["command_id"], each["station_id"])
            for each in records if each["online"] and each["place"] <= each["allowance"]
        ]  # fmt: skip
        idle = [each["command_id"] for each in records if not each["online"]]
        if not idle or not await parked.park(db, idle):
            break
    return due


_DUE = """
    SELECT command_id::text, waiting.station_id, coalesce(online, false) AS online, allowance,
           row_number() OVER (PARTITION BY batch_id, online) AS place
    FROM (
        SELECT batch_id,
               floor(max_per_s * least(extract(epoch FROM clock_timestamp() - pace_at),
                                       greatest(1, 1 / max_per_s))) AS allowance
        FROM command_batches
        WHERE unrouted > 0 AND expires_at > now()
    ) AS batch
    CROSS JOIN LATERAL (
        SELECT command_id, commands.station_id FROM commands
        WHERE commands.batch_id = batch.batch_id AND state = 'queued' AND routed_at IS NULL
          AND NOT parked
        ORDER BY commands.command_id
        LIMIT CASE WHEN allowance > 0 THEN allowance + $1 ELSE 0 END
    ) AS waiting
    LEFT JOIN stations USING (station_id)
"""


async def claim(db: Database, command_ids: Sequence[str]) -> set[str]:
    """Take commands of `list_due` that are to be put on their way now, and count them.

    Returns:
        Those that nobody else has taken meanwhile.
    """
    records = await db.fetch(
        """
        WITH taken AS (
            UPDATE commands SET routed_at = now()
            WHERE command_id = ANY($1::uuid[]) AND state = 'queued' AND routed_at IS NULL
            RETURNING command_id, batch_id
        ),
        paced AS (
            UPDATE command_batches
            SET unrouted = greatest(unrouted - count, 0),
                pace_at = greatest(
                    pace_at, now() - make_interval(secs => greatest(1, 1 / max_per_s))
                ) + make_interval(secs => count / max_per_s)
            FROM (SELECT batch_id, count(*) FROM taken GROUP BY batch_id) AS counted
            WHERE command_batches.batch_id = counted.batch_id
        )
        SELECT command_id::text FROM taken
        """,
        command_ids,
    )
    return {record["command_id"] for record in records}
