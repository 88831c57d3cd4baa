"""What stations are called in certificates: by their id, or as an operator says."""

from shared.domain.error_codes import ConflictCode
from shared.domain.errors import ConflictError
from shared.store.pool import Connection, Database

OBJECTION = """
    CASE
        WHEN stations.station_id IS NULL THEN 'there is no such station any more'
        WHEN {name} <> stations.station_id AND EXISTS (
            SELECT FROM stations AS other WHERE other.station_id = {name}
        ) THEN 'its commonName is the id of another station (A00.FR.405)'
        WHEN EXISTS (
            SELECT FROM stations AS other WHERE other.certificate_serial_number = {name}
                                            AND other.station_id <> stations.station_id
        ) THEN 'its commonName is the serial number of another station (A00.FR.405)'
        WHEN {name} IN (stations.station_id, stations.certificate_serial_number) THEN NULL
        ELSE 'its commonName is neither the id of the station nor the serial number that an '
             'operator has given it as certificate_serial_number (A00.FR.405)'
    END
"""
"""SQL: why a certificate with a common name must not be that of `stations`, or NULL.

Only an operator's word counts: with what stations say of themselves, one could pass for another.
Their ids come first, so that no serial number is one.
"""


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
            "name: no two stations may be called alike",
            code=ConflictCode.CERTIFICATE_NAME_TAKEN,
        )
    # Neither like one that the caller may not know of.
    if await db.fetchval(
        "SELECT is_called_like_another($1, $2)", station_id, certificate_serial_number
    ):
        raise ConflictError(
            f"the station id {station_id!r} or its certificate_serial_number is taken: no two "
            "stations may be called alike",
            code=ConflictCode.STATION_EXISTS,
        )


async def find_objection(
    connection: Connection, station_id: str, common_name: str | None
) -> str | None:
    """Return why a certificate with this common name must not be the station's, or None.

    The station is locked, so that it gets no other serial number within the transaction.
    """
    objection: str | None = await connection.fetchval(
        f"""
        SELECT {OBJECTION.format(name="$2::text")}
        FROM (SELECT $1::text AS station_id) AS asked
        LEFT JOIN (
            SELECT station_id, certificate_serial_number FROM stations WHERE station_id = $1
            FOR SHARE
        ) AS stations USING (station_id)
        """,  # noqa: S608 - the text above
        station_id,
        common_name,
    )
    return objection
