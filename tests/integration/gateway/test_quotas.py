"""What one station can make us keep, through a real pod: bounded, answered, counted and told."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.stations.configuration import (
    ConfigurationChanged,
    ConfigurationKey,
    ConfigurationReported,
)
from shared.domain.stations.device_model import (
    ComponentVariable,
    VariableAttribute,
    VariablesReported,
)
from shared.domain.stations.quirks import QuirkKind, QuirkSighting
from shared.domain.stations.stations import ConnectorStatus, ConnectorStatusReported
from shared.store import facts, quirk_sightings
from shared.store.pool import Database
from shared.store.quotas import BEYOND_QUOTA, RowQuotas
from shared.store.stations import reports
from shared.store.trust import security_events
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.ocpp16 import start, stop
from tests.support.signing import signing_request
from tests.support.stations import StationClient, register, station_client

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


async def count(db: Database, table: str) -> int:
    return int(await db.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608 - a test's own


async def beyond(pod: Pod, quota: str) -> float:
    """Return how much the pod has counted beyond a quota."""
    async with http_client() as client:
        page = (await client.get(f"{pod.management_url}/metrics")).text
    name = f'voltaro_gateway_beyond_quota_total{{quota="{quota}"}}'
    return next((float(line.split()[-1]) for line in page.splitlines() if line.startswith(name)), 0)


async def told(db: Database) -> list[tuple[str, str | None]]:
    events = await security_events.list_before(db, before=None, limit=100)
    return [(event.type, event.tech_info) for event in events if event.type == "QuotaExceeded"]


async def is_told_once(db: Database, quota: str) -> None:
    events = await eventually(lambda: told(db), bool, timeout_s=5)
    assert [type_ for type_, _ in events] == ["QuotaExceeded"]
    assert f"({quota})" in str(events[0][1])


async def say(station: StationClient, action: str, payload: dict[str, Any]) -> Any:
    frame = await station.call(action, payload)
    assert frame[0] == 3, frame
    return frame[2]


def status(connector_id: int, word: str = "Available") -> dict[str, Any]:
    return {"connectorId": connector_id, "errorCode": "NoError", "status": word}


def readings(values: int, samples: int) -> list[dict[str, Any]]:
    return [
        {
            "timestamp": f"2026-01-02T12:{number // 60:02}:{number % 60:02}Z",
            "sampledValue": [{"value": str(sample)} for sample in range(samples)],
        }
        for number in range(values)
    ]


async def test_made_up_connectors_are_answered_and_not_kept(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod(station_max_connectors=5) as pod, station_client(pod.url) as station:
        before = await beyond(pod, "connectors")
        await station.boot()
        for connector_id in range(20):
            assert await say(station, "StatusNotification", status(connector_id)) == {}
        assert await say(station, "StatusNotification", status(2, "Faulted")) == {}
        assert await beyond(pod, "connectors") - before == 15
        await is_told_once(db, "connectors")
    assert await count(db, "connectors") == 5
    assert await count(db, "connector_status_changes") == 6
    faulted = "SELECT evse_id FROM connectors WHERE reported_status = 'Faulted'"
    assert await db.fetchval(faulted) == 2


def report(evse_id: int, *, station_id: str = "CP-1", epoch: int = 1) -> ConnectorStatusReported:
    return ConnectorStatusReported(
        station_id=station_id,
        epoch=epoch,
        evse_id=evse_id,
        connector_id=1,
        status=ConnectorStatus.AVAILABLE,
        reported_status="Available",
        error_code=None,
        info=None,
        vendor_id=None,
        vendor_error_code=None,
        reported_at=NOON,
    )


async def test_a_batch_of_many_stations_is_counted_by_station(db: Database) -> None:
    await register(db)
    await register(db, "CP-2")
    results = await facts.write(
        db,
        [
            *(report(evse_id) for evse_id in (1, 2, 1, 3, 4, 3)),
            *(report(evse_id, station_id="CP-2") for evse_id in (1, 2)),
            report(4, epoch=2),
        ],
        quotas=RowQuotas(connectors=3),
    )
    assert results == [None, None, None, None, BEYOND_QUOTA, None, None, None, BEYOND_QUOTA]
    assert await count(db, "connectors") == 5
    assert await count(db, "connector_status_changes WHERE evse_id > 3") == 0


async def test_statuses_beyond_the_rate_reach_history_with_the_last_of_them(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(station_status_changes_burst=3) as pod,
        station_client(pod.url) as station,
    ):
        await station.boot()
        for word in ("Available", "Preparing", "Charging", "Finishing", "Available", "Faulted"):
            assert await say(station, "StatusNotification", status(1, word)) == {}
        await is_told_once(db, "status_changes")
    query = "SELECT reported_status FROM connector_status_changes ORDER BY change_id"
    kept = [record[0] for record in await db.fetch(query)]
    assert kept == ["Available", "Preparing", "Charging"]
    assert await db.fetchval("SELECT reported_status FROM connectors") == "Faulted"

    assert await reports.catch_up_history(db) == 1
    assert await reports.catch_up_history(db) == 0
    assert [record[0] for record in await db.fetch(query)] == [*kept, "Faulted"]


async def test_readings_outside_transactions_have_a_quota_and_transactions_none(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(station_meter_samples_burst=100) as pod,
        station_client(pod.url) as station,
    ):
        before = await beyond(pod, "meter_samples")
        await station.boot()
        loose = {"connectorId": 1, "meterValue": readings(15, 10)}
        assert await say(station, "MeterValues", loose) == {}
        assert await say(station, "MeterValues", loose) == {}
        assert await count(db, "meter_values") == 10
        assert await beyond(pod, "meter_samples") - before == 200
        await is_told_once(db, "meter_samples")

        _, transaction_id = await start(station, "TAG")
        charge = {**loose, "connectorId": 2, "transactionId": transaction_id}
        assert await say(station, "MeterValues", charge) == {}
        await stop(station, transaction_id)
    assert await count(db, "meter_values WHERE transaction_id IS NOT NULL") == 15


async def test_security_events_and_progress_have_quotas(db: Database, start_pod: StartPod) -> None:
    await register(db)
    async with (
        start_pod(station_security_events_burst=3, station_transfer_steps_burst=2) as pod,
        station_client(pod.url) as station,
    ):
        await station.boot()
        for number in range(10):
            event = {"type": "Odd", "timestamp": NOON.isoformat(), "techInfo": str(number)}
            assert await say(station, "SecurityEventNotification", event) == {}
            step = {"status": ("Downloading", "Downloaded")[number % 2]}
            assert await say(station, "FirmwareStatusNotification", step) == {}
            log = {"status": "Uploading", "requestId": number}
            assert await say(station, "LogStatusNotification", log) == {}
        events = await eventually(lambda: told(db), lambda events: len(events) == 2, timeout_s=5)
        assert {str(text).partition("(")[2].partition(")")[0] for _, text in events} == {
            "security_events",
            "transfer_steps",
        }
    assert await count(db, "security_events WHERE type = 'Odd'") == 3
    assert await count(db, "firmware_statuses") + await count(db, "log_statuses") == 2


async def test_events_have_a_quota_and_their_statuses_are_kept(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)

    def event(number: int) -> dict[str, Any]:
        return {
            "eventId": number,
            "timestamp": NOON.isoformat(),
            "trigger": "Delta",
            "actualValue": "Available" if number % 2 else "Faulted",
            "eventNotificationType": "HardWiredNotification",
            "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
            "variable": {"name": "AvailabilityState"},
        }

    async with (
        start_pod(station_events_burst=5) as pod,
        station_client(pod.url, subprotocol="ocpp2.0.1") as station,
    ):
        boot = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}
        await say(station, "BootNotification", boot)
        for first in (0, 4, 8):
            said = {
                "generatedAt": NOON.isoformat(),
                "seqNo": 0,
                "eventData": [event(number) for number in range(first, first + 4)],
            }
            assert await say(station, "NotifyEvent", said) == {}
        await is_told_once(db, "events")
    assert await count(db, "station_events") == 5
    assert await db.fetchval("SELECT reported_status FROM connectors") == "Available"


async def test_too_many_signing_requests_are_rejected_before_they_are_read(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(station_signing_requests_burst=3) as pod,
        station_client(pod.url) as station,
    ):
        await station.boot()
        answers = [
            (await say(station, "SignCertificate", {"csr": signing_request("CP-1")}))["status"]
            for _ in range(6)
        ]
        assert answers == ["Accepted"] * 3 + ["Rejected"] * 3
        await is_told_once(db, "signing_requests")
    assert await count(db, "certificate_signing_requests") == 3


async def test_the_ocpp_log_has_room_for_others(db: Database, start_pod: StartPod) -> None:
    await register(db)
    await register(db, "CP-2")
    async with start_pod(station_ocpp_log_burst_kib=20, ocpp_log_interval_s=0.2) as pod:
        before = await beyond(pod, "ocpp_log_kib")
        async with station_client(pod.url) as loud, station_client(pod.url, "CP-2") as other:
            await loud.boot()
            await other.boot()
            for _ in range(60):
                await say(loud, "DataTransfer", {"vendorId": "V", "data": "x" * 500})
            await say(other, "DataTransfer", {"vendorId": "V", "data": "x" * 500})
            await is_told_once(db, "ocpp_log_kib")
        assert await beyond(pod, "ocpp_log_kib") > before
    rows = await db.fetch("SELECT station_id, count(*) FROM ocpp_log GROUP BY station_id")
    kept = {row["station_id"]: row["count"] for row in rows}
    assert kept["CP-2"] == 2
    assert 5 < kept["CP-1"] < 40


async def test_a_new_connection_brings_no_new_quota(db: Database, start_pod: StartPod) -> None:
    await register(db)
    async with start_pod(station_security_events_burst=2) as pod:
        for number in range(3):
            async with station_client(pod.url) as station:
                await station.boot()
                event = {"type": "Odd", "timestamp": NOON.isoformat(), "techInfo": str(number)}
                assert await say(station, "SecurityEventNotification", event) == {}
    assert await count(db, "security_events WHERE type = 'Odd'") == 2


def variables(*names: str, value: str = "1", station_id: str = "CP-1") -> VariablesReported:
    return VariablesReported(
        station_id=station_id,
        epoch=1,
        request_id=1,
        generated_at=NOON,
        attributes=[
            VariableAttribute(
                name=ComponentVariable(component="C", variable=name, evse_id=None),
                type="Actual",
                value=value,
                mutability="ReadOnly",
                persistent=False,
                constant=False,
                unit=None,
                data_type=None,
                min_limit=Decimal(0),
                max_limit=None,
                values_list=None,
                supports_monitoring=None,
            )
            for name in names
        ],
    )


async def test_made_up_variables_are_not_kept_and_known_ones_are_brought_up_to_date(
    db: Database,
) -> None:
    await register(db)
    await register(db, "CP-2")
    quotas = RowQuotas(variables=3)
    assert await facts.write(db, [variables("a", "b")], quotas=quotas) == [None]
    results = await facts.write(
        db,
        [variables("b", "c", "d", "e", value="2"), variables("a", station_id="CP-2")],
        quotas=quotas,
    )
    assert results == [BEYOND_QUOTA, None]
    assert await facts.write(db, [variables("a", value="3")], quotas=quotas) == [None]
    rows = await db.fetch(
        "SELECT variable, value FROM station_variables WHERE station_id = 'CP-1' ORDER BY variable"
    )
    kept = {row["variable"]: row["value"] for row in rows}
    assert len(kept) <= 3
    assert (kept["a"], kept["b"]) == ("3", "2")


async def test_variables_of_a_real_report_are_counted_and_told(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(station_max_variables=3) as pod,
        station_client(pod.url, subprotocol="ocpp2.0.1") as station,
    ):
        boot = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}
        await say(station, "BootNotification", boot)
        said = {
            "requestId": 1,
            "generatedAt": NOON.isoformat(),
            "seqNo": 0,
            "reportData": [
                {
                    "component": {"name": "C"},
                    "variable": {"name": f"v{number}"},
                    "variableAttribute": [{"value": "1"}],
                }
                for number in range(10)
            ],
        }
        assert await say(station, "NotifyReport", said) == {}
        await is_told_once(db, "variables")
    assert await count(db, "station_variables") == 3


async def test_made_up_configuration_keys_are_not_kept(db: Database) -> None:
    await register(db)
    quotas = RowQuotas(configuration_keys=3)

    def told_keys(*names: str, value: str) -> ConfigurationReported:
        keys = [ConfigurationKey(name, value, read_only=False) for name in names]
        return ConfigurationReported(station_id="CP-1", keys=keys, unknown_keys=[], told_at=NOON)

    assert await facts.write(db, [told_keys("a", "b", value="1")], quotas=quotas) == [None]
    more = told_keys("A", "c", "d", "e", value="2")
    assert await facts.write(db, [more], quotas=quotas) == [BEYOND_QUOTA]
    change = ConfigurationChanged(
        station_id="CP-1",
        key="z",
        value="1",
        known=True,
        reboot_required=False,
        changed_at=NOON,
    )
    assert await facts.write(db, [change], quotas=quotas) in ([None], [BEYOND_QUOTA])
    rows = await db.fetch("SELECT lower(key) AS key, value FROM configuration_keys")
    kept = {row["key"]: row["value"] for row in rows}
    assert len(kept) == 3
    assert kept["a"] == "2"


async def test_a_station_that_makes_up_quirks_fills_no_list(db: Database) -> None:
    await register(db)
    await register(db, "CP-2")

    def sighting(member: str, station_id: str = "CP-1") -> QuirkSighting:
        return QuirkSighting(
            station_id=station_id,
            ocpp_version="1.6",
            action="Heartbeat",
            kind=QuirkKind.NULL_MEMBER,
            member=member,
            example="x",
            count=1,
            first_seen_at=NOON,
            last_seen_at=NOON,
        )

    for round_ in range(3):
        new = [sighting(f"{round_}.{number}") for number in range(5)]
        known = [sighting("0.0")] if round_ else []
        await quirk_sightings.add(db, new + known, max_per_station=7)
    await quirk_sightings.add(db, [sighting("real", "CP-2")], max_per_station=7)
    assert await count(db, "quirks") == 8
    assert await db.fetchval("SELECT count FROM quirks WHERE member = '0.0'") == 3


@pytest.mark.parametrize("quota", ["events", "security_events", "signing_requests"])
async def test_nothing_is_counted_of_a_usual_station(
    db: Database, gateway: Pod, quota: str
) -> None:
    await register(db)
    before = await beyond(gateway, quota)
    async with station_client(gateway.url) as station:
        await station.boot()
        for _ in range(5):
            event = {"type": "StartupOfTheDevice", "timestamp": NOON.isoformat()}
            await say(station, "SecurityEventNotification", event)
    assert await beyond(gateway, quota) == before
    assert await told(db) == []
