"""Reading sessions and their meter values; `facts` writes them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import asyncpg

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.domain.sessions import (
    EndRule,
    EndSource,
    EnergyMethod,
    ReviewDecision,
    ReviewReason,
    Session,
    SessionFilter,
    SessionOrder,
)
from shared.domain.sessions.meter_values import ReadingContext, StoredMeterValue
from shared.store.conditions import Conditions, Position
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database
from shared.store.session_tokens import TYPE_TOLD

_METER_VALUE_COLUMNS = ", ".join(field.name for field in fields(StoredMeterValue))
# How long before its start and after its end a session's own values are looked for in partitions;
# the others of its EVSE are not read.
_AROUND = timedelta(days=1)
_EVER = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))

ENDED_AT = "CASE WHEN corrects_end THEN reviewed_ended_at ELSE ended_at END"
"""When a session ended, as it is shown: an operator's correction stands above what was told."""

_BILLABLE = (
    f"({ENDED_AT}) IS NOT NULL",
    "settled_at IS NOT NULL",
    "(CASE WHEN corrects_energy THEN reviewed_energy_wh ELSE energy_wh END) IS NOT NULL",
    "(id_token IS NOT NULL OR authorization_status IS NOT NULL)",
    "NOT needs_review",
    "review_decision IS DISTINCT FROM 'void'",
)
NOT_BILLABLE = f"(CASE WHEN {' AND '.join(_BILLABLE)} THEN 0 ELSE 1 END) = 1"
"""The opposite of `Session.billable`, in the words by which its index is found."""

# While a session goes on its energy is the latest register's. For 1.6 that is looked up when
# somebody asks, so that a meter value costs one insert and no update; by a function, as a statement
# that names meter_values is planned for each of its days. A register below the start is perhaps of
# another counter, which only settling looks into. In 2.0.1 registers come in events, which the
# session is merged from: meter_stop_wh is the latest one before the end too. Once it is settled its
# energy is what the worker found, or what an operator put in its place.
_SELECT_FROM = f"""
    SELECT session_id::text, session.station_id, session.organization_id, session.evse_id,
           connector_id, session.transaction_id, ocpp_version, id_token, authorization_status,
           at_free_location, reservation_id,
           {TYPE_TOLD.format(session="session")} AS id_token_type,
           started_at, meter_start_wh,
           {ENDED_AT} AS ended_at,
           CASE WHEN ended_at IS NOT NULL THEN meter_stop_wh END AS meter_stop_wh,
           CASE WHEN corrects_energy THEN reviewed_energy_wh
                WHEN ended_at IS NOT NULL AND settled_at IS NOT NULL THEN session.energy_wh
                WHEN latest.register_wh >= meter_start_wh
                THEN latest.register_wh - meter_start_wh
                END AS energy_wh,
           CASE WHEN corrects_energy THEN 'operator' ELSE energy_method END AS energy_method,
           stopped_reason, ended_by, CASE WHEN ended_by = 'rule' THEN end_rule END AS end_rule,
           settled_at, needs_review, review_reasons, review_decision, review_note, reviewed_at,
           reviewed_by, created_at, updated_at
    FROM {{table}} AS session
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN meter_stop_wh IS NOT NULL OR ended_at IS NOT NULL THEN meter_stop_wh
            ELSE latest_register_wh(session.station_id, session.evse_id, session.transaction_id,
                                    started_at) END AS register_wh
        OFFSET 0  -- looked up once, though it stands above twice
    ) AS latest
"""  # noqa: S608 - an expression of our own

_SELECT_ONE = f"{_SELECT_FROM.format(table='sessions')} WHERE session_id = $1"


def _session(record: asyncpg.Record) -> Session:
    columns = dict(record)
    for name, kind in _ENUMS.items():
        if columns[name] is not None:
            columns[name] = kind(columns[name])
    columns["review_reasons"] = tuple(map(ReviewReason, columns["review_reasons"]))
    return Session(**columns)


_ENUMS: dict[str, type[StrEnum]] = {
    "id_token_type": IdTokenType,
    "authorization_status": AuthorizationStatus,
    "energy_method": EnergyMethod,
    "ended_by": EndSource,
    "end_rule": EndRule,
    "review_decision": ReviewDecision,
}


async def get(db: Database, session_id: str) -> Session:
    """Return one session.

    Raises:
        NotFoundError: there is none with this id.
    """
    return _found(await db.fetchrow(_SELECT_ONE, session_id), session_id)


async def lock(connection: Connection, session_id: str) -> Session:
    """Do the same within a transaction, until whose end nobody else changes the session."""
    await connection.execute("SELECT FROM sessions WHERE session_id = $1 FOR UPDATE", session_id)
    return _found(await connection.fetchrow(_SELECT_ONE, session_id), session_id)


