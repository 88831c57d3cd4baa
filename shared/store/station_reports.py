"""Writing what stations tell of themselves; `stations` reads it."""

from collections.abc import Sequence

from shared.domain.stations import ConnectorStatusReported, StationBooted
from shared.store.pool import Connection


async def write_boots(connection: Connection, facts: Sequence[StationBooted]) -> list[None]:
    """Keep who stations are; a connection that has been replaced changes nothing."""
    newest = {fact.station_id: fact for fact in facts}.values()
    await connection.execute(
        """
        UPDATE stations
        SET vendor = boot.vendor, model = boot.model, serial_number = boot.serial_number,
            firmware_version = boot.firmware_version, iccid = boot.iccid, imsi = boot.imsi,
            booted_at = coalesce(boot.booted_at, stations.booted_at),
            boot_reason = boot.reason, updated_at = now()
        FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
                    $7::text[], $8::text[], $9::timestamptz[], $10::text[])
             AS boot (station_id, epoch, vendor, model, serial_number, firmware_version, iccid,
                      imsi, booted_at, reason)
        WHERE stations.station_id = boot.station_id AND stations.epoch <= boot.epoch
        """,
        [fact.station_id for fact in newest],
        [fact.epoch for fact in newest],
        [fact.vendor for fact in newest],
        [fact.model for fact in newest],
        [fact.serial_number for fact in newest],
        [fact.firmware_version for fact in newest],
        [fact.iccid for fact in newest],
        [fact.imsi for fact in newest],
        [fact.booted_at for fact in newest],
        [fact.reason for fact in newest],
    )
    return [None] * len(facts)


async def write_statuses(
    connection: Connection, facts: Sequence[ConnectorStatusReported]
) -> list[None]:
    """Keep how connectors are; a connection that has been replaced changes nothing."""
    newest = {(fact.station_id, fact.evse_id, fact.connector_id): fact for fact in facts}.values()
    await connection.execute(
        """
        INSERT INTO connectors (station_id, evse_id, connector_id, status, reported_status,
                                error_code, info, vendor_id, vendor_error_code, epoch, reported_at)
        SELECT report.* FROM unnest(
            $1::text[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[],
            $7::text[], $8::text[], $9::text[], $10::bigint[], $11::timestamptz[]
        ) AS report (station_id, evse_id, connector_id, status, reported_status, error_code, info,
                     vendor_id, vendor_error_code, epoch, reported_at)
        JOIN stations USING (station_id)
        ON CONFLICT (station_id, evse_id, connector_id) DO UPDATE
        SET status = excluded.status, reported_status = excluded.reported_status,
            error_code = excluded.error_code, info = excluded.info,
            vendor_id = excluded.vendor_id, vendor_error_code = excluded.vendor_error_code,
            epoch = excluded.epoch, reported_at = excluded.reported_at
        WHERE connectors.epoch <= excluded.epoch
        """,
        [fact.station_id for fact in newest],
        [fact.evse_id for fact in newest],
        [fact.connector_id for fact in newest],
        [fact.status for fact in newest],
        [fact.reported_status for fact in newest],
        [fact.error_code for fact in newest],
        [fact.info for fact in newest],
        [fact.vendor_id for fact in newest],
        [fact.vendor_error_code for fact in newest],
        [fact.epoch for fact in newest],
        [fact.reported_at for fact in newest],
    )
    return [None] * len(facts)
