"""What stations are to be set to: kept in step with their locations, and step by step with them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import asyncpg

from shared.domain.commands import CommandState
from shared.domain.stations.wanted_settings import (
    OF_FREE_LOCATIONS,
    WantedSetting,
    WantedSettingState,
)
from shared.store.pool import Database

_NAMES = [field.name for field in fields(WantedSetting)]
_COLUMNS = ", ".join(
    "setting.command_id::text" if name == "command_id" else f"setting.{name}" for name in _NAMES
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSetting:
    """A setting with something to do, and the outcome of its command, if there is one.

    `booted_since_read` says that the station has not told it since its last boot.
    """

    setting: WantedSetting
    ocpp_version: str
    booted_since_read: bool
    command_type: str | None
    command_state: CommandState | None
    command_response: dict[str, Any] | None
    command_error: str | None


# What every station at a free location is to be set to, by the version that it speaks now.
_WANTED = """
    SELECT station_id, each.name, each.value
    FROM stations JOIN locations USING (location_id)
    JOIN unnest($1::text[], $2::text[], $3::text[]) AS each (ocpp_version, name, value)
        USING (ocpp_version)
    WHERE free_since IS NOT NULL AND free_until IS NULL
"""
_SYNCHRONIZE = f"""
    WITH wanted AS ({_WANTED}), over AS (
        SELECT station_id, name FROM wanted_settings AS setting
        WHERE setting.wanted AND NOT EXISTS (
            SELECT FROM wanted
            WHERE wanted.station_id = setting.station_id AND wanted.name = setting.name)
        ORDER BY station_id, name FOR UPDATE SKIP LOCKED
    ), given_up AS (
        UPDATE wanted_settings AS setting
        SET wanted = false, failures = 0, next_step_at = now(), updated_at = now()
        FROM over WHERE setting.station_id = over.station_id AND setting.name = over.name
        RETURNING 1
    ), missing AS (
        INSERT INTO wanted_settings AS setting (station_id, name, value)
        SELECT station_id, name, value FROM wanted
        WHERE NOT EXISTS (
            SELECT FROM wanted_settings AS kept
            WHERE kept.station_id = wanted.station_id AND kept.name = wanted.name
              AND kept.wanted AND kept.value = wanted.value)
        ORDER BY station_id, name
        ON CONFLICT (station_id, name) DO UPDATE SET
            wanted = true, value = excluded.value, state = '{WantedSettingState.UNREAD}',
            read_at = NULL, failures = 0, next_step_at = now(), updated_at = now()
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM given_up) + (SELECT count(*) FROM missing)
"""  # noqa: S608 - words of our own


async def synchronize(db: Database) -> int:
    """Want of stations at free locations what lets everybody charge, and of no others.

    Returns:
        How many settings are wanted now that were not, or the other way round.
    """
    return int(await db.fetchval(_SYNCHRONIZE, *_settings()))


def _settings() -> tuple[list[str], list[str], list[str]]:
    rows = [
        (version, name, value)
        for version, settings in OF_FREE_LOCATIONS.items()
        for name, value in settings.items()
    ]
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


_DUE = f"""
    WITH due AS (
        SELECT setting.station_id, setting.name, coalesce(station.ocpp_version, '') AS ocpp_version,
               coalesce(setting.read_at < station.booted_at, true) AS booted_since_read,
               command.type AS command_type, command.state AS command_state,
               command.response AS command_response,
               coalesce(command.error_description, command.error_code) AS command_error
        FROM wanted_settings AS setting
        JOIN stations AS station USING (station_id)
        LEFT JOIN commands AS command ON command.command_id = setting.command_id
        WHERE setting.next_step_at <= now()
          AND station.online AND station.registration_status = 'Accepted'
          AND station.booted_at IS NOT NULL
          AND coalesce(command.state, '') NOT IN ('queued', 'sent')
          AND (setting.command_id IS NOT NULL OR NOT setting.wanted
               OR setting.state IN ('unread', 'to_set')
               OR setting.read_at < station.booted_at)
        ORDER BY setting.next_step_at LIMIT $1
        FOR UPDATE OF setting SKIP LOCKED
    )
    UPDATE wanted_settings AS setting SET next_step_at = now() + make_interval(secs => $2)
    FROM due WHERE setting.station_id = due.station_id AND setting.name = due.name
    RETURNING {_COLUMNS}, ocpp_version, booted_since_read, command_type, command_state,
              command_response, command_error
"""  # noqa: S608 - column names of a dataclass


async def claim_due(db: Database, *, limit: int, claim_s: float) -> list[DueSetting]:
    """Take settings of stations that are online and have something to do.

    Args:
        db: the pool.
        limit: how many at most, those that wait for the longest time first.
        claim_s: for so long nobody else takes them; if whoever did dies, they are due again then.
    """
    records = await db.fetch(_DUE, limit, claim_s)
    return [
        DueSetting(
            setting=_setting(record),
            ocpp_version=record["ocpp_version"],
            booted_since_read=record["booted_since_read"],
            command_type=record["command_type"],
            command_state=record["command_state"] and CommandState(record["command_state"]),
            command_response=record["command_response"],
            command_error=record["command_error"],
        )
        for record in records
    ]


async def note_step(
    db: Database, setting: WantedSetting, changes: Mapping[str, Any], *, read: bool, delay_s: float
) -> bool:
    """Keep what the worker did with a setting.

    Args:
        db: the pool.
        setting: as it was claimed.
        changes: column to new value.
        read: the station has just told it.
        delay_s: the next step is not due sooner.

    Returns:
        False if it has changed since it was claimed; then nothing is kept.
    """
    assignments = [f"{column} = ${i}" for i, column in enumerate(changes, start=6)]
    tag = await db.execute(
        f"""
        UPDATE wanted_settings
        SET next_step_at = now() + make_interval(secs => $3), updated_at = now(),
            read_at = CASE WHEN $4 THEN now() ELSE read_at END
            {"".join(f", {each}" for each in assignments)}
        WHERE station_id = $1 AND name = $2 AND updated_at = $5
        """,  # noqa: S608 - columns are named by our own code, the values are parameters
        setting.station_id,
        setting.name,
        delay_s,
        read,
        setting.updated_at,
        *changes.values(),
    )
    return tag == "UPDATE 1"


async def forget(db: Database, setting: WantedSetting) -> None:
    """Forget a setting that nobody wants and that is set back, unless it has changed since."""
    await db.execute(
        "DELETE FROM wanted_settings WHERE station_id = $1 AND name = $2 AND updated_at = $3",
        setting.station_id,
        setting.name,
        setting.updated_at,
    )


async def list_of(db: Database, station_id: str) -> list[WantedSetting]:
    """Return what a station is to be set to, in the order of names; there are a few at most."""
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM wanted_settings AS setting
        WHERE station_id = $1 ORDER BY name
        """,  # noqa: S608 - column names of a dataclass
        station_id,
    )
    return [_setting(record) for record in records]


def _setting(record: asyncpg.Record) -> WantedSetting:
    columns = {name: record[name] for name in _NAMES}
    return WantedSetting(**{**columns, "state": WantedSettingState(columns["state"])})
