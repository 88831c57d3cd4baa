"""Sessions that go on and whose meter has told something new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared.domain.notices.events import NewEvent
from shared.domain.sessions.energy import Reading
from shared.store.notices import outbox
from shared.store.pool import Database

# Of a session: the newest values, as not all of them need tell everything.
_VALUES = 3
# Further back nothing is looked for; a day is one or two partitions.
_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionGoingOn:
    """A session that goes on, with the newest of its meter values."""

    session_id: str
    station_id: str
    organization_id: str
    transaction_id: str
    evse_id: int | None
    connector_id: int | None
    id_token: str | None
    started_at: datetime | None
    meter_start_wh: Decimal | None
    readings: Sequence[Reading]


# That one began is told first. A parameter says how far back, so that no older day is planned for.
_GOING_ON = """
    SELECT session.session_id::text, session.station_id, session.organization_id,
           session.transaction_id, session.evse_id, session.connector_id, session.id_token,
           session.started_at, session.meter_start_wh, newest.*
    FROM (
        SELECT * FROM sessions
        WHERE ended_at IS NULL AND ($1::uuid IS NULL OR session_id > $1)
        ORDER BY sessions.session_id LIMIT $2
    ) AS session
    LEFT JOIN LATERAL (
        SELECT array_agg(sampled_at) AS sampled_at, array_agg(received_at) AS received_at,
               array_agg(samples) AS samples
        FROM (
            SELECT sampled_at, received_at, samples FROM meter_values AS value
            WHERE value.station_id = session.station_id AND value.evse_id = session.evse_id
              AND value.transaction_id = session.transaction_id AND value.sampled_at >= $3
            ORDER BY value.sampled_at DESC LIMIT $4
        ) AS latest
    ) AS newest ON session.told_as IS NOT NULL
    -- Those that show nothing are among them, as the next page begins behind the last.
    ORDER BY session.session_id
"""


async def list_going_on(
    db: Database, *, after: str | None, limit: int, now: datetime
) -> list[SessionGoingOn]:
    """Return sessions that go on, in the order of their ids, with their newest meter values.

    Args:
        db: the pool.
        after: the list begins behind this id.
        limit: how many at most.
        now: meter values of more than a day before are left out.
    """
    records = await db.fetch(_GOING_ON, after, limit, now - _BACK, _VALUES)
    return [
        SessionGoingOn(
            **{name: record[name] for name in _NAMES},
            readings=[
                Reading(sampled_at, received_at, samples)
                for sampled_at, received_at, samples in zip(
                    record["sampled_at"] or (),
                    record["received_at"] or (),
                    record["samples"] or (),
                    strict=True,
                )
            ],
        )
        for record in records
    ]


_NAMES = tuple(name for name in SessionGoingOn.__dataclass_fields__ if name != "readings")


async def tell(
    db: Database,
    updates: Mapping[str, tuple[datetime, NewEvent]],
    *,
    interval_s: float,
) -> int:
    """Put what is new of sessions into the outbox, of each no more than once in a time.

    Args:
        db: the pool.
        updates: by session, when the newest value was read, and what is told.
        interval_s: the time.

    Returns:
        How many were told: those that still go on, and are not known to show this already.
    """
    async with db.acquire() as connection, connection.transaction():
        records = await connection.fetch(
            _TELL,
            list(updates),
            [sampled_at for sampled_at, _ in updates.values()],
            interval_s,
        )
        await outbox.put(connection, [updates[record["session_id"]][1] for record in records])
    return len(records)


# Several workers may look at the same time, and one of them tells.
_TELL = """
    INSERT INTO session_updates AS told (session_id, sampled_at)
    SELECT session_id, new.sampled_at
    FROM unnest($1::uuid[], $2::timestamptz[]) AS new (session_id, sampled_at)
    JOIN sessions USING (session_id)
    WHERE ended_at IS NULL
    ORDER BY new.session_id
    ON CONFLICT (session_id) DO UPDATE SET sampled_at = excluded.sampled_at, told_at = now()
    WHERE told.sampled_at < excluded.sampled_at
      AND told.told_at <= now() - make_interval(secs => $3)
    RETURNING session_id::text
"""


async def forget_ended(db: Database) -> None:
    """Forget what was told of sessions that are over."""
    await db.execute(
        """
        DELETE FROM session_updates
        WHERE NOT EXISTS (SELECT FROM sessions
                          WHERE sessions.session_id = session_updates.session_id
                            AND ended_at IS NULL)
        """
    )
