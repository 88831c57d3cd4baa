"""Reservations: kept from the request to the session that used them.

The session is what proves that a reservation was used: it may be told late, after the station was
offline, and out of order. So it is looked up whenever a reservation is read, and the worker writes
down what was found.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from shared.domain.access.tokens import IdTokenType
from shared.domain.charging.reservations import (
    RESERVATION_ACCEPTED,
    Reservation,
    ReservationAnswered,
    ReservationEnded,
    ReservationRequest,
    ReservationsGivenUp,
    ReservationState,
)
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database

_ID_ATTEMPTS = 10

# What the other tables know better than the row. A command that was never sent, or that the station
# refused with an error, leaves no reservation behind; one without an answer may have.
_SELECT = """
    SELECT reservation.station_id, reservation.reservation_id, expiry_date_time AS expires_at,
           id_token, id_token_type, group_id_token, evse_id, connector_type, requested_at,
           reservation.updated_at, reservation.command_id::text,
           coalesce(reservation.session_id, session.session_id)::text AS session_id,
           CASE
               WHEN reservation.session_id IS NOT NULL OR session.session_id IS NOT NULL THEN 'used'
               WHEN reservation.state = 'requested'
                    AND command.state IN ('failed', 'rejected', 'expired', 'cancelled')
                   THEN 'rejected'
               WHEN reservation.state IN ('requested', 'active') AND expiry_date_time <= now()
                   THEN 'expired'
               ELSE reservation.state
           END AS state,
           CASE
               WHEN reservation.state = 'requested'
                   THEN coalesce(reservation.status, command.error_code)
               ELSE reservation.status
           END AS status
    FROM reservations AS reservation
    LEFT JOIN LATERAL (
        SELECT session_id FROM sessions
        WHERE sessions.station_id = reservation.station_id
          AND sessions.reservation_id = reservation.reservation_id
          AND sessions.created_at >= reservation.requested_at
        ORDER BY sessions.session_id LIMIT 1
    ) AS session ON true
    LEFT JOIN commands AS command ON command.command_id = reservation.command_id
