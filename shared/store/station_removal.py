"""Removing a station, and all that waits for it: its id may be another box's tomorrow."""

from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.domain.stations.stations import Ownership
from shared.store.commands.commands import WITHOUT_SECRETS
from shared.store.pool import Database
from shared.store.request_database import unnoticed

_CANCEL = f"""
    UPDATE commands
    SET state = 'cancelled', finished_at = now(), error_code = 'Cancelled',
        error_description = 'the station was deleted before it was sent', {WITHOUT_SECRETS}
    WHERE station_id = $1 AND state = 'queued'
"""  # noqa: S608 - a part of the statement


async def delete(db: Database, station_id: str) -> Ownership | None:
    """Forget a station and what is known of it; its sessions, and what was asked of it, stay.

    What is still queued for it is cancelled, and certificates that wait for it are refused.

    Returns:
        Who held its connection, so that it can be closed; None if it was offline.

    Raises:
        NotFoundError: there is no such station.
    """
    async with db.acquire() as connection, connection.transaction():
        # Commands before their station, in the order of whoever sends a new password: the two would
        # wait for each other in a circle. And once more, for those that were asked meanwhile.
        async with unnoticed(connection):
            await connection.execute(_CANCEL, station_id)
        station = await connection.fetchrow(
            """
            SELECT station_id, epoch, pod_id, connection_id, online FROM stations
            WHERE station_id = $1 FOR UPDATE
            """,
            station_id,
        )
        if station is None:
            raise NotFoundError(f"there is no station {station_id!r}", code=NotFoundCode.STATION)
        async with unnoticed(connection):
            await connection.execute(_CANCEL, station_id)
            await connection.execute(
                """
                UPDATE certificate_signing_requests
                SET state = 'refused', reason = 'the station was deleted'
                WHERE station_id = $1 AND state IN ('pending', 'signed')
                """,
                station_id,
            )
        await connection.execute("DELETE FROM stations WHERE station_id = $1", station_id)
    if not station["online"]:
        return None
    return Ownership(**{name: value for name, value in station.items() if name != "online"})
