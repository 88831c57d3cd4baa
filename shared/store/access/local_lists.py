"""Local authorization lists: what each station is to hold, and what it holds."""

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

import asyncpg

from shared.domain.access.local_lists import (
    EMPTY_VERSION,
    LocalList,
    LocalListEntry,
    LocalListState,
    LocalListUpdated,
    LocalListUpdateStatus,
    LocalListVersionReported,
    TokenSelection,
    state_after_report,
    state_after_update,
)
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType, id_token_key
from shared.domain.commands import LocalListUpdateType
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.store.access import locations
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database

LIST_COLUMNS = ", ".join(
    "list.command_id::text" if field.name == "command_id" else f"list.{field.name}"
    for field in fields(LocalList)
)
"""Of the table `local_lists AS list`."""
_ENTRY_COLUMNS = ", ".join(field.name for field in fields(LocalListEntry))


def to_local_list(record: asyncpg.Record) -> LocalList:
    """Return the list of a row that has `LIST_COLUMNS`."""
    columns = {field.name: record[field.name] for field in fields(LocalList)}
    columns["tokens"] = TokenSelection(columns["tokens"])
    columns["group_id_tokens"] = tuple(columns["group_id_tokens"])
    columns["state"] = LocalListState(columns["state"])
    return LocalList(**columns)


def _entry(record: asyncpg.Record) -> LocalListEntry:
    columns = {field.name: record[field.name] for field in fields(LocalListEntry)}
    columns["type"] = columns["type"] and IdTokenType(columns["type"])
    columns["status"] = AuthorizationStatus(columns["status"])
    return LocalListEntry(**columns)


async def get(db: Database, station_id: str) -> LocalList | None:
    """Return a station's list, or None if nobody has asked for one yet.

    Raises:
        NotFoundError: there is no such station.
    """
    record = await db.fetchrow(
        f"""
        SELECT station.station_id AS known, {LIST_COLUMNS}
        FROM stations AS station LEFT JOIN local_lists AS list USING (station_id)
        WHERE station.station_id = $1
        """,  # noqa: S608 - column names of a dataclass
        station_id,
    )
    if record is None:
        raise NotFoundError(f"there is no station {station_id!r}", code=NotFoundCode.STATION)
    return None if record["station_id"] is None else to_local_list(record)


_SET_WANTED = """
    INSERT INTO local_lists AS list (station_id, enabled, tokens, group_id_tokens)
    SELECT station_id, $2, $3, $4 FROM stations WHERE {where} = $1 ORDER BY station_id
    ON CONFLICT (station_id) DO UPDATE
    SET enabled = excluded.enabled, tokens = excluded.tokens,
        group_id_tokens = excluded.group_id_tokens, checked_revision = NULL,
        state = CASE list.state WHEN 'not_supported' THEN 'unverified' ELSE list.state END,
        failures = 0, last_error = NULL, next_step_at = now(), updated_at = now()
"""


async def set_wanted(
    db: Database,
    station_id: str,
    *,
    enabled: bool,
    tokens: TokenSelection,
    group_id_tokens: Sequence[str],
) -> LocalList:
    """Say what a station's list is to hold, and whether it is kept in step at all.

    Raises:
        NotFoundError: there is no such station.
    """
    record = await db.fetchrow(
        f"{_SET_WANTED.format(where='station_id')} RETURNING {LIST_COLUMNS}",
        station_id,
        enabled,
        tokens,
        list(group_id_tokens),
    )
    if record is None:
        raise NotFoundError(f"there is no station {station_id!r}", code=NotFoundCode.STATION)
    return to_local_list(record)


async def set_wanted_at(
    db: Database,
    location_id: str,
    *,
    enabled: bool,
    tokens: TokenSelection,
    group_id_tokens: Sequence[str],
) -> int:
    """Say the same for all stations at a location; return for how many.

    Raises:
        NotFoundError: there is no such location.
    """
    await locations.get(db, location_id)
    tag = await db.execute(
        _SET_WANTED.format(where="location_id"),
        location_id,
        enabled,
        tokens,
        list(group_id_tokens),
    )
    return int(tag.rpartition(" ")[2])


