"""What stations tell about themselves: their variables as last told, and the history of events."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from shared.domain.stations.device_model import (
    SecurityEventReported,
    StationEventsReported,
    VariablesReported,
    VariableValuesTold,
)
from shared.store.epochs import SPEAKS
from shared.store.fingerprints import fingerprint_of
from shared.store.pool import Connection, Database
from shared.store.quotas import BEYOND_QUOTA, RowQuotas

_NAME = {
    "component": "text",
    "component_instance": "text",
    "evse_id": "integer",
    "connector_id": "integer",
    "variable": "text",
    "variable_instance": "text",
}
_name = attrgetter(*_NAME)

_ATTRIBUTE = {
    "value": "text",
    "mutability": "text",
    "persistent": "boolean",
    "constant": "boolean",
    "unit": "text",
    "data_type": "text",
    "min_limit": "numeric",
    "max_limit": "numeric",
    "values_list": "text",
    "supports_monitoring": "boolean",
}
_attribute = attrgetter(*_ATTRIBUTE)

_EVENT = {
    "trigger": "text",
    "cause": "integer",
    "actual_value": "text",
    "tech_code": "text",
    "tech_info": "text",
    "cleared": "boolean",
    "transaction_id": "text",
    "variable_monitoring_id": "integer",
    "notification_type": "text",
}
_event = attrgetter(*_EVENT)


def _unnest(columns: Mapping[str, str]) -> str:
    arrays = ", ".join(f"${number}::{type_}[]" for number, type_ in enumerate(columns.values(), 1))
    return f"unnest({arrays}) AS told ({', '.join(columns)})"


_VARIABLE_KEY = {"station_id": "text", **_NAME, "attribute_type": "text"}
_NOT_NULL = ("station_id", "component", "variable", "attribute_type")
_NULLABLE = {
    "component_instance": "''",
    "variable_instance": "''",
    "evse_id": "-1",
    "connector_id": "-1",
}
_VARIABLE_REST = {
    **_ATTRIBUTE,
    "request_id": "integer",
    "epoch": "bigint",
    "generated_at": "timestamptz",
}
_VARIABLE_COLUMNS = {**_VARIABLE_KEY, **_VARIABLE_REST}
# Looked up in station_variables_by_name, because the unique index cannot look up what may be NULL.
# A missing instance is not one of an empty name, hence the second half.
_SAME_VARIABLE = " AND ".join(
    (
        *(f"known.{name} = told.{name}" for name in _NOT_NULL),
        *(f"coalesce(known.{n}, {e}) = coalesce(told.{n}, {e})" for n, e in _NULLABLE.items()),
        *(f"known.{name} IS NOT DISTINCT FROM told.{name}" for name in _NULLABLE),
    )
)


def _upsert(rest: Mapping[str, str]) -> str:
    """Return the statement that keeps these columns of variables, and leaves the others alone.

    The join leaves out what a station says that was deleted meanwhile, and what an old connection
    says once a newer one speaks for its station.
    """
    columns = {**_VARIABLE_KEY, **rest}
    return f"""
        WITH told AS (
            SELECT told.*, row_number() OVER (PARTITION BY told.station_id) AS number
            FROM {_unnest(columns)}
            JOIN stations ON stations.station_id = told.station_id
                         AND {SPEAKS.format(epoch="told.epoch")}
        ),
        -- No further than it matters.
        known AS MATERIALIZED (
            SELECT station_id, (
                SELECT count(*) FROM (
                    SELECT FROM station_variables
                    WHERE station_variables.station_id = each.station_id
                    LIMIT ${len(columns) + 1}
                ) AS variable
            ) AS count
            FROM (SELECT DISTINCT station_id FROM told) AS each
        ),
        judged AS MATERIALIZED (
            SELECT told.*, known.count + told.number <= ${len(columns) + 1} OR EXISTS (
                SELECT FROM station_variables AS known
                WHERE {_SAME_VARIABLE}
            ) AS fits
            FROM told JOIN known USING (station_id)
        ),
        kept AS (
            INSERT INTO station_variables ({", ".join(columns)})
            SELECT {", ".join(columns)} FROM judged WHERE fits ORDER BY number
            ON CONFLICT ({", ".join(_VARIABLE_KEY)}) DO UPDATE
            SET {", ".join(f"{column} = excluded.{column}" for column in rest)},
                received_at = now()
            WHERE station_variables.epoch <= excluded.epoch
        )
        SELECT DISTINCT station_id FROM judged WHERE NOT fits
    """  # noqa: S608 - the names and types above


_UPSERT_VARIABLES = _upsert(_VARIABLE_REST)
_VALUE_REST = {"value": "text", "epoch": "bigint", "generated_at": "timestamptz"}
_VALUE_COLUMNS = {**_VARIABLE_KEY, **_VALUE_REST}
_UPSERT_VALUES = _upsert(_VALUE_REST)
# A variable that can be written only, as a password, has no value to show.
_UPDATE_VALUES = f"""
    UPDATE station_variables AS known
    SET value = told.value, epoch = told.epoch, generated_at = told.generated_at,
        received_at = now()
    FROM {_unnest(_VALUE_COLUMNS)}
    JOIN stations ON stations.station_id = told.station_id
                 AND {SPEAKS.format(epoch="told.epoch")}
    WHERE {_SAME_VARIABLE} AND known.epoch <= told.epoch
      AND known.mutability IS DISTINCT FROM 'WriteOnly'
