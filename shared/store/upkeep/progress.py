"""Requests whose progress a station tells afterwards: firmware updates and logs.

Both have a table of requests and one of steps, and are told of in the same ways: with the id of
the request, or without, when it is the station's latest one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import asyncpg

from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.upkeep.progress import ReportedStatus, Words
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database

# An update has a dozen. A station may tell the same ones again and again.
_MAX_STEPS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Where the requests of one kind stand.

    `told` are the columns that a station's answer tells, with their types. `command` is the type of
    the command whose `request_id` names a request. `action` says, in SQL, by which message of
    OCPP 1.6 a `request` is made whose answer has not told it, and `due_at` when it may begin.
    """

    requests: str
    steps: str
    key: str
    command: str
    words: Words
    action: str
    due_at: str
    told: Mapping[str, str]


class Answered(Protocol):
    """What the facts of answers have in common."""

    @property
    def station_id(self) -> str:
        """Whose answer it is."""

    @property
    def command_id(self) -> str:
        """What it answers."""

    @property
    def request_id(self) -> int | None:
        """The id that the request carried, if it could."""


async def write_answers(
    connection: Connection, tables: Tables, facts: Sequence[Answered]
) -> list[None]:
    """Keep what stations answered to requests, whoever made them.

    A request of ours stands there already. One that was sent as a command, or as a CALL as it
    stands, begins here.
    """
    latest = {(fact.station_id, fact.request_id or fact.command_id): fact for fact in facts}
    columns = {
        "station_id": "text",
        "command_id": "uuid",
        "request_id": "integer",
        **tables.told,
    }
    arrays = ", ".join(f"${number}::{type_}[]" for number, type_ in enumerate(columns.values(), 1))
    told = ", ".join(tables.told)
    # A request id that is used again belongs to the newer command, whose progress is not known yet.
    reset = f"{tables.requests}.command_id <> excluded.command_id"
    await connection.execute(
        f"""
        INSERT INTO {tables.requests} (station_id, request_id, command_id, {told})
        SELECT station_id,
               coalesce(
                   request_id,
                   (SELECT known.request_id FROM {tables.requests} AS known
                    WHERE known.command_id = told.command_id),
                   (SELECT (commands.params->>'request_id')::integer FROM commands
                    WHERE commands.command_id = told.command_id AND commands.type = '{tables.command}'),
                   nextval('request_ids')
               ),
               command_id, {told}
        FROM unnest({arrays}) AS told ({", ".join(columns)})
        ON CONFLICT (station_id, request_id) DO UPDATE
        SET command_id = excluded.command_id,
            {", ".join(f"{column} = excluded.{column}" for column in tables.told)},
            status = CASE WHEN {reset} THEN NULL ELSE {tables.requests}.status END,
            status_at = CASE WHEN {reset} THEN NULL ELSE {tables.requests}.status_at END,
            ambiguous = NOT {reset} AND {tables.requests}.ambiguous
        """,  # noqa: S608, E501 - names and types of our own tables
        *([getattr(fact, column) for fact in latest.values()] for column in columns),
    )
    return [None] * len(facts)


async def create(db: Database, tables: Tables, columns: Mapping[str, Any]) -> asyncpg.Record:
    """Keep a request before it is sent; it gets its ids.

    Raises:
        NotFoundError: there is no such station.
        ConflictError: its idempotency key was used meanwhile.
    """
    names = ", ".join(columns)
    values = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    record = await db.fetchrow(
        f"""
        INSERT INTO {tables.requests} ({names})
        SELECT {values}
        WHERE EXISTS (SELECT FROM stations WHERE station_id = ${len(columns) + 1})
        ON CONFLICT (station_id, idempotency_key) DO NOTHING
        RETURNING {tables.key}::text AS key, request_id
        """,  # noqa: S608 - the names are ours, the values are parameters
        *columns.values(),
        columns["station_id"],
    )
    if record is None:
        if await find_repeated(db, tables, columns["station_id"], str(columns["idempotency_key"])):
            raise ConflictError(
                f"idempotency key {columns['idempotency_key']!r} is in use by another call that "
                "goes on now: ask again to get what it made",
                code=ConflictCode.IDEMPOTENCY_KEY_REUSED,
            )
        raise NotFoundError(
            f"there is no station {columns['station_id']!r}", code=NotFoundCode.STATION
        )
    return record