"""


def _reservation(record: asyncpg.Record) -> Reservation:
    type_ = record["id_token_type"]
    return Reservation(
        station_id=record["station_id"],
        reservation_id=record["reservation_id"],
        request=ReservationRequest(
            expires_at=record["expires_at"],
            id_token=record["id_token"],
            id_token_type=type_ and IdTokenType(type_),
            group_id_token=record["group_id_token"],
            evse_id=record["evse_id"],
            connector_type=record["connector_type"],
        ),
        state=ReservationState(record["state"]),
        status=record["status"],
        command_id=record["command_id"],
        session_id=record["session_id"],
        requested_at=record["requested_at"],
        updated_at=record["updated_at"],
    )


async def create(
    db: Database,
    *,
    station_id: str,
    request: ReservationRequest,
    idempotency_key: str | None = None,
) -> tuple[int, bool]:
    """Keep a reservation that a station is about to be asked for.

    Args:
        db: the pool.
        station_id: whom it is for.
        request: what to ask.
        idempotency_key: the caller's own; the same key again gives the first reservation back.

    Returns:
        The reservation's id, unique per station, and whether it is new.

    Raises:
        NotFoundError: there is no such station.
        ConflictError: the key was used for another reservation.
    """
    for _ in range(_ID_ATTEMPTS):  # an operator's own CALLs may have taken an id
        reservation_id: int | None = await db.fetchval(
            """
            INSERT INTO reservations (station_id, reservation_id, expiry_date_time, id_token,
                                      id_token_type, group_id_token, evse_id, connector_type,
                                      idempotency_key)
            SELECT station_id, nextval('reservation_ids'), $2, $3, $4, $5, $6, $7, $8
            FROM stations WHERE station_id = $1
            ON CONFLICT DO NOTHING
            RETURNING reservation_id
            """,
            station_id,
            request.expires_at,
            request.id_token,
            request.id_token_type,
            request.group_id_token,
            request.evse_id,
            request.connector_type,
            idempotency_key,
        )
        if reservation_id is not None:
            return reservation_id, True
        if not await db.fetchval("SELECT true FROM stations WHERE station_id = $1", station_id):
            raise NotFoundError(f"there is no station {station_id!r}", code=NotFoundCode.STATION)
        record = await db.fetchrow(
            f"{_SELECT} WHERE reservation.station_id = $1 AND reservation.idempotency_key = $2",
            station_id,
            idempotency_key,
        )
        if record is not None:
            first = _reservation(record)
            if first.request != request:
                raise ConflictError(
                    f"idempotency key {idempotency_key!r} was used for another reservation of "
                    f"station {station_id!r} ({first.reservation_id}): use a new key for a new one",
                    code=ConflictCode.IDEMPOTENCY_KEY_REUSED,
                )
            return first.reservation_id, False
    raise ConflictError(
        f"station {station_id!r} has no reservation id left that is free",
        code=ConflictCode.RESERVATION_IDS_EXHAUSTED,
    )


async def attach_command(
    db: Database, *, station_id: str, reservation_id: int, command_id: str
) -> None:
    """Note which command asks the station for a reservation."""
    await db.execute(
        "UPDATE reservations SET command_id = $3 WHERE station_id = $1 AND reservation_id = $2",
        station_id,
        reservation_id,
        command_id,
    )


async def withdraw(db: Database, *, station_id: str, reservation_id: int) -> None:
    """Forget a reservation that the station could not be asked for."""
    await db.execute(
        """
        DELETE FROM reservations
        WHERE station_id = $1 AND reservation_id = $2 AND state = 'requested'
          AND command_id IS NULL
        """,
        station_id,
        reservation_id,
    )


async def get(db: Database, *, station_id: str, reservation_id: int) -> Reservation:
    """Return one reservation.

    Raises:
        NotFoundError: the station has none with this id.
    """
    record = await db.fetchrow(
        f"{_SELECT} WHERE reservation.station_id = $1 AND reservation.reservation_id = $2",
        station_id,
        reservation_id,
    )
    if record is None:
        raise NotFoundError(
            f"station {station_id!r} has no reservation {reservation_id}",
            code=NotFoundCode.RESERVATION,
        )
    return _reservation(record)


async def list_before(
    db: Database,
    *,
    station_id: str,
    before: Sequence[int] | None,
    limit: int,
    state: ReservationState | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    goes_down: bool = True,
) -> list[Reservation]:
    """Return up to `limit` reservations of a station, the highest id first.

    Args:
        db: the pool.
        station_id: whose.
        before: an id; the list begins behind it.
        limit: how many at most.
        state: only those that are in it.
        since: only those that were asked for then or later.
        until: only those that were asked for before.
        goes_down: whether the highest id comes first.
    """
    conditions = _conditions(limit, station_id, state, since, until)
    order = conditions.in_order("reservation_id", behind=before, goes_down=goes_down)
    records = await db.fetch(
        f"SELECT * FROM ({_SELECT}) AS reservation WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - the statement above
        *conditions.parameters,
    )
    return [_reservation(record) for record in records]


async def count(
    db: Database,
    *,
    station_id: str,
    up_to: int,
    state: ReservationState | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many reservations a list has, counting no further than `up_to`."""
    conditions = _conditions(up_to, station_id, state, since, until)
    return await count_rows(db, f"({_SELECT}) AS reservation", conditions)


def _conditions(
    limit: int,
    station_id: str,
    state: ReservationState | None,
    since: datetime | None,
    until: datetime | None,
) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("station_id =", station_id)
    conditions.compare("state =", state)
    conditions.compare("requested_at >=", since)
    conditions.compare("requested_at <", until)
    return conditions


async def write_answers(connection: Connection, facts: Sequence[ReservationAnswered]) -> list[None]:
    """Keep what stations answered. A yes to an operator's own CALL makes a reservation as well."""
    distinct = list({(fact.station_id, fact.reservation_id): fact for fact in facts}.values())
    if yes := [fact for fact in distinct if fact.status == RESERVATION_ACCEPTED]:
        await _write_accepted(connection, yes)
    if no := [fact for fact in distinct if fact.status != RESERVATION_ACCEPTED]:
        # One that was accepted before stays as it is: only its replacement was refused.
        await connection.execute(
            """
            UPDATE reservations AS reservation
            SET state = 'rejected', status = answer.status, updated_at = now()
            FROM unnest($1::text[], $2::integer[], $3::text[])
                 AS answer (station_id, reservation_id, status)
            WHERE reservation.station_id = answer.station_id
              AND reservation.reservation_id = answer.reservation_id
              AND reservation.state = 'requested'
            """,
            [fact.station_id for fact in no],
            [fact.reservation_id for fact in no],
            [fact.status for fact in no],
        )
    return [None] * len(facts)


