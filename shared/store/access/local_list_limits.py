"""What stations have told that their local authorization lists can take, and how full they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.access.local_list_limits import LIMIT_NAMES, ToldLimits, read_told
from shared.domain.access.local_lists import LocalListState
from shared.store.pool import Database

SWITCHED_OFF = """
    CASE station.ocpp_version WHEN '1.6' THEN EXISTS (
        SELECT FROM configuration_keys AS told
        WHERE told.station_id = station.station_id AND lower(told.key) = 'localauthlistenabled'
          AND told.known AND lower(told.value) = 'false'
    ) ELSE EXISTS (
        SELECT FROM station_variables AS told
        WHERE told.station_id = station.station_id AND told.component = 'LocalAuthListCtrlr'
          AND told.variable = 'Enabled' AND told.attribute_type = 'Actual'
          AND lower(told.value) = 'false'
    ) END
"""
"""Condition on `stations AS station`: it has told that its list is not in use."""


async def find_told(db: Database, station_id: str) -> ToldLimits:
    """Return what a station has told of its list, in the version that it speaks."""
    records = await db.fetch(
        """
        SELECT lower(key) AS name, value
        FROM configuration_keys JOIN stations USING (station_id)
        WHERE station_id = $1 AND ocpp_version = '1.6' AND lower(key) = ANY($2)
          AND known AND value IS NOT NULL
        UNION ALL
        SELECT lower(variable),
               CASE lower(variable) WHEN 'entries' THEN trunc(max_limit)::text ELSE value END
        FROM station_variables JOIN stations USING (station_id)
        WHERE station_id = $1 AND ocpp_version <> '1.6' AND component = 'LocalAuthListCtrlr'
          AND lower(variable) = ANY($2) AND attribute_type = 'Actual'
        """,
        station_id,
        list(LIMIT_NAMES),
    )
    return read_told(
        {record["name"]: record["value"] for record in records if record["value"] is not None}
    )


@dataclass(frozen=True, slots=True)
class HeldEntries:
    """How many entries a station holds, and how many of them an update does not speak of."""

    all: int = 0
    others: int = 0


async def count_held(db: Database, station_id: str, keys: Sequence[str]) -> HeldEntries:
    """Return how full a station's list is; none are counted where it is not known what it holds.

    Args:
        db: the pool.
        station_id: whose.
        keys: of the entries that an update speaks of.
    """
    record = await db.fetchrow(
        """
        SELECT count(*) AS held, count(*) FILTER (WHERE id_token_key <> ALL($2)) AS others
        FROM local_list_entries
        WHERE station_id = $1 AND EXISTS (
            SELECT FROM local_lists AS list
            WHERE list.station_id = $1 AND list.accepted_version IS NOT NULL AND list.state <> $3
        )
        """,
        station_id,
        keys,
        LocalListState.OUTDATED,
    )
    return HeldEntries() if record is None else HeldEntries(record["held"], record["others"])
