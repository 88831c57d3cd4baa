"""Charging profiles that stations have accepted, and what stations say these come to."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from shared.domain.charging.charging_profiles import (
    ChargingProfileAccepted,
    ChargingProfilePurpose,
    ChargingProfilesCleared,
    ChargingRateUnit,
    CompositeScheduleReported,
    InstalledProfile,
    parse_document,
    parse_period_documents,
    to_document,
    to_period_documents,
)
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.sessions import TransactionIdIssuer
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.fingerprints import encode_json
from shared.store.pool import Connection, Database

# The transactions of a profile: the one it names; for that of a remote start the ones of its EVSE
# that were told of since, by Postgres' clock alone; for another without an id any that was not over
# yet. What was told of before the start may be its own in OCPP 2.0.1, where it can begin with the
# cable.
_ITS_SESSIONS = f"""
    SELECT FROM sessions
    WHERE sessions.station_id = profile.station_id
      AND CASE
          WHEN profile.transaction_id IS NOT NULL
              THEN sessions.transaction_id = profile.transaction_id
          ELSE sessions.evse_id = profile.evse_id AND (
              sessions.created_at > coalesce(
                  (SELECT sent_at FROM commands WHERE command_id = profile.command_id),
                  profile.accepted_at)
              OR coalesce(sessions.ended_at, 'infinity') > profile.accepted_at
                 AND (profile.start_until IS NULL
                      OR sessions.transaction_id_issuer = '{TransactionIdIssuer.STATION}'))
          END
"""  # noqa: S608 - a word of our own
# A TxProfile ends with its transaction (OCPP 1.6 §3.13.1).
_ENDED = f"""
    profile.purpose = '{ChargingProfilePurpose.TX_PROFILE}'
    AND EXISTS ({_ITS_SESSIONS} AND sessions.ended_at IS NOT NULL)
"""
# Or with its remote start, if no transaction came of that. Older code has not kept until when one
# might; by then nobody waits any more.
_CAME_TO_NOTHING = f"""
    profile.purpose = '{ChargingProfilePurpose.TX_PROFILE}'
    AND coalesce(profile.start_until, profile.accepted_at + interval '1 day')
        < now() - {{kept}}::interval
    AND NOT EXISTS ({_ITS_SESSIONS})
