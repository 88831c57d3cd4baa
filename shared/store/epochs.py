"""Raising epochs above what others know: after a restore of the database they have fallen back.

A restored database makes epochs again that Redis, and pods that lived through it, have seen. Who
meets a higher one than its own asks here for one above it, and gets it if Postgres still says that
nobody has connected since.
"""

from collections.abc import Sequence
from dataclasses import replace

from shared.domain.stations.stations import Ownership
from shared.store.pool import Database

SPEAKS = """
    CASE WHEN stations.connection_id IS NULL THEN {epoch} > stations.epoch
         ELSE {epoch} IN (stations.epoch, stations.raised_from) END
"""
"""Condition on `stations`: what has this epoch was said by the connection that speaks for it, or
the database has not heard of any since the station was registered.
"""

LOCKED = """
    locked AS (
        SELECT station_id FROM stations WHERE station_id = ANY($1)
        ORDER BY station_id FOR NO KEY UPDATE
    )
"""
"""Locks many stations in one order, so that the pod that lets go of a fleet and the one that it
comes back to do not wait for each other in a circle.
"""

RAISING = 4_611_120
"""The advisory lock of whoever raises the sequence; who takes from it shares it."""

GUARD = f"""
    guard AS MATERIALIZED (
        SELECT pg_advisory_xact_lock_shared({RAISING}) FROM (SELECT count(*) FROM locked) AS rows
    )
"""  # noqa: S608 - a number of our own
"""Keeps the sequence from being raised while a statement takes from it. It comes after `LOCKED`:
who has it waits for nobody.
"""


async def rise(db: Database, met: Sequence[tuple[Ownership, int]]) -> list[Ownership | None]:
    """Raise connections above epochs that they have met.

    Args:
        db: the pool.
        met: (who it is, the epoch that it met). The sequence is raised above all of them, and never
            lowered.

    Returns:
        Who each is now, in order; None if a newer connection speaks for its station, or the station
        is gone.
    """
    highest = max(epoch for _, epoch in met)
    async with db.acquire() as connection, connection.transaction():
        # Nobody takes from it between the look and the change.
        await connection.execute(f"SELECT pg_advisory_xact_lock({RAISING})")
        await connection.execute(
            "SELECT setval('station_epochs', $1) FROM station_epochs WHERE last_value < $1", highest
        )
    records = await db.fetch(
        f"""
        WITH {LOCKED}, {GUARD}, raised AS (
            UPDATE stations
            -- What has risen already, and was not told so, stays as it is.
            SET raised_from = CASE WHEN stations.epoch > met.epoch THEN stations.raised_from
                                   ELSE stations.epoch END,
                epoch = CASE WHEN stations.epoch > met.epoch THEN stations.epoch
                             ELSE greatest(met.epoch + 1, nextval('station_epochs')) END
            FROM unnest($1::text[], $2::text[], $3::bigint[])
                 AS met (station_id, connection_id, epoch)
            JOIN locked USING (station_id) CROSS JOIN guard
            WHERE stations.station_id = met.station_id
              AND stations.connection_id = met.connection_id
            RETURNING stations.station_id, stations.connection_id, stations.epoch,
                      old.epoch AS before
        ),
        told AS (
            UPDATE station_connections AS span SET epoch = raised.epoch
            FROM raised
            WHERE span.station_id = raised.station_id AND span.epoch = raised.before
              AND span.connection_id = raised.connection_id
        )
        SELECT station_id, connection_id, epoch FROM raised
        """,  # noqa: S608 - the texts above
        [ownership.station_id for ownership, _ in met],
        [ownership.connection_id for ownership, _ in met],
        [epoch for _, epoch in met],
    )
    raised = {(each["station_id"], each["connection_id"]): each["epoch"] for each in records}
    found = (
        (ownership, raised.get((ownership.station_id, ownership.connection_id)))
        for ownership, _ in met
    )
    return [None if epoch is None else replace(each, epoch=epoch) for each, epoch in found]
