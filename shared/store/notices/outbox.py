"""Where events are put in the transaction of their cause; `numbering` takes them from there.

So an event is told if and only if what it tells of was committed.
"""

from collections.abc import Sequence

from shared.domain.notices.events import NewEvent
from shared.store.pool import Connection


async def put(connection: Connection, events: Sequence[NewEvent]) -> None:
    """Have events told when the transaction is committed.

    Args:
        connection: within the transaction of what they tell of.
        events: in the order in which they are told.
    """
    if not events:
        return
    await connection.execute(
        """
        INSERT INTO event_outbox (type, occurred_at, organization_id, location_id, station_id, data)
        SELECT told.type, coalesce(told.occurred_at, now()),
               coalesce(told.organization_id, station.organization_id, own_organization()),
               coalesce(told.location_id, station.location_id), told.station_id, told.data
        FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::jsonb[])
             WITH ORDINALITY
             AS told (type, occurred_at, organization_id, location_id, station_id, data, position)
        LEFT JOIN stations AS station ON station.station_id = told.station_id
        ORDER BY told.position
        """,
        [event.type for event in events],
        [event.occurred_at for event in events],
        [event.organization_id for event in events],
        [event.location_id for event in events],
        [event.station_id for event in events],
        [event.data for event in events],
    )