def _found(record: asyncpg.Record | None, session_id: str) -> Session:
    if record is None:
        raise NotFoundError(f"there is no session {session_id}", code=NotFoundCode.SESSION)
    return _session(record)


_ALL = SessionFilter()
# What a list is in the order of, beside the id; whether it goes down. The indexes: `indexes.py`.
_ORDERS = {
    SessionOrder.NEWEST: (None, True),
    SessionOrder.STARTED_AT: ("session.started_at", True),
    SessionOrder.ENDED_AT: (f"({ENDED_AT})", True),
    SessionOrder.UPDATED_AT: ("session.updated_at", False),
}


async def list_before(
    db: Database,
    *,
    before: Position | None,
    limit: int,
    found: SessionFilter = _ALL,
    order: SessionOrder | None = None,
    goes_down: bool | None = None,
) -> list[Session]:
    """Return up to `limit` sessions in the order of what is asked for.

    In the order of a time are those that have it.

    Args:
        db: the pool.
        before: the list begins with the next one behind it; of the same order.
        limit: how many at most.
        found: which.
        order: by what; None for that of the filter.
        goes_down: whether what is latest comes first; None for what is usual in that order.
    """
    conditions = _conditions(found, limit)
    time, usually_down = _ORDERS[order or found.order]
    if time is not None and order is not None:
        conditions.add(f"{time} IS NOT NULL")
    down = usually_down if goes_down is None else goes_down
    by = conditions.page("session.session_id", time=time, behind=before, goes_down=down)
    records = await db.fetch(
        f"{_SELECT_FROM.format(table=_table(found))} WHERE {conditions} ORDER BY {by} LIMIT $1",
        *conditions.parameters,
    )
    return [_session(record) for record in records]


async def count(db: Database, found: SessionFilter, *, up_to: int) -> int:
    """Return how many sessions there are, counting no further than `up_to`."""
    return await count_rows(db, f"{_table(found)} AS session", _conditions(found, up_to))


def _table(found: SessionFilter) -> str:
    """Return where to search: by a token in a view, whose index no policy bars (`scopes.py`)."""
    return "sessions" if found.id_token is None else "searched_sessions"


def position_of(session: Session, order: SessionOrder) -> Position:
    """Return where a session stands in a list of this order."""
    at = None if order is SessionOrder.NEWEST else getattr(session, order)
    return Position(session.session_id, at)


def _conditions(found: SessionFilter, limit: int) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("session.station_id =", found.station_id)
    if found.id_token is not None:
        conditions.add(f"session.id_token_key = lower({conditions.parameter(found.id_token)})")
    conditions.compare("session.transaction_id =", found.transaction_id)
    conditions.compare("session.organization_id =", found.organization_id)
    if found.active is not None:
        conditions.add(f"ended_at IS {'NULL' if found.active else 'NOT NULL'}")
    # Each by itself if they all hold: Postgres knows how many rows each is true of.
    for words in {None: (), True: _BILLABLE, False: (NOT_BILLABLE,)}[found.billable]:
        conditions.add(words)
    if found.needs_review is not None:
        conditions.add("needs_review" if found.needs_review else "NOT needs_review")
    conditions.compare("session.started_at >=", found.started_since)
    conditions.compare("session.started_at <", found.started_until)
    conditions.compare(f"({ENDED_AT}) >=", found.ended_since)
    conditions.compare(f"({ENDED_AT}) <", found.ended_until)
    conditions.compare("session.updated_at >=", found.updated_since)
    return conditions


@dataclass(frozen=True, slots=True)
class MeterValuePosition:
    """Where a meter value stands among those of its EVSE; several may be of one instant."""

    sampled_at: datetime
    fingerprint: int


async def _span(db: Database, session: Session) -> tuple[datetime, datetime]:
    """Return from when until when the partitions are to be looked at for a session's values.

    Where the station of an OCPP 2.0.1 transaction has told no start, or no end yet, its events say
    when their values were taken; elsewhere it would be all that its EVSE ever told.
    """
    since, until = session.started_at, session.ended_at
    if since is not None:
        # What follows is stamped before it if a clock that was ahead was corrected meanwhile.
        since = min(since, session.created_at)
    if since is None or until is None:
        ((first_at, last_at),) = await db.fetch(
            """
            SELECT min(sampled_from), max(sampled_until)
            FROM transaction_events WHERE station_id = $1 AND transaction_id = $2
            """,
            session.station_id,
            session.transaction_id,
        )
        since, until = since or first_at, until or last_at
    first, last = _EVER
    return (
        first if since is None or since < first + _AROUND else since - _AROUND,
        last if until is None or until > last - _AROUND else until + _AROUND,
    )


