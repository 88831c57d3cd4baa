"""What stations are called in certificates: by their id, or as an operator says."""

from shared.domain.errors import ConflictError
from shared.store.pool import Database


async def check(db: Database, station_id: str, certificate_serial_number: str | None) -> None:
    """Return if certificates of no other station are called like this one's.

    Whoever is registered at the same moment is found when a certificate is signed.

    Raises:
        ConflictError: those of another station are.
    """
    other = await db.fetchval(
        """
        SELECT station_id FROM stations
        WHERE station_id <> $1
          AND (certificate_serial_number IN ($1, $2) OR station_id = $2)
        LIMIT 1
        """,
        station_id,
        certificate_serial_number,
    )
    if other is not None:
        raise ConflictError(
            f"certificates of station {other!r} have this id or serial number as their common "
            "name: no two stations may be called alike"
        )