"""  # noqa: S608 - as above


async def write_variables(
    connection: Connection, facts: Sequence[VariablesReported], quotas: RowQuotas
) -> list[str | None]:
    """Keep variables as they were last told, by the newest connection of their station.

    A station that has as many as it may gets no more; those it has are brought up to date.

    Returns:
        Of each fact None, or BEYOND_QUOTA if some of its station's were not kept.
    """
    newest: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for fact in sorted(facts, key=attrgetter("epoch")):  # the highest stands
        for attribute in fact.attributes:
            key = (fact.station_id, *_name(attribute.name), attribute.type)
            newest[key] = (
                *_attribute(attribute), fact.request_id, fact.epoch, fact.generated_at
            )  # fmt: skip
    if newest:
        # In one order, so that two pods cannot wait for each other in a circle.
        rows = [(*key, *newest[key]) for key in sorted(newest, key=str)]
        refused = await connection.fetch(
            _UPSERT_VARIABLES, *zip(*rows, strict=True), quotas.variables
        )
        beyond = {record["station_id"] for record in refused}
        return [BEYOND_QUOTA if fact.station_id in beyond else None for fact in facts]
    return [None] * len(facts)


async def write_values(
    connection: Connection, facts: Sequence[VariableValuesTold], quotas: RowQuotas
) -> list[str | None]:
    """Keep the values that stations told or took; what describes their variables stays as it is.

    Returns:
        Of each fact None, or BEYOND_QUOTA if some of its station's were not kept.
    """
    beyond: set[str] = set()
    for taken in (False, True):  # what was taken is newer than what was told in the same moment
        newest = {
            (fact.station_id, *_name(each.name), each.type): (each.value, fact.epoch, fact.told_at)
            for fact in sorted(facts, key=attrgetter("epoch"))
            if fact.taken is taken
            for each in fact.values
        }
        # In one order, so that two pods cannot wait for each other in a circle.
        rows = [(*key, *newest[key]) for key in sorted(newest, key=str)]
        if rows and taken:
            await connection.execute(_UPDATE_VALUES, *zip(*rows, strict=True))
        elif rows:
            refused = await connection.fetch(
                _UPSERT_VALUES, *zip(*rows, strict=True), quotas.variables
            )
            beyond = {record["station_id"] for record in refused}
    return [BEYOND_QUOTA if fact.station_id in beyond else None for fact in facts]


async def find_values(db: Database, station_id: str, component: str) -> dict[str, str]:
    """Return the actual values of a component of the whole station, as far as it has told them.

    Returns:
        By `Variable`, or `Variable[Instance]`.
    """
    records = await db.fetch(
        """
        SELECT variable || coalesce('[' || variable_instance || ']', '') AS name, value
        FROM station_variables
        WHERE station_id = $1 AND component = $2 AND component_instance IS NULL
          AND evse_id IS NULL AND attribute_type = 'Actual' AND value IS NOT NULL
        """,
        station_id,
        component,
    )
    return {record["name"]: record["value"] for record in records}


_EVENT_COLUMNS = {
    "station_id": "text",
    "occurred_at": "timestamptz",
    "event_id": "integer",
    "fingerprint": "bigint",
    **_NAME,
    **_EVENT,
}
_INSERT_EVENTS = f"""
    INSERT INTO station_events ({", ".join(_EVENT_COLUMNS)})
    SELECT * FROM {_unnest(_EVENT_COLUMNS)}
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - as above


async def write_events(
    connection: Connection, facts: Sequence[StationEventsReported]
) -> list[None]:
    """Keep events; one that is told again is kept once."""
    rows = [
        (
            fact.station_id,
            event.occurred_at,
            event.event_id,
            fingerprint_of(event),
            *_name(event.name),
            *_event(event),
        )
        for fact in facts
        for event in fact.events
    ]
    if rows:
        await connection.execute(_INSERT_EVENTS, *zip(*rows, strict=True))
    return [None] * len(facts)


async def write_security_events(
    connection: Connection, facts: Sequence[SecurityEventReported]
) -> list[None]:
    """Keep security events; one that is told again is kept once."""
    await connection.execute(
        """
        INSERT INTO security_events (station_id, occurred_at, type, tech_info, fingerprint)
        SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::bigint[])
        ON CONFLICT DO NOTHING
        """,
        [fact.station_id for fact in facts],
        [fact.occurred_at for fact in facts],
        [fact.type for fact in facts],
        [fact.tech_info for fact in facts],
        [fingerprint_of(fact.tech_info) for fact in facts],
    )
    return [None] * len(facts)