async def list_entries_after(
    db: Database,
    station_id: str,
    *,
    after: str | None,
    limit: int,
    goes_down: bool = False,
) -> list[LocalListEntry]:
    """Return up to `limit` entries that a station holds, by their keys, from behind `after` on."""
    conditions = Conditions(limit)
    conditions.compare("station_id =", station_id)
    behind = None if after is None else [after]
    order = conditions.in_order("id_token_key", behind=behind, goes_down=goes_down)
    records = await db.fetch(
        f"""
        SELECT {_ENTRY_COLUMNS} FROM local_list_entries
        WHERE {conditions} ORDER BY {order} LIMIT $1
        """,  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [_entry(record) for record in records]


async def count_entries(db: Database, station_id: str, *, up_to: int | None = None) -> int:
    """Return how many entries a station holds, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    conditions.compare("station_id =", station_id)
    return await count_rows(db, "local_list_entries", conditions)


async def write_updates(connection: Connection, facts: Sequence[LocalListUpdated]) -> list[None]:
    """Keep what stations answered to updates, and what they hold since."""
    # One per station: a CALL of ours waits for the answer to the one before. In one order, so that
    # two pods cannot wait for each other in a circle.
    facts = sorted(facts, key=attrgetter("station_id"))
    for fact in facts:
        if fact.status is LocalListUpdateStatus.ACCEPTED:
            await _apply(connection, fact)
    await connection.execute(
        """
        INSERT INTO local_lists AS list (station_id, state, version, accepted_version, failures,
                                         last_error)
        SELECT station_id, state, version, CASE WHEN error IS NULL THEN version END,
               (error IS NOT NULL)::integer, error
        FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[])
             AS fact (station_id, state, version, error)
        JOIN stations USING (station_id)
        ON CONFLICT (station_id) DO UPDATE
        SET state = excluded.state, version = greatest(list.version, excluded.version),
            accepted_version = CASE WHEN excluded.last_error IS NULL THEN excluded.version
                                    WHEN excluded.state <> 'unverified' THEN list.accepted_version
                               END,
            failures = list.failures + excluded.failures,
            last_error = coalesce(excluded.last_error, list.last_error), updated_at = now()
        """,
        [fact.station_id for fact in facts],
        [state_after_update(fact) for fact in facts],
        [fact.version for fact in facts],
        [_error(fact) for fact in facts],
    )
    return [None] * len(facts)


def _error(fact: LocalListUpdated) -> str | None:
    if fact.status is LocalListUpdateStatus.ACCEPTED:
        return None
    return f"the station answered {fact.status} to the {fact.update_type} update {fact.version}"


async def _apply(connection: Connection, fact: LocalListUpdated) -> None:
    present = [entry for entry in fact.entries if entry.status is not None]
    if fact.update_type is LocalListUpdateType.FULL:
        await connection.execute(
            "DELETE FROM local_list_entries WHERE station_id = $1", fact.station_id
        )
    else:
        # Older code kept every entry under the token's text alone.
        await connection.execute(
            """
            DELETE FROM local_list_entries AS held
            USING unnest($2::text[], $3::text[], $4::text[]) AS told (key, plain_key, type)
            WHERE held.station_id = $1
              AND (held.id_token_key = told.key
                   OR held.id_token_key = told.plain_key AND held.type = told.type)
            """,
            fact.station_id,
            [entry.key for entry in fact.entries],
            [id_token_key(entry.id_token) for entry in fact.entries],
            [entry.type for entry in fact.entries],
        )
    distinct = {entry.key: entry for entry in present}
    await connection.execute(
        """
        INSERT INTO local_list_entries (station_id, id_token_key, id_token, type, status,
                                        expires_at, group_id_token)
        SELECT station_id, entry.*
        FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[])
             AS entry, stations
        WHERE station_id = $1
        ON CONFLICT (station_id, id_token_key) DO UPDATE
        SET id_token = excluded.id_token, type = excluded.type, status = excluded.status,
            expires_at = excluded.expires_at, group_id_token = excluded.group_id_token
        """,
        fact.station_id,
        list(distinct),
        [entry.id_token for entry in distinct.values()],
        [entry.type for entry in distinct.values()],
        [entry.status for entry in distinct.values()],
        [entry.expires_at for entry in distinct.values()],
        [entry.group_id_token for entry in distinct.values()],
    )


async def write_versions(
    connection: Connection, facts: Sequence[LocalListVersionReported]
) -> list[None]:
    """Keep which versions stations told, and what follows from them."""
    newest = {fact.station_id: fact for fact in facts}
    empty = sorted(fact.station_id for fact in newest.values() if fact.version == EMPTY_VERSION)
    known = await connection.fetch(
        """
        INSERT INTO local_lists AS list (station_id)
        SELECT station_id FROM stations WHERE station_id = ANY($1) ORDER BY station_id
        ON CONFLICT (station_id) DO UPDATE SET updated_at = now()
        RETURNING station_id, state, accepted_version
        """,
        list(newest),
    )
    states = [
        state_after_report(
            LocalListState(record["state"]),
            accepted_version=record["accepted_version"],
            reported_version=newest[record["station_id"]].version,
        )
        for record in known
    ]
    await connection.execute(
        """
        UPDATE local_lists
        SET state = fact.state, reported_version = fact.version, verified_at = now(),
            accepted_version = CASE fact.version WHEN $4 THEN $4
                                                 ELSE local_lists.accepted_version END
        FROM unnest($1::text[], $2::text[], $3::integer[]) AS fact (station_id, state, version)
        WHERE local_lists.station_id = fact.station_id
        """,
        [record["station_id"] for record in known],
        states,
        [newest[record["station_id"]].version for record in known],
        EMPTY_VERSION,
    )
    if empty:
        await connection.execute("DELETE FROM local_list_entries WHERE station_id = ANY($1)", empty)
    return [None] * len(facts)


async def read_held(db: Database, station_id: str) -> dict[str, LocalListEntry]:
    """Return what a station holds, by key."""
    records = await db.fetch(
        f"SELECT {_ENTRY_COLUMNS} FROM local_list_entries WHERE station_id = $1",  # noqa: S608 - as above
        station_id,
    )
    return {entry.key: entry for entry in map(_entry, records)}
