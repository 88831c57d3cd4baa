"""What it costs to look for what is amiss follows what is amiss, and not the size of the fleet."""

import os
from datetime import timedelta
from typing import Any

from control.jobs.notices.alerts import tell_of_partitions
from shared.domain.notices.alerts import OF_INSTALLATION, AlertKind, loosest
from shared.store.notices.alert_conditions import WATCHES
from shared.store.notices.alert_evaluation import find_slice, statement
from shared.store.pool import Database
from tests.integration.control.notices.alert_plays import NOW, PLAYS, make_rule, make_stations, play
from tests.support.plans import Asked

# `VOLTARO_TEST_STATIONS=100000` for the size that is promised.
STATIONS = int(os.environ.get("VOLTARO_TEST_STATIONS", "10000"))
LARGE = (
    *("stations", "connectors", "sessions", "station_connections", "client_certificates"),
    *("commands", "ocpp_log", "meter_values"),
)
_WELL = f"""
    INSERT INTO stations (station_id, security_profile, ocpp_version, online, created_at)
    SELECT 'X-' || n, 0, '1.6', true, $1 FROM generate_series(1, {STATIONS}) AS n;
    INSERT INTO connectors (station_id, evse_id, connector_id, status, reported_status, epoch,
                            reported_at)
    SELECT station_id, 1, 1, 'Available', 'Available', 1, $1 FROM stations;
    INSERT INTO station_connections (station_id, epoch, pod_id, connection_id, ocpp_version,
                                     connected_at)
    SELECT station_id, 99, 'pod-1', '1', '1.6', $1 - interval '7 days' FROM stations;
    INSERT INTO client_certificates (station_id, origin, sha256, not_after)
    SELECT station_id, 'issued', station_id, $1 + interval '1 year' FROM stations;
    INSERT INTO sessions (station_id, evse_id, transaction_id, transaction_id_issuer, ocpp_version,
                          started_at, ended_at)
    SELECT station_id, 1, 'x', 'csms', '1.6', $1 - interval '2 hours', $1 - interval '1 hour'
    FROM stations;
    INSERT INTO commands (station_id, type, params, state, expires_at, finished_at)
    SELECT station_id, 'Reset', '{{}}', 'accepted', $1, $1 FROM stations;
    INSERT INTO ocpp_log (called_at, station_id, ocpp_version, direction, outcome, pod_id)
    SELECT $1 - interval '1 min', station_id, '1.6', 'from_station', 'CallResult', 'pod-1'
    FROM stations;
    INSERT INTO meter_values (station_id, evse_id, sampled_at, fingerprint, energy_wh, samples)
    SELECT station_id, 1, $1 - interval '1 hour', 1, 1, '[]' FROM stations
"""  # noqa: S608 - a number of ours


async def make_fleet(db: Database) -> None:
    now = f"timestamptz '{NOW.isoformat()}'"
    for each in _WELL.split(";"):
        await db.execute(each.replace("$1", now))
    await db.execute("ANALYZE")


async def test_no_kind_reads_a_large_table_to_find_what_is_amiss(db: Database) -> None:
    await make_stations(db)
    await make_fleet(db)
    asked = Asked(db)
    for played in PLAYS:
        if played.kind in OF_INSTALLATION:
            continue
        await play(db, played.begins, NOW)
        await make_rule(db, played.kind, played.parameters)
        watch = WATCHES[played.kind]
        bound = loosest([played.parameters], watch.bounds, choose_highest=watch.bound_is_highest)
        more: tuple[Any, ...] = ()
        if watch.in_slices:
            slice_ = await find_slice(db, after="", stations=10)
            assert slice_ is not None
            more = (slice_.after, slice_.last)
        found = await asked.fetch(statement(played.kind), NOW, bound, 100, *more)
        assert [each["subject"] for each in found][:1] != [], played.kind
        for table in LARGE:
            assert await asked.rows_read(table) <= 200, (played.kind, table)
        await db.execute("DELETE FROM alert_rules")
        await db.execute("UPDATE stations SET online = true WHERE NOT online")
        for table in ("sessions", "client_certificates", "commands"):
            await db.execute(f"DELETE FROM {table} WHERE station_id IN ('CS-1', 'CS-2')")  # noqa: S608 - named above


async def test_partitions_are_counted_without_looking_into_them(db: Database) -> None:
    told = await tell_of_partitions(db, NOW + timedelta(days=1))
    days = {each["evidence"]["table"]: each["evidence"]["days_ahead"] for each in told}
    assert days == {"meter_values": 7, "ocpp_log": 7, "authorizations": 7, "events": 7}
    assert AlertKind.PARTITIONS in WATCHES