async def find_repeated(
    db: Database, tables: Tables, station_id: str, idempotency_key: str
) -> str | None:
    """Return the request that was made with this key before, or None if there is none."""
    key: str | None = await db.fetchval(
        f"""
        SELECT {tables.key}::text FROM {tables.requests}
        WHERE station_id = $1 AND idempotency_key = $2
        """,  # noqa: S608 - as above
        station_id,
        idempotency_key,
    )
    return key


async def attach_command(db: Database, tables: Tables, key: str, command_id: str) -> None:
    """Keep which command carries a request, unless its answer was faster and said so."""
    await db.execute(
        f"UPDATE {tables.requests} SET command_id = $2 WHERE {tables.key} = $1",  # noqa: S608 - as above
        key,
        command_id,
    )


async def discard(db: Database, tables: Tables, key: str) -> None:
    """Forget a request that could not be sent."""
    await db.execute(
        f"DELETE FROM {tables.requests} WHERE {tables.key} = $1 AND command_id IS NULL",  # noqa: S608 - as above
        key,
    )


async def find(db: Database, tables: Tables, key: str) -> asyncpg.Record | None:
    """Return one request with the state of its command, or None if there is none."""
    return await db.fetchrow(_select(tables, f"request.{tables.key} = $1"), key)


async def list_before(
    db: Database,
    tables: Tables,
    *,
    station_id: str,
    before: str | None,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    goes_down: bool = True,
) -> list[asyncpg.Record]:
    """Return up to `limit` requests of a station, the newest first, from behind `before` on.

    Args:
        db: the pool.
        tables: which kind of request.
        station_id: whose.
        before: id of the request before.
        limit: how many at most.
        since: only those of then or later.
        until: only those before.
        goes_down: whether the newest comes first.
    """
    conditions = _conditions(tables, limit, station_id, since, until)
    order = conditions.in_order(
        f"request.{tables.key}", behind=before and [before], goes_down=goes_down
    )
    return await db.fetch(
        f"{_select(tables, str(conditions))} ORDER BY {order} LIMIT $1", *conditions.parameters
    )


async def count(
    db: Database,
    tables: Tables,
    *,
    station_id: str,
    up_to: int,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many requests a list has, counting no further than `up_to`."""
    conditions = _conditions(tables, up_to, station_id, since, until)
    return await count_rows(db, f"{tables.requests} AS request", conditions)


def _conditions(
    tables: Tables, limit: int, station_id: str, since: datetime | None, until: datetime | None
) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("request.station_id =", station_id)
    conditions.made("request.created_at", key=f"request.{tables.key}", since=since, until=until)
    return conditions


async def list_steps(db: Database, tables: Tables, key: str) -> list[ReportedStatus]:
    """Return what the station told of a request, in order; the latest `_MAX_STEPS` of it."""
    records = await db.fetch(
        f"""
        SELECT * FROM (
            SELECT status, reported_at, ambiguous FROM {tables.steps} WHERE {tables.key} = $1
            ORDER BY {tables.steps}.reported_at DESC LIMIT $2
        ) AS latest
        ORDER BY latest.reported_at
        """,  # noqa: S608 - as above
        key,
        _MAX_STEPS,
    )
    return [ReportedStatus(**record) for record in records]


def _select(tables: Tables, condition: str) -> str:
    return f"""
        SELECT request.{tables.key}::text, request.station_id, request.request_id,
               request.command_id::text, commands.state AS command_state, request.file_id::text,
               {", ".join(f"request.{column}" for column in tables.told)},
               request.status, request.status_at, request.ambiguous, request.created_at
        FROM {tables.requests} AS request LEFT JOIN commands USING (command_id)
        WHERE {condition}
    """  # noqa: S608 - as above
