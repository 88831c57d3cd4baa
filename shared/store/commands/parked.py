"""Queued commands of stations that are offline: set aside, so that no sweep looks at them.

A sweep that meets such a command parks it. The trigger `stations_come_online` takes it back as its
station connects, in the same transaction and whatever code claims the connection, so that nobody
has to ask again and again.
"""

from collections.abc import Sequence

from shared.domain.commands import QueuedReason
from shared.store.pool import Connection, Database

QUEUED_REASON = f"""
    CASE WHEN commands.state <> 'queued' THEN NULL
         WHEN NOT coalesce((SELECT online FROM stations
                            WHERE stations.station_id = commands.station_id), false)
             THEN '{QueuedReason.STATION_OFFLINE}'
         WHEN commands.batch_id IS NOT NULL AND commands.routed_at IS NULL
             THEN '{QueuedReason.BATCH_PACE}'
         ELSE '{QueuedReason.ON_ITS_WAY}' END AS queued_reason
"""  # noqa: S608 - words of our own
"""What a statement selects that tells why a row of `commands` is still queued."""


async def park(db: "Database | Connection", command_ids: Sequence[str]) -> int:
    """Park those of these commands whose station is offline, or gone; return how many.

    What somebody else has locked is left for the next time. A station is locked against coming
    online meanwhile: its trigger would not see what is parked here.
    """
    tag = await db.execute(
        """
        WITH idle AS (
            SELECT command_id FROM commands JOIN stations USING (station_id)
            WHERE command_id = ANY ($1::uuid[]) AND state = 'queued' AND NOT parked AND NOT online
            FOR SHARE OF stations SKIP LOCKED
            FOR NO KEY UPDATE OF commands SKIP LOCKED
        ), orphaned AS (
            SELECT command_id FROM commands
            WHERE command_id = ANY ($1::uuid[]) AND state = 'queued' AND NOT parked
              AND NOT EXISTS (SELECT FROM stations
                              WHERE stations.station_id = commands.station_id)
            FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE commands SET parked = true
        WHERE command_id IN (SELECT command_id FROM idle UNION ALL SELECT command_id FROM orphaned)
        """,
        command_ids,
    )
    return int(tag.rpartition(" ")[2])


async def take_back(db: Database) -> int:
    """Take back commands of stations that are online, should a trigger have missed any.

    One that somebody had locked is left out by the trigger, lest two wait for each other in a
    circle.
    """
    tag = await db.execute(
        """
        WITH missed AS (
            SELECT command_id FROM commands JOIN stations USING (station_id)
            WHERE state = 'queued' AND parked AND online
            FOR NO KEY UPDATE OF commands SKIP LOCKED
        )
        UPDATE commands SET parked = false
        FROM missed WHERE commands.command_id = missed.command_id
        """
    )
    return int(tag.rpartition(" ")[2])