"""
# A station that is offline tells of a transaction later: for so long it is hidden only.
_KEPT_IN_CASE = timedelta(days=7)


async def write_accepted(
    connection: Connection, facts: Sequence[ChargingProfileAccepted]
) -> list[None]:
    """Keep profiles that stations have accepted, in place of those they replace.

    That is the one of the same id, and the one of the same EVSE, purpose and stack level (OCPP 1.6
    §3.13.2). In OCPP 2.0.1 two of these may stand side by side if their validity does not overlap
    (K01.FR.06).
    """
    by_id = {(fact.station_id, fact.profile.charging_profile_id): fact for fact in facts}
    distinct = list({_level(fact): fact for fact in by_id.values()}.values())
    profiles = [fact.profile for fact in distinct]
    station_ids = [fact.station_id for fact in distinct]
    evse_ids = [fact.evse_id for fact in distinct]
    ids = [profile.charging_profile_id for profile in profiles]
    purposes = [profile.purpose for profile in profiles]
    stack_levels = [profile.stack_level for profile in profiles]
    valid_from = [profile.valid_from for profile in profiles]
    valid_to = [profile.valid_to for profile in profiles]
    await connection.execute(
        """
        DELETE FROM charging_profiles AS profile
        USING unnest($1::text[], $2::integer[], $3::integer[], $4::text[], $5::integer[],
                     $6::timestamptz[], $7::timestamptz[])
              AS new (station_id, evse_id, charging_profile_id, purpose, stack_level, valid_from,
                      valid_to)
        JOIN stations USING (station_id)
        WHERE profile.station_id = new.station_id AND profile.evse_id = new.evse_id
          AND profile.purpose = new.purpose AND profile.stack_level = new.stack_level
          AND profile.charging_profile_id <> new.charging_profile_id
          AND (stations.ocpp_version = '1.6'
               OR coalesce(profile.valid_from, '-infinity') < coalesce(new.valid_to, 'infinity')
                  AND coalesce(new.valid_from, '-infinity')
                      < coalesce(profile.valid_to, 'infinity'))
        """,
        station_ids,
        evse_ids,
        ids,
        purposes,
        stack_levels,
        valid_from,
        valid_to,
    )
    await connection.execute(
        """
        INSERT INTO charging_profiles (station_id, evse_id, charging_profile_id, purpose,
                                       stack_level, valid_from, valid_to, transaction_id, profile,
                                       command_id, accepted_at, start_until)
        SELECT new.station_id, evse_id, charging_profile_id, purpose, stack_level, valid_from,
               valid_to, transaction_id, profile, command_id, accepted_at,
               accepted_at + start_within_s * interval '1 second'
        FROM unnest($1::text[], $2::integer[], $3::integer[], $4::text[], $5::integer[],
                    $6::timestamptz[], $7::timestamptz[], $8::text[], $9::jsonb[], $10::uuid[],
                    $11::timestamptz[], $12::float8[])
             AS new (station_id, evse_id, charging_profile_id, purpose, stack_level, valid_from,
                     valid_to, transaction_id, profile, command_id, accepted_at, start_within_s)
        JOIN stations USING (station_id)
        ON CONFLICT (station_id, charging_profile_id) DO UPDATE
        SET evse_id = excluded.evse_id, purpose = excluded.purpose,
            stack_level = excluded.stack_level, valid_from = excluded.valid_from,
            valid_to = excluded.valid_to, transaction_id = excluded.transaction_id,
            profile = excluded.profile, command_id = excluded.command_id,
            accepted_at = excluded.accepted_at, start_until = excluded.start_until
        """,
        station_ids,
        evse_ids,
        ids,
        purposes,
        stack_levels,
        valid_from,
        valid_to,
        [profile.transaction_id for profile in profiles],
        [to_document(profile) for profile in profiles],
        [fact.command_id for fact in distinct],
        [fact.accepted_at for fact in distinct],
        [fact.start_within_s for fact in distinct],
    )
    await _learn_how_long_a_start_takes(connection, distinct)
    return [None] * len(facts)


async def _learn_how_long_a_start_takes(
    connection: Connection, facts: Sequence[ChargingProfileAccepted]
) -> None:
    """Go by how long stations have told that they wait for a cable, and a minute (1.6 §9.1.4)."""
    starts = [fact for fact in facts if fact.start_within_s is not None]
    if starts:
        await connection.execute(
            """
            UPDATE charging_profiles AS profile
            SET start_until = accepted_at + (told.value::integer + 60) * interval '1 second'
            FROM unnest($1::text[], $2::integer[]) AS start (station_id, charging_profile_id),
                 LATERAL (
                     SELECT value FROM configuration_keys
                     WHERE station_id = start.station_id AND known
                       AND lower(key) = 'connectiontimeout'
                     UNION ALL
                     SELECT value FROM station_variables
                     WHERE station_id = start.station_id AND component = 'TxCtrlr'
                       AND variable = 'EVConnectionTimeOut' AND attribute_type = 'Actual'
                 ) AS told
            WHERE profile.station_id = start.station_id
              AND profile.charging_profile_id = start.charging_profile_id
              AND told.value ~ '^[1-9][0-9]{0,7}$'
            """,
            [fact.station_id for fact in starts],
            [fact.profile.charging_profile_id for fact in starts],
        )


def _level(fact: ChargingProfileAccepted) -> tuple[str, int, str, int]:
    return fact.station_id, fact.evse_id, fact.profile.purpose, fact.profile.stack_level


async def write_cleared(
    connection: Connection, facts: Sequence[ChargingProfilesCleared]
) -> list[None]:
    """Forget profiles that fit every word of a clearing (OCPP 1.6 errata 3.25)."""
    await connection.execute(
        """
        DELETE FROM charging_profiles AS profile
        USING unnest($1::text[], $2::integer[], $3::integer[], $4::text[], $5::integer[])
              AS gone (station_id, charging_profile_id, evse_id, purpose, stack_level)
        WHERE profile.station_id = gone.station_id
          AND profile.charging_profile_id
              = coalesce(gone.charging_profile_id, profile.charging_profile_id)
          AND profile.evse_id = coalesce(gone.evse_id, profile.evse_id)
          AND profile.purpose = coalesce(gone.purpose, profile.purpose)
          AND profile.stack_level = coalesce(gone.stack_level, profile.stack_level)
        """,
        [fact.station_id for fact in facts],
        [fact.charging_profile_id for fact in facts],
        [fact.evse_id for fact in facts],
        [fact.purpose for fact in facts],
        [fact.stack_level for fact in facts],
    )
    return [None] * len(facts)


async def write_composite_schedules(
    connection: Connection, facts: Sequence[CompositeScheduleReported]
) -> list[None]:
    """Keep the last schedule that a station has told of each EVSE."""
    newest = {(fact.station_id, fact.evse_id): fact for fact in facts}.values()
    await connection.execute(
        """
        INSERT INTO composite_schedules (station_id, evse_id, schedule_start, duration_s,
                                         charging_rate_unit, periods, reported_at)
        SELECT station_id, evse_id, schedule_start, duration_s, charging_rate_unit, periods::jsonb,
               reported_at
        FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::integer[], $5::text[],
                    $6::text[], $7::timestamptz[])
             AS new (station_id, evse_id, schedule_start, duration_s, charging_rate_unit, periods,
                     reported_at)
        JOIN stations USING (station_id)
        ON CONFLICT (station_id, evse_id) DO UPDATE
        SET schedule_start = excluded.schedule_start, duration_s = excluded.duration_s,
            charging_rate_unit = excluded.charging_rate_unit, periods = excluded.periods,
            reported_at = excluded.reported_at
        """,
        [fact.station_id for fact in newest],
        [fact.evse_id for fact in newest],
        [fact.schedule_start for fact in newest],
        [fact.duration_s for fact in newest],
        [fact.charging_rate_unit for fact in newest],
        # asyncpg would take a list in an array for another dimension of it.
        [encode_json(to_period_documents(fact.periods)).decode() for fact in newest],
        [fact.reported_at for fact in newest],
    )
    return [None] * len(facts)


async def list_after(
    db: Database,
    *,
    station_id: str,
    after: Sequence[int] | None = None,
    limit: int | None = None,
    evse_id: int | None = None,
    goes_down: bool = False,
) -> list[InstalledProfile]:
    """Return a station's profiles in the order of their ids.

    Args:
        db: the pool.
        station_id: whose.
        after: the list begins behind this id.
        limit: how many at most; None for all.
        evse_id: only those set for this EVSE; 0 for those of the whole station.
        goes_down: whether the highest id comes first.
    """
    conditions = Conditions(limit)
    _select(conditions, station_id, evse_id)
    order = conditions.in_order("charging_profile_id", behind=after, goes_down=goes_down)
    records = await db.fetch(
        f"""
        SELECT station_id, evse_id, profile, command_id::text, accepted_at
        FROM charging_profiles AS profile WHERE {conditions} ORDER BY {order} LIMIT $1
        """,  # noqa: S608 - the conditions above
        *conditions.parameters,
    )
    return [_installed(record) for record in records]


async def count(db: Database, *, station_id: str, up_to: int, evse_id: int | None = None) -> int:
    """Return how many profiles a list has, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    _select(conditions, station_id, evse_id)
    return await count_rows(db, "charging_profiles AS profile", conditions)


