"""Writing what stations tell of themselves; `stations` reads it."""

from collections.abc import Sequence

from shared.domain.stations.stations import ConnectorStatusReported, StationBooted
from shared.store.epochs import SPEAKS
from shared.store.pool import Connection, Database
from shared.store.quotas import BEYOND_QUOTA, RowQuotas


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
                            WHEN 'Accepted' THEN now() ELSE stations.booted_at
                        END,
            boot_reason = boot.reason, updated_at = now()
        FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
                    $7::text[], $8::text[], $9::text[])
             AS boot (station_id, epoch, vendor, model, serial_number, firmware_version, iccid,
                      imsi, reason)
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
        [fact.reason for fact in newest],
    )
    statuses = {record["station_id"]: record["registration_status"] for record in records}
    return [statuses.get(fact.station_id) for fact in facts]


async def write_statuses(
    connection: Connection, told: Sequence[ConnectorStatusReported], quotas: RowQuotas
) -> list[str | None]:
    """Keep how connectors are, and when that changed.

    A connection that has been replaced changes nothing, and what is told again is no change. A
    station that has as many connectors as it may gets no more.

    Returns:
        Of each fact None, or BEYOND_QUOTA if its connector is not kept.
    """
    facts = sorted(told, key=_epoch)
    connectors = [(fact.station_id, fact.evse_id, fact.connector_id) for fact in facts]
    last = {connector: position for position, connector in enumerate(connectors)}
    count = len(facts) - 1
    first = {each: count - position for position, each in enumerate(reversed(connectors))}
    refused = await connection.fetch(
        f"""
        WITH told AS (
            SELECT told.*, before.station_id IS NULL AS is_new, before.epoch AS epoch_before,
                   before.reported_status AS status_before, before.error_code AS error_before,
                   coalesce(before.history_behind, false) AS history_behind
            FROM unnest(
                $1::text[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::text[], $10::bigint[], $11::timestamptz[],
                $12::boolean[], $13::boolean[], $14::boolean[]
            ) WITH ORDINALITY
                AS told (station_id, evse_id, connector_id, status, reported_status, error_code,
                         info, vendor_id, vendor_error_code, epoch, reported_at, in_history,
                         is_first, is_last, position)
            JOIN stations ON stations.station_id = told.station_id
                         AND {SPEAKS.format(epoch="told.epoch")}
            LEFT JOIN connectors AS before
                ON before.station_id = told.station_id AND before.evse_id = told.evse_id
                AND before.connector_id = told.connector_id
        ),
        -- Only who has a new connector is counted, which is hardly ever.
        refused AS (
            SELECT station_id, evse_id, connector_id FROM (
                SELECT station_id, evse_id, connector_id,
                       row_number() OVER (PARTITION BY station_id ORDER BY evse_id, connector_id)
                       + (SELECT count(*) FROM connectors AS known
                          WHERE known.station_id = told.station_id) AS number
                FROM told WHERE is_new AND is_last
            ) AS added
            WHERE number > $15
        ),
        report AS (
            SELECT told.* FROM told
            LEFT JOIN refused USING (station_id, evse_id, connector_id)
            WHERE refused.station_id IS NULL
        ),
        changed AS (
            INSERT INTO connector_status_changes (station_id, evse_id, connector_id, status,
                                                  reported_status, error_code, reported_at)
            SELECT station_id, evse_id, connector_id, status, reported_status, error_code,
                   reported_at
            FROM report
            WHERE in_history AND coalesce(epoch_before, 0) <= epoch
              AND (NOT is_first OR history_behind
                   OR (status_before, error_before)
                      IS DISTINCT FROM (reported_status, error_code))
            ORDER BY position
        ),
        kept AS (
            INSERT INTO connectors (station_id, evse_id, connector_id, status, reported_status,
                                    error_code, info, vendor_id, vendor_error_code, epoch,
                                    reported_at, received_at, history_behind)
            SELECT station_id, evse_id, connector_id, status, reported_status, error_code, info,
                   vendor_id, vendor_error_code, epoch, reported_at, now(), NOT in_history
            FROM report WHERE is_last
            ORDER BY station_id, evse_id, connector_id
            ON CONFLICT (station_id, evse_id, connector_id) DO UPDATE
            SET status = excluded.status, reported_status = excluded.reported_status,
                error_code = excluded.error_code, info = excluded.info,
                vendor_id = excluded.vendor_id, vendor_error_code = excluded.vendor_error_code,
                epoch = excluded.epoch, reported_at = excluded.reported_at,
                received_at = excluded.received_at, history_behind = excluded.history_behind
            WHERE connectors.epoch <= excluded.epoch
        )
        SELECT station_id, evse_id, connector_id FROM refused
        """,  # noqa: S608 - a condition of our own
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
        [fact.in_history for fact in facts],
        [first[connector] == position for position, connector in enumerate(connectors)],
        [last[connector] == position for position, connector in enumerate(connectors)],
        quotas.connectors,
    )
    if not refused:
        return [None] * len(told)
    beyond = {tuple(record) for record in refused}
    return [
        BEYOND_QUOTA if (fact.station_id, fact.evse_id, fact.connector_id) in beyond else None
        for fact in told
    ]


async def catch_up_history(db: Database) -> int:
    """Write down how connectors are whose history was left behind; return how many.

    Beyond its quota a station's changes are not kept one by one, and this keeps the last of them.
    """
    count: int = await db.fetchval(
        """
        WITH behind AS (
            SELECT station_id, evse_id, connector_id FROM connectors WHERE history_behind
            ORDER BY station_id, evse_id, connector_id FOR UPDATE SKIP LOCKED
        ),
        caught_up AS (
            UPDATE connectors SET history_behind = false FROM behind
            WHERE connectors.station_id = behind.station_id
              AND connectors.evse_id = behind.evse_id
              AND connectors.connector_id = behind.connector_id
            RETURNING connectors.*
        ),
        changed AS (
            INSERT INTO connector_status_changes (station_id, evse_id, connector_id, status,
                                                  reported_status, error_code, reported_at)
            SELECT station_id, evse_id, connector_id, status, reported_status, error_code,
                   reported_at
            FROM caught_up
        )
        SELECT count(*) FROM caught_up
        """
    )
    return count


def _epoch(fact: StationBooted | ConnectorStatusReported) -> int:
    return fact.epoch
