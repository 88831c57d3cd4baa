"""Writing what stations tell of themselves; `stations` reads it."""

from collections.abc import Sequence

from shared.domain.stations import ConnectorStatusReported, StationBooted
from shared.store.epochs import SPEAKS
from shared.store.pool import Connection


async def write_boots(connection: Connection, facts: Sequence[StationBooted]) -> list[str | None]:
    """Keep who stations are; a connection that has been replaced changes nothing.

    Returns:
        The registration status of each fact's station; None for a connection that was replaced.
    """
    # The highest epoch last, so that it stands, in whichever order they were told.
    by_epoch = sorted(facts, key=_epoch)
    newest = {fact.station_id: fact for fact in by_epoch}.values()
    records = await connection.fetch(
        f"""
        UPDATE stations
        SET vendor = boot.vendor, model = boot.model, serial_number = boot.serial_number,
            firmware_version = boot.firmware_version, iccid = boot.iccid, imsi = boot.imsi,
            booted_at = CASE stations.registration_status
                            WHEN 'Accepted' THEN boot.booted_at ELSE stations.booted_at
                        END,
            boot_reason = boot.reason, updated_at = now()
        FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
                    $7::text[], $8::text[], $9::timestamptz[], $10::text[])
             AS boot (station_id, epoch, vendor, model, serial_number, firmware_version, iccid,
                      imsi, booted_at, reason)
        WHERE stations.station_id = boot.station_id AND {SPEAKS.format(epoch="boot.epoch")}
        RETURNING stations.station_id, stations.registration_status
        """,  # noqa: S608 - the condition above
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
    statuses = {record["station_id"]: record["registration_status"] for record in records}
    return [statuses.get(fact.station_id) for fact in facts]


async def write_statuses(
    connection: Connection, facts: Sequence[ConnectorStatusReported]
) -> list[None]:
    """Keep how connectors are, and when that changed.

    A connection that has been replaced changes nothing, and what is told again is no change.
    """
    facts = sorted(facts, key=_epoch)
    connectors = [(fact.station_id, fact.evse_id, fact.connector_id) for fact in facts]
    last = {connector: position for position, connector in enumerate(connectors)}
    count = len(facts) - 1
    first = {each: count - position for position, each in enumerate(reversed(connectors))}
    await connection.execute(
        f"""
        WITH report AS (
            SELECT report.* FROM unnest(
                $1::text[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::text[], $10::bigint[], $11::timestamptz[],
                $12::boolean[], $13::boolean[]
            ) WITH ORDINALITY
                AS report (station_id, evse_id, connector_id, status, reported_status, error_code,
                           info, vendor_id, vendor_error_code, epoch, reported_at, is_first,
                           is_last, position)
            JOIN stations ON stations.station_id = report.station_id
                         AND {SPEAKS.format(epoch="report.epoch")}
        ),
        changed AS (
            INSERT INTO connector_status_changes (station_id, evse_id, connector_id, status,
                                                  reported_status, error_code, reported_at)
            SELECT report.station_id, report.evse_id, report.connector_id, report.status,
                   report.reported_status, report.error_code, report.reported_at
            FROM report
            LEFT JOIN connectors AS before
                ON before.station_id = report.station_id AND before.evse_id = report.evse_id
                AND before.connector_id = report.connector_id
            WHERE coalesce(before.epoch, 0) <= report.epoch
              AND (NOT is_first
                   OR (before.reported_status, before.error_code)
                      IS DISTINCT FROM (report.reported_status, report.error_code))
            ORDER BY position
        )
        INSERT INTO connectors (station_id, evse_id, connector_id, status, reported_status,
                                error_code, info, vendor_id, vendor_error_code, epoch, reported_at)
        SELECT station_id, evse_id, connector_id, status, reported_status, error_code, info,
               vendor_id, vendor_error_code, epoch, reported_at
        FROM report WHERE is_last
        ON CONFLICT (station_id, evse_id, connector_id) DO UPDATE
        SET status = excluded.status, reported_status = excluded.reported_status,
            error_code = excluded.error_code, info = excluded.info,
            vendor_id = excluded.vendor_id, vendor_error_code = excluded.vendor_error_code,
            epoch = excluded.epoch, reported_at = excluded.reported_at
        WHERE connectors.epoch <= excluded.epoch
        """,  # noqa: S608 - as above
        [fact.station_id for fact in facts],
        [fact.evse_id for fact in facts],
        [fact.connector_id for fact in facts],
        [fact.status for fact in facts],
        [fact.reported_status for fact in facts],
        [fact.error_code for fact in facts],
        [fact.info for fact in facts],
        [fact.vendor_id for fact in facts],
        [fact.vendor_error_code for fact in facts],
        [fact.epoch for fact in facts],
        [fact.reported_at for fact in facts],
        [first[connector] == position for position, connector in enumerate(connectors)],
        [last[connector] == position for position, connector in enumerate(connectors)],
    )
    return [None] * len(facts)


def _epoch(fact: StationBooted | ConnectorStatusReported) -> int:
    return fact.epoch