def _select(conditions: Conditions, station_id: str, evse_id: int | None) -> None:
    conditions.compare("station_id =", station_id)
    conditions.compare("evse_id =", evse_id)
    conditions.add(f"NOT ({_ENDED})")
    kept = conditions.parameter(timedelta(0))
    conditions.add(f"NOT ({_CAME_TO_NOTHING.format(kept=kept)})")


def _installed(record: asyncpg.Record) -> InstalledProfile:
    return InstalledProfile(**{**record, "profile": parse_document(record["profile"])})


async def find_composite_schedule(
    db: Database, *, station_id: str, evse_id: int
) -> CompositeScheduleReported | None:
    """Return the last schedule that a station has told of an EVSE, if it has told one."""
    record = await db.fetchrow(
        """
        SELECT station_id, evse_id, schedule_start, duration_s, charging_rate_unit, periods,
               reported_at
        FROM composite_schedules WHERE station_id = $1 AND evse_id = $2
        """,
        station_id,
        evse_id,
    )
    if record is None:
        return None
    return CompositeScheduleReported(
        **{
            **record,
            "charging_rate_unit": ChargingRateUnit(record["charging_rate_unit"]),
            "periods": parse_period_documents(record["periods"]),
        }
    )


async def find_charging_since(db: Database, *, station_id: str, evse_id: int) -> datetime | None:
    """Return when the transaction that goes on at an EVSE began, if one does."""
    since: datetime | None = await db.fetchval(
        """
        SELECT max(started_at) FROM sessions
        WHERE station_id = $1 AND evse_id = $2 AND ended_at IS NULL
        """,
        station_id,
        evse_id,
    )
    return since


async def require_transaction(
    db: Database, *, station_id: str, evse_id: int, transaction_id: str
) -> None:
    """Make sure that a transaction goes on at an EVSE, as a TxProfile needs one (1.6 §5.16).

    Raises:
        NotFoundError: the station has no such transaction.
        ConflictError: it has ended, or is at another EVSE.
    """
    record = await db.fetchrow(
        "SELECT evse_id, ended_at FROM sessions WHERE station_id = $1 AND transaction_id = $2",
        station_id,
        transaction_id,
    )
    if record is None:
        raise NotFoundError(
            f"station {station_id!r} has no transaction {transaction_id!r}",
            code=NotFoundCode.TRANSACTION,
        )
    if record["ended_at"] is not None:
        raise ConflictError(
            f"transaction {transaction_id!r} of station {station_id!r} has ended: a TxProfile is "
            "of one that goes on",
            code=ConflictCode.TRANSACTION_ENDED,
        )
    if record["evse_id"] not in {None, evse_id}:
        raise ConflictError(
            f"transaction {transaction_id!r} of station {station_id!r} is at EVSE "
            f"{record['evse_id']}: set its TxProfile there",
            code=ConflictCode.TRANSACTION_AT_ANOTHER_EVSE,
        )


async def sweep_ended(db: Database) -> int:
    """Forget TxProfiles whose transaction has ended or never began; return how many.

    No list shows them anyway.
    """
    tag = await db.execute(
        f"""
        DELETE FROM charging_profiles AS profile
        WHERE ({_ENDED}) OR ({_CAME_TO_NOTHING.format(kept="$1")})
        """,  # noqa: S608 - as above
        _KEPT_IN_CASE,
    )
    return int(tag.rpartition(" ")[2])
