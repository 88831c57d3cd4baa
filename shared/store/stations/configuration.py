"""Configuration of stations as it was last told: keys of OCPP 1.6, variables of 2.0.1.

The values of secrets are never stored.
"""

from collections.abc import Sequence
from dataclasses import fields

from shared.domain.redaction import shown_value
from shared.domain.secret_names import is_secret
from shared.domain.stations.configuration import (
    ConfigurationChanged,
    ConfigurationItem,
    ConfigurationReported,
)
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database
from shared.store.quotas import BEYOND_QUOTA, RowQuotas

_SECURITY_PROFILE = "securityprofile"
_PROFILES = frozenset({"0", "1", "2", "3"})
_COLUMNS = ", ".join(field.name for field in fields(ConfigurationItem))


# What a station told of keys, without those that are new to one that has as many as it may; `told`
# is made before. The count goes no further than it matters.
_FITTING = """
    known AS MATERIALIZED (
        SELECT station_id, (
            SELECT count(*) FROM (
                SELECT FROM configuration_keys AS kept WHERE kept.station_id = each.station_id
                LIMIT {quota}
            ) AS key
        ) AS count
        FROM (SELECT DISTINCT station_id FROM told) AS each
    ),
    judged AS MATERIALIZED (
        SELECT told.*,
               known.count + row_number() OVER (PARTITION BY told.station_id ORDER BY position)
                   <= {quota}
               OR EXISTS (
                   SELECT FROM configuration_keys AS kept
                   WHERE kept.station_id = told.station_id AND lower(kept.key) = lower(told.key)
               ) AS fits
        FROM told JOIN known USING (station_id)
    )
"""


async def write_reports(
    connection: Connection, facts: Sequence[ConfigurationReported], quotas: RowQuotas
) -> list[str | None]:
    """Keep what stations told of their keys; what awaits a reboot goes on awaiting it.

    Returns:
        Of each fact None, or BEYOND_QUOTA if some keys of its station were not kept.
    """
    beyond: set[str] = set()
    told = {
        (fact.station_id, name.lower()): (
            fact.station_id, name, known, shown_value(name, value), read_only,
            is_secret(name), fact.told_at,
        )
        for fact in facts
        for name, known, value, read_only in (
            *((key.key, True, key.value, key.read_only) for key in fact.keys),
            *((name, False, None, None) for name in fact.unknown_keys),
        )
    }  # fmt: skip
    if told:
        # In one order, so that two pods cannot wait for each other in a circle.
        rows = [told[key] for key in sorted(told)]
        records = await connection.fetch(
            f"""
            WITH told AS (
                SELECT told.* FROM unnest(
                    $1::text[], $2::text[], $3::boolean[], $4::text[], $5::boolean[], $6::boolean[],
                    $7::timestamptz[]
                ) WITH ORDINALITY
                    AS told (station_id, key, known, value, read_only, secret, told_at, position)
                JOIN stations USING (station_id)
            ),
            {_FITTING.format(quota="$8")},
            kept AS (
                INSERT INTO configuration_keys (station_id, key, known, value, read_only, secret,
                                                told_at)
                SELECT station_id, key, known, value, read_only, secret, told_at
                FROM judged WHERE fits ORDER BY position
                ON CONFLICT (station_id, lower(key)) DO UPDATE
                SET key = excluded.key, known = excluded.known, value = excluded.value,
                    read_only = excluded.read_only, told_at = excluded.told_at
            )
            SELECT DISTINCT station_id FROM judged WHERE NOT fits
            """,  # noqa: S608 - the text above
            *zip(*rows, strict=True),
            quotas.configuration_keys,
        )
        beyond = {record["station_id"] for record in records}
    return [BEYOND_QUOTA if fact.station_id in beyond else None for fact in facts]


async def write_changes(
    connection: Connection, facts: Sequence[ConfigurationChanged], quotas: RowQuotas
) -> list[str | None]:
    """Keep the values that stations took, and whether they hold from the next boot on only.

    Returns:
        Of each fact None, or BEYOND_QUOTA if some keys of its station were not kept.
    """
    newest = {(fact.station_id, fact.key.lower()): fact for fact in facts}
    changes = [newest[key] for key in sorted(newest)]
    records = await connection.fetch(
        f"""
        WITH told AS (
            SELECT change.* FROM unnest(
                $1::text[], $2::text[], $3::boolean[], $4::text[], $5::boolean[], $6::boolean[],
                $7::timestamptz[]
            ) WITH ORDINALITY
                AS change (station_id, key, known, value, secret, reboot_required, changed_at,
                           position)
            JOIN stations USING (station_id)
        ),
        {_FITTING.format(quota="$8")},
        kept AS (
            INSERT INTO configuration_keys (station_id, key, known, value, read_only, secret,
                                            reboot_required_since, told_at)
            SELECT station_id, key, known, value, CASE WHEN known THEN false END, secret,
                   CASE WHEN reboot_required THEN now() END, changed_at
            FROM judged WHERE fits ORDER BY position
            ON CONFLICT (station_id, lower(key)) DO UPDATE
            SET known = excluded.known, value = excluded.value, read_only = excluded.read_only,
                reboot_required_since = excluded.reboot_required_since, told_at = excluded.told_at
        )
        SELECT DISTINCT station_id FROM judged WHERE NOT fits
        """,  # noqa: S608 - the text above
        [fact.station_id for fact in changes],
        [fact.key for fact in changes],
        [fact.known for fact in changes],
        [shown_value(fact.key, fact.value) for fact in changes],
        [is_secret(fact.key) for fact in changes],
        [fact.reboot_required for fact in changes],
        [fact.changed_at for fact in changes],
        quotas.configuration_keys,
    )
    await _agree_on_profiles(connection, changes)
    beyond = {record["station_id"] for record in records}
    return [BEYOND_QUOTA if fact.station_id in beyond else None for fact in facts]