async def list_meter_values_after(
    db: Database,
    session: Session,
    *,
    after: MeterValuePosition | None,
    limit: int,
    context: ReadingContext | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    goes_down: bool = False,
) -> list[tuple[MeterValuePosition, StoredMeterValue]]:
    """Return up to `limit` meter values of a session in the order of their time.

    Args:
        db: the pool.
        session: whose; those that carry its transaction id, and those that were told for its EVSE
            while it went on with a transaction id that the station does not have.
        after: the list begins behind it.
        limit: how many at most.
        context: only those with a sample of this context, and of these only such samples.
        since: only those of then or later, by the station's clock.
        until: only those before.
        goes_down: whether the last comes first.
    """
    way = "DESC" if goes_down else "ASC"
    source, parameters = await _meter_values(
        db, session, limit=limit, context=context, since=since, until=until,
        after=after, goes_down=goes_down,
    )  # fmt: skip
    records = await db.fetch(
        f"""
        {source} SELECT {_METER_VALUE_COLUMNS}, fingerprint
        FROM (TABLE near UNION ALL TABLE far) AS value
        ORDER BY sampled_at {way}, fingerprint {way} LIMIT $1
        """,  # noqa: S608 - column names of a dataclass
        *parameters,
    )
    values = []
    for record in records:
        columns = dict(record)
        position = MeterValuePosition(columns["sampled_at"], columns.pop("fingerprint"))
        value = StoredMeterValue(**columns)
        values.append((position, value if context is None else value.only(context)))
    return values


async def count_meter_values(
    db: Database,
    session: Session,
    *,
    up_to: int,
    context: ReadingContext | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many meter values a session has, counting no further than `up_to`."""
    source, parameters = await _meter_values(
        db, session, limit=up_to, context=context, since=since, until=until
    )
    ((found,),) = await db.fetch(
        f"{source} SELECT count(*) FROM (TABLE near UNION ALL TABLE far LIMIT $1) AS counted",  # noqa: S608 - the text below
        *parameters,
    )
    return int(found)


async def _meter_values(
    db: Database,
    session: Session,
    *,
    limit: int,
    context: ReadingContext | None,
    since: datetime | None,
    until: datetime | None,
    after: MeterValuePosition | None = None,
    goes_down: bool = False,
) -> tuple[str, Sequence[object]]:
    """Return the tables `near` and `far` in which a session's values are, and the parameters."""
    first, last = await _span(db, session)
    beyond, way = ("<", "DESC") if goes_down else (">", "ASC")
    behind = None if after is None else after.sampled_at
    # Partitions are left out by their own column only.
    nearest = max(filter(None, (first, since, None if goes_down else behind)))
    furthest = min(filter(None, (last, until, behind if goes_down else None)))
    asked = f"""
        ($4::timestamptz IS NULL OR (sampled_at, fingerprint) {beyond} ($4, $5::bigint))
        AND ($8::jsonb IS NULL OR samples @> $8)
        AND ($13::timestamptz IS NULL OR sampled_at >= $13)
        AND ($14::timestamptz IS NULL OR sampled_at < $14)
        ORDER BY sampled_at {way}, fingerprint {way} LIMIT $1
        """
    source = f"""
        WITH near AS (
            SELECT * FROM meter_values
            WHERE station_id = $2 AND evse_id = $3 AND sampled_at BETWEEN $9 AND $10
              AND (transaction_id = $15 OR (
                    sampled_at BETWEEN $6 AND coalesce($7, 'infinity'::timestamptz)
                    AND transaction_id IS NOT NULL
                    AND NOT EXISTS (SELECT FROM sessions AS other
                                    WHERE other.station_id = meter_values.station_id
                                      AND other.transaction_id = meter_values.transaction_id)))
              AND {asked}
        ), far AS (
            -- Told by a clock that is off: no partition is of then.
            SELECT * FROM meter_values_default
            WHERE station_id = $2 AND evse_id = $3 AND transaction_id = $15
              AND (sampled_at < $11 OR sampled_at > $12)
              AND {asked}
        )"""  # noqa: S608 - texts of our own
    return source, (
        limit,
        session.station_id,
        session.evse_id or 0,
        behind,
        None if after is None else after.fingerprint,
        session.started_at,
        session.ended_at,
        None if context is None else [{"context": context}],
        nearest,
        furthest,
        first,
        last,
        since,
        until,
        session.transaction_id,
    )