async def _write_accepted(connection: Connection, facts: Sequence[ReservationAnswered]) -> None:
    """Keep reservations that stations hold; the same id again replaces (OCPP 1.6 §5.13).

    `requested_at` is the command's, so that a session that begins before this is written counts.
    """
    await connection.execute(
        """
        INSERT INTO reservations AS reservation (
            station_id, reservation_id, expiry_date_time, id_token, id_token_type, group_id_token,
            evse_id, connector_type, status, command_id, requested_at, state)
        SELECT answer.*, coalesce(commands.created_at, now()), 'active'
        FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::text[], $5::text[],
                    $6::text[], $7::integer[], $8::text[], $9::text[], $10::uuid[])
             AS answer (station_id, reservation_id, expiry_date_time, id_token, id_token_type,
                        group_id_token, evse_id, connector_type, status, command_id)
        JOIN stations USING (station_id)
        LEFT JOIN commands ON commands.command_id = answer.command_id
        ON CONFLICT (station_id, reservation_id) DO UPDATE
        SET expiry_date_time = excluded.expiry_date_time, id_token = excluded.id_token,
            id_token_type = coalesce(excluded.id_token_type, reservation.id_token_type),
            group_id_token = excluded.group_id_token, evse_id = excluded.evse_id,
            connector_type = excluded.connector_type, status = excluded.status,
            command_id = excluded.command_id, requested_at = excluded.requested_at,
            state = excluded.state, session_id = NULL, updated_at = now()
        """,
        [fact.station_id for fact in facts],
        [fact.reservation_id for fact in facts],
        [fact.request.expires_at for fact in facts],
        [fact.request.id_token for fact in facts],
        [fact.request.id_token_type for fact in facts],
        [fact.request.group_id_token for fact in facts],
        [fact.request.evse_id for fact in facts],
        [fact.request.connector_type for fact in facts],
        [fact.status for fact in facts],
        [fact.command_id for fact in facts],
    )


async def write_ends(connection: Connection, facts: Sequence[ReservationEnded]) -> list[None]:
    """End reservations that stations hold no more; one that has ended stays as it is."""
    distinct = {(fact.station_id, fact.reservation_id): fact for fact in reversed(facts)}.values()
    await connection.execute(
        """
        UPDATE reservations AS reservation
        SET state = ended.state, status = ended.status, updated_at = now()
        FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[])
             AS ended (station_id, reservation_id, state, status)
        WHERE reservation.station_id = ended.station_id
          AND reservation.reservation_id = ended.reservation_id
          AND reservation.state IN ('requested', 'active')
        """,
        [fact.station_id for fact in distinct],
        [fact.reservation_id for fact in distinct],
        [fact.state for fact in distinct],
        [fact.status for fact in distinct],
    )
    return [None] * len(facts)


async def write_given_up(
    connection: Connection, facts: Sequence[ReservationsGivenUp]
) -> list[None]:
    """End the reservations of an EVSE, or all of a station.

    One that leaves the EVSE to the station's choice outlives the trouble of a single EVSE.
    """
    await connection.execute(
        """
        UPDATE reservations AS reservation
        SET state = 'removed', status = given_up.status, updated_at = now()
        FROM unnest($1::text[], $2::integer[], $3::text[], $4::timestamptz[])
             AS given_up (station_id, evse_id, status, given_up_at)
        WHERE reservation.station_id = given_up.station_id AND reservation.state = 'active'
          AND (given_up.evse_id IS NULL OR reservation.evse_id = given_up.evse_id)
          -- Many stations tell whole seconds.
          AND date_trunc('second', reservation.requested_at) <= given_up.given_up_at
        """,
        [fact.station_id for fact in facts],
        [fact.evse_id for fact in facts],
        [fact.status for fact in facts],
        [fact.given_up_at for fact in facts],
    )
    return [None] * len(facts)


async def sweep(db: Database) -> int:
    """Write down which reservations were used, have expired or never came about.

    Returns:
        How many. Reading them says the same before this has run.
    """
    tag = await db.execute(
        f"""
        UPDATE reservations
        SET state = found.state, status = found.status, session_id = found.session_id::uuid,
            updated_at = now()
        FROM ({_SELECT} WHERE reservation.state IN ('requested', 'active')) AS found
        WHERE reservations.station_id = found.station_id
          AND reservations.reservation_id = found.reservation_id
          -- Unless it was replaced meanwhile: then this was found of the one before.
          AND reservations.updated_at = found.updated_at
          AND found.state <> reservations.state
        """  # noqa: S608 - the statement above
    )
    return int(tag.rpartition(" ")[2])