async def _agree_on_profiles(
    connection: Connection, changes: Sequence[ConfigurationChanged]
) -> None:
    """Keep which security profile stations accepted to go to (1.6 security whitepaper A05)."""
    agreed = {
        fact.station_id: int(fact.value)
        for fact in changes
        if fact.known and fact.key.lower() == _SECURITY_PROFILE and fact.value in _PROFILES
    }
    if agreed:
        await connection.execute(
            """
            INSERT INTO agreed_security_profiles (station_id, security_profile)
            SELECT station_id, profile FROM unnest($1::text[], $2::smallint[])
                AS agreed (station_id, profile)
            JOIN stations USING (station_id)
            ON CONFLICT (station_id) DO UPDATE SET security_profile = excluded.security_profile
            """,
            list(agreed),
            list(agreed.values()),
        )


async def find_values(db: Database, station_id: str, keys: Sequence[str]) -> dict[str, str]:
    """Return the values of configuration keys of 1.6, as far as the station has told them.

    Args:
        db: the pool.
        station_id: whose.
        keys: in the spelling that the result has, too; their letter case does not count.
    """
    spelling = {key.lower(): key for key in keys}
    records = await db.fetch(
        """
        SELECT lower(key) AS key, value FROM configuration_keys
        WHERE station_id = $1 AND lower(key) = ANY ($2) AND known AND value IS NOT NULL
        """,
        station_id,
        list(spelling),
    )
    return {spelling[record["key"]]: record["value"] for record in records}


# A variable is named as in a command's key: Component(evse,connector)[instance].Variable[..]/
# Attribute.
_ITEMS = """
    SELECT key AS name, value,
           CASE WHEN read_only THEN 'ReadOnly' WHEN NOT read_only THEN 'ReadWrite' END
               AS mutability,
           known, secret,
           reboot_required_since IS NOT NULL
               AND coalesce(stations.booted_at < reboot_required_since, true)
               AS reboot_required,
           NULL AS unit, NULL AS data_type, told_at
    FROM configuration_keys JOIN stations USING (station_id)
    WHERE station_id = $2
    UNION ALL
    SELECT component
           || CASE WHEN connector_id IS NOT NULL THEN format('(%s,%s)', evse_id,
                                                             connector_id)
                   WHEN evse_id IS NOT NULL THEN format('(%s)', evse_id)
                   ELSE '' END
           || coalesce('[' || component_instance || ']', '')
           || '.' || variable || coalesce('[' || variable_instance || ']', '')
           || CASE attribute_type WHEN 'Actual' THEN '' ELSE '/' || attribute_type END,
           value, mutability, true, false, false, unit, data_type, received_at
    FROM station_variables WHERE station_id = $2
"""


async def list_after(
    db: Database,
    station_id: str,
    *,
    after: str | None,
    limit: int,
    goes_down: bool = False,
) -> list[ConfigurationItem]:
    """Return up to `limit` items of a station's configuration, in the order of their names.

    Args:
        db: the pool.
        station_id: whose.
        after: a name; the list begins behind it.
        limit: how many at most.
        goes_down: the other way round.
    """
    conditions = Conditions(limit, station_id)
    # Names are compared by their bytes, so that pages follow one another.
    order = conditions.in_order(
        'name COLLATE "C"', behind=None if after is None else [after], goes_down=goes_down
    )
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM ({_ITEMS}) AS item WHERE {conditions} ORDER BY {order} LIMIT $1
        """,  # noqa: S608 - column names of a dataclass
        *conditions.parameters,
    )
    items = []
    for record in records:
        secret = record["secret"] or is_secret(record["name"])
        value = None if secret else shown_value(record["name"], record["value"])
        items.append(ConfigurationItem(**{**record, "secret": secret, "value": value}))
    return items


async def count(db: Database, station_id: str, *, up_to: int) -> int:
    """Return how many items a station's configuration has, counting no further than `up_to`."""
    return await count_rows(db, f"({_ITEMS}) AS item", Conditions(up_to, station_id))
