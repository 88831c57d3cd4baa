"""OCPP 2.0.1 through a real pod, block by block: frames in, frames out, and the rows then."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from websockets.asyncio.client import connect

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.stations.stations import RegistrationStatus
from shared.store.access import id_tokens
from shared.store.pool import Database
from shared.store.stations import stations
from tests.integration.gateway.conftest import Pod
from tests.support.ocpp201 import BOOT, NOW, booted_station, meter_value, tell
from tests.support.stations import StationClient, basic_auth, register, station_client


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with booted_station(gateway.url) as client:
        yield client


async def register_token(db: Database, id_token: str, type_: IdTokenType) -> None:
    await id_tokens.create(
        db,
        id_token=id_token,
        type=type_,
        status=AuthorizationStatus.ACCEPTED,
        expires_at=None,
        group_id_token="GROUP",
    )


# The handshake


async def test_the_best_version_that_a_station_offers_is_taken(db: Database, gateway: Pod) -> None:
    await register(db)
    async with connect(
        f"{gateway.url}/CP-1",
        subprotocols=["ocpp1.6", "ocpp2.1", "ocpp2.0.1"],
        additional_headers=basic_auth("CP-1"),
    ) as websocket:
        assert websocket.subprotocol == "ocpp2.0.1"


# Frames


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        ("hello", [4, "-1", "RpcFrameworkError"]),
        ("{}", [4, "-1", "RpcFrameworkError"]),
        ("[]", [4, "-1", "RpcFrameworkError"]),
        ("[2]", [4, "-1", "RpcFrameworkError"]),
        ('[2,"7","Heartbeat",', [4, "7", "FormatViolation"]),
        ('[2,"7","Heartbeat",{"a":NaN}]', [4, "7", "FormatViolation"]),
        ('[2,"7","Heartbeat",{"a":01}]', [4, "7", "FormatViolation"]),
        ('[2,"7","Heartbeat",' + "[" * 100_000, [4, "7", "FormatViolation"]),
        ("[" * 100_000, [4, "-1", "RpcFrameworkError"]),
        (
            '[2,"7","Authorize",{"idToken":{"idToken":"a\\u0000","type":"Local"}}]',
            [4, "7", "PropertyConstraintViolation"],
        ),
        ('[5,"7",{}]', [4, "7", "MessageTypeNotSupported"]),
        ("[9]", [4, "-1", "MessageTypeNotSupported"]),
        ('[2,"7","Heartbeat",7]', [4, "7", "FormatViolation"]),
        ('[2,"7","NoSuchAction",{}]', [4, "7", "NotImplemented"]),
        ('[2,"7","StartTransaction",{}]', [4, "7", "NotImplemented"]),
        ('[2,"7","RequestStartTransaction",{}]', [4, "7", "NotSupported"]),
        ('[2,"7","ReserveNow",{}]', [4, "7", "NotSupported"]),
        ('[2,"7","Authorize",{}]', [4, "7", "OccurrenceConstraintViolation"]),
        ('[2,"7","Authorize",{"idToken":"TAG"}]', [4, "7", "TypeConstraintViolation"]),
        (
            '[2,"7","Authorize",{"idToken":{"idToken":"TAG","type":"RFID"}}]',
            [4, "7", "PropertyConstraintViolation"],
        ),
        ('[2,"7","TransactionEvent",{}]', [4, "7", "OccurrenceConstraintViolation"]),
        (
            '[2,"7","SecurityEventNotification",{"type":"X","timestamp":"yesterday"}]',
            [4, "7", "TypeConstraintViolation"],
        ),
        (
            f'[2,"7","NotifyReport",{{"requestId":{2**31},"generatedAt":"{NOW}","seqNo":0}}]',
            [4, "7", "PropertyConstraintViolation"],
        ),
        (f'[2,"{"x" * 37}","Heartbeat",{{}}]', [4, "x" * 36, "FormatViolation"]),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else value[2],
)
async def test_a_bad_frame_is_answered_in_words_of_2_0_1(
    station: StationClient, frame: str, answer: list[Any]
) -> None:
    await station.send(frame)
    assert (await station.receive())[:3] == answer


async def test_an_answer_to_nothing_gets_none(station: StationClient) -> None:
    for frame in ([3, "x", {}], [4, "x", "GenericError", "", {}], [3], [3, "x"]):
        await station.send(frame)
    assert (await station.call("Heartbeat", {}))[0] == 3


async def test_custom_data_is_taken_everywhere(station: StationClient) -> None:
    custom = {"customData": {"vendorId": "com.example", "extra": {"a": 1}}}
    await tell(station, "Heartbeat", custom)
    token = {"idToken": "T", "type": "ISO14443"} | custom
    await tell(station, "Authorize", {"idToken": token} | custom)
    await tell(station, "MeterValues", {"evseId": 1, "meterValue": [meter_value(1)]} | custom)


# Provisioning


@pytest.mark.usefixtures("station")
async def test_a_boot_says_who_the_station_is(db: Database) -> None:
    kept = await stations.get(db, "CP-1")
    assert (kept.vendor, kept.model, kept.serial_number) == ("Vendor", "Model", "SN-1")
    assert (kept.firmware_version, kept.ocpp_version) == ("1.2", "2.0.1")
    rest = await db.fetchrow("SELECT iccid, imsi, boot_reason FROM stations")
    assert tuple(rest) == ("89", "26", "PowerUp")


@pytest.mark.parametrize("status", [RegistrationStatus.PENDING, RegistrationStatus.REJECTED])
async def test_before_its_acceptance_a_station_may_only_boot(
    db: Database, gateway: Pod, status: RegistrationStatus
) -> None:
    await register(db, registration_status=status)
    async with station_client(gateway.url, subprotocol="ocpp2.0.1") as station:
        answer = await tell(station, "BootNotification", BOOT)
        assert (answer["status"], answer["interval"]) == (status, 60)
        assert (await station.call("Heartbeat", {}))[2] == "SecurityError"
        assert (await station.call("NotifyReport", report()))[2] == "SecurityError"


def report(*data: dict[str, Any]) -> dict[str, Any]:
    payload: dict[str, Any] = {"requestId": 1, "generatedAt": NOW, "seqNo": 0}
    return {**payload, "reportData": list(data)} if data else payload


async def test_a_report_fills_in_the_defaults_and_the_last_telling_stands(
    db: Database, station: StationClient
) -> None:
    interval = {
        "component": {"name": "OCPPCommCtrlr"},
        "variable": {"name": "HeartbeatInterval"},
        "variableAttribute": [{"value": "300"}],
    }
    power = {
        "component": {"name": "EVSE", "instance": "", "evse": {"id": 2, "connectorId": 1}},
        "variable": {"name": "Power", "instance": "Peak"},
        "variableAttribute": [
            {"type": "Actual", "value": "11000", "mutability": "ReadOnly", "persistent": True},
            {"type": "MaxSet", "constant": True},
        ],
        "variableCharacteristics": {
            "dataType": "decimal",
            "unit": "W",
            "minLimit": 0,
            "maxLimit": 22080.5,
            "supportsMonitoring": True,
        },
    }
    assert await tell(station, "NotifyReport", report()) == {}
    assert await tell(station, "NotifyReport", report(interval, power)) == {}
    interval["variableAttribute"] = [{"value": "60"}]
    assert await tell(station, "NotifyReport", report(interval, power)) == {}
    rows = await db.fetch(
        """
        SELECT component, component_instance, evse_id, connector_id, variable, variable_instance,
               attribute_type, value, mutability, persistent, constant, unit, max_limit
        FROM station_variables ORDER BY component, attribute_type
        """
    )
    limit = Decimal("22080.5")
    assert [tuple(row) for row in rows] == [
        ("EVSE", None, 2, 1, "Power", "Peak", "Actual", "11000", "ReadOnly", True, False, "W",
         limit),
        ("EVSE", None, 2, 1, "Power", "Peak", "MaxSet", None, "ReadWrite", False, True, "W",
         limit),
        ("OCPPCommCtrlr", None, None, None, "HeartbeatInterval", None, "Actual", "60", "ReadWrite",
         False, False, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "attribute", [{"value": "secret"}, {"value": "secret", "mutability": "WriteOnly"}]
)
@pytest.mark.parametrize("variable", ["BasicAuthPassword", "basicauthpassword"])
async def test_a_password_that_a_station_reports_is_not_kept(
    db: Database, station: StationClient, variable: str, attribute: dict[str, str]
) -> None:
    password = {
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": variable},
        "variableAttribute": [attribute],
    }
    await tell(station, "NotifyReport", report(password))
    assert await db.fetchval("SELECT value FROM station_variables") is None


# Availability


async def test_a_status_is_kept_and_a_later_one_replaces_it(
    db: Database, station: StationClient
) -> None:
    for status in ("Occupied", "Faulted"):
        payload = {
            "timestamp": NOW,
            "connectorStatus": status,
            "evseId": 2,
            "connectorId": 1,
        }
        assert await tell(station, "StatusNotification", payload) == {}
    (connector,) = await stations.list_connectors(db, ["CP-1"])
    assert (connector.evse_id, connector.connector_id, connector.status) == (2, 1, "Faulted")


# Authorization


async def test_a_token_is_authorized_with_its_group(db: Database, station: StationClient) -> None:
    await register_token(db, "TAG", IdTokenType.ISO14443)
    answer = await tell(station, "Authorize", {"idToken": {"idToken": "tag", "type": "ISO14443"}})
    assert answer == {
        "idTokenInfo": {
            "status": "Accepted",
            "groupIdToken": {"idToken": "GROUP", "type": "Central"},
        }
    }


@pytest.mark.parametrize(
    ("presented", "status"),
    [
        ({"idToken": "NOBODY", "type": "ISO14443"}, "Invalid"),
        ({"idToken": "TAG", "type": "ISO15693"}, "Accepted"),
        ({"idToken": "TAG", "type": "KeyCode"}, "Invalid"),
        ({"idToken": "PIN", "type": "KeyCode"}, "Accepted"),
        ({"idToken": "PIN", "type": "ISO14443"}, "Invalid"),
        ({"idToken": "", "type": "NoAuthorization"}, "Accepted"),
    ],
)
async def test_a_token_is_what_it_is_together_with_its_type(
    db: Database, station: StationClient, presented: dict[str, str], status: str
) -> None:
    await register_token(db, "TAG", IdTokenType.ISO14443)
    await register_token(db, "PIN", IdTokenType.KEY_CODE)
    answer = await tell(station, "Authorize", {"idToken": presented})
    assert answer["idTokenInfo"]["status"] == status


# Meter values


async def test_meter_values_outside_a_transaction_are_kept_once(
    db: Database, station: StationClient
) -> None:
    payload = {"evseId": 0, "meterValue": [meter_value(8.1, unitOfMeasure={"unit": "kWh"})]}
    for _ in range(3):
        assert await tell(station, "MeterValues", payload) == {}
    row = await db.fetchrow("SELECT evse_id, transaction_id, energy_wh FROM meter_values")
    assert tuple(row) == (0, None, Decimal(8100))
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 1


@pytest.mark.parametrize("value", ["", "12k", None, True, {}])
async def test_a_value_that_is_no_number_costs_only_its_sample(
    db: Database, station: StationClient, value: Any
) -> None:
    payload = {"evseId": 1, "meterValue": [meter_value(value, measurand="Voltage"), meter_value(5)]}
    assert await tell(station, "MeterValues", payload) == {}
    assert await db.fetchval("SELECT energy_wh FROM meter_values") == 5


# Diagnostics and security


def event(**words: Any) -> dict[str, Any]:
    return {
        "eventId": 1,
        "timestamp": NOW,
        "trigger": "Delta",
        "actualValue": "40",
        "eventNotificationType": "CustomMonitor",
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": "Temperature"},
        **words,
    }


async def test_events_are_kept_once_each(db: Database, station: StationClient) -> None:
    data = [event(), event(eventId=2, cause=1, cleared=True, techCode="E1", techInfo="hot")]
    payload = {"generatedAt": NOW, "seqNo": 0, "eventData": data}
    for _ in range(2):
        assert await tell(station, "NotifyEvent", payload) == {}
    await tell(station, "NotifyEvent", {**payload, "eventData": [event(actualValue="41")]})
    rows = await db.fetch(
        "SELECT event_id, cause, actual_value, cleared, tech_code, tech_info FROM station_events "
        "ORDER BY event_id, actual_value"
    )
    assert [tuple(row) for row in rows] == [
        (1, None, "40", None, None, None),
        (1, None, "41", None, None, None),
        (2, 1, "40", True, "E1", "hot"),
    ]


async def test_an_event_may_stand_for_a_status_notification(
    db: Database, station: StationClient
) -> None:
    connector = {"name": "Connector", "evse": {"id": 2, "connectorId": 1}}
    data = [
        event(component=connector, variable={"name": "AvailabilityState"}, actualValue="Occupied"),
        event(component=connector, variable={"name": "AvailabilityState"}, actualValue="Odd"),
        event(variable={"name": "AvailabilityState"}, actualValue="Faulted"),
    ]
    await tell(station, "NotifyEvent", {"generatedAt": NOW, "seqNo": 0, "eventData": data})
    (kept,) = await stations.list_connectors(db, ["CP-1"])
    assert (kept.evse_id, kept.connector_id, kept.status) == (2, 1, "Occupied")
    assert await db.fetchval("SELECT count(*) FROM station_events") == 3


async def test_security_events_are_kept_once_each(db: Database, station: StationClient) -> None:
    evil = "'; DROP TABLE security_events; --<script>"
    payload = {"type": "TamperDetectionActivated", "timestamp": NOW, "techInfo": evil}
    for _ in range(2):
        assert await tell(station, "SecurityEventNotification", payload) == {}
    await tell(
        station, "SecurityEventNotification", {"type": "StartupOfTheDevice", "timestamp": NOW}
    )
    rows = await db.fetch("SELECT type, tech_info FROM security_events ORDER BY type")
    assert [tuple(row) for row in rows] == [
        ("StartupOfTheDevice", None),
        ("TamperDetectionActivated", evil),
    ]


# Data transfer


async def test_data_of_an_unknown_vendor_is_refused_in_words(station: StationClient) -> None:
    for data in ("text", {"any": ["JSON"]}, 1):
        answer = await tell(station, "DataTransfer", {"vendorId": "com.example", "data": data})
        assert answer == {"status": "UnknownVendorId"}


# Whatever is kept is kept before it is answered


@pytest.mark.parametrize(
    ("table", "action", "payload"),
    [
        ("stations", "BootNotification", BOOT),
        (
            "connectors",
            "StatusNotification",
            {"timestamp": NOW, "connectorStatus": "Available", "evseId": 1, "connectorId": 1},
        ),
        ("meter_values", "MeterValues", {"evseId": 1, "meterValue": [meter_value(1)]}),
        (
            "transaction_events",
            "TransactionEvent",
            {
                "eventType": "Started",
                "timestamp": NOW,
                "triggerReason": "Authorized",
                "seqNo": 0,
                "transactionInfo": {"transactionId": "tx-1"},
            },
        ),
        (
            "station_variables",
            "NotifyReport",
            report(
                {
                    "component": {"name": "A"},
                    "variable": {"name": "B"},
                    "variableAttribute": [{"value": "1"}],
                }
            ),
        ),
        (
            "station_events",
            "NotifyEvent",
            {"generatedAt": NOW, "seqNo": 0, "eventData": [event()]},
        ),
        ("security_events", "SecurityEventNotification", {"type": "X", "timestamp": NOW}),
    ],
)
async def test_nothing_is_answered_before_it_is_kept(
    db: Database, station: StationClient, table: str, action: str, payload: dict[str, Any]
) -> None:
    async with db.acquire() as connection, connection.transaction():
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        telling = asyncio.create_task(station.call(action, payload))
        await asyncio.sleep(0.1)
        assert not telling.done()
    assert (await telling)[0] == 3
