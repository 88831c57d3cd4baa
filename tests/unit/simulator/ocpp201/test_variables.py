"""The device model: GetVariables, SetVariables and reports of it (B05 to B07, A01)."""

import pytest

from simulator.events import CommandAnswered
from simulator.ocpp201.reports import PART_SIZE
from tests.unit.simulator.bench import Payload
from tests.unit.simulator.ocpp201.bench import Bench201

#: Part 2, "Referenced Components and Variables": required of a station without certificates and
#: GetReport, and whose reconnecting cannot be configured.
REQUIRED = {
    ("AlignedDataCtrlr", "Interval", ""),
    ("AlignedDataCtrlr", "Measurands", ""),
    ("AlignedDataCtrlr", "TxEndedInterval", ""),
    ("AlignedDataCtrlr", "TxEndedMeasurands", ""),
    ("AuthCtrlr", "AuthorizeRemoteStart", ""),
    ("AuthCtrlr", "LocalAuthorizeOffline", ""),
    ("AuthCtrlr", "LocalPreAuthorize", ""),
    ("ChargingStation", "AvailabilityState", ""),
    ("ChargingStation", "Available", ""),
    ("ChargingStation", "SupplyPhases", ""),
    ("ClockCtrlr", "DateTime", ""),
    ("ClockCtrlr", "TimeSource", ""),
    ("Connector", "AvailabilityState", ""),
    ("Connector", "Available", ""),
    ("Connector", "ConnectorType", ""),
    ("Connector", "SupplyPhases", ""),
    ("DeviceDataCtrlr", "BytesPerMessage", "GetVariables"),
    ("DeviceDataCtrlr", "BytesPerMessage", "SetVariables"),
    ("DeviceDataCtrlr", "ItemsPerMessage", "GetVariables"),
    ("DeviceDataCtrlr", "ItemsPerMessage", "SetVariables"),
    ("EVSE", "AvailabilityState", ""),
    ("EVSE", "Available", ""),
    ("EVSE", "Power", ""),
    ("EVSE", "SupplyPhases", ""),
    ("OCPPCommCtrlr", "FileTransferProtocols", ""),
    ("OCPPCommCtrlr", "MessageAttemptInterval", "TransactionEvent"),
    ("OCPPCommCtrlr", "MessageAttempts", "TransactionEvent"),
    ("OCPPCommCtrlr", "MessageTimeout", "Default"),
    ("OCPPCommCtrlr", "NetworkConfigurationPriority", ""),
    ("OCPPCommCtrlr", "NetworkProfileConnectionAttempts", ""),
    ("OCPPCommCtrlr", "OfflineThreshold", ""),
    ("OCPPCommCtrlr", "ResetRetries", ""),
    ("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", ""),
    ("OCPPCommCtrlr", "WebSocketPingInterval", ""),
    ("SampledDataCtrlr", "TxEndedInterval", ""),
    ("SampledDataCtrlr", "TxEndedMeasurands", ""),
    ("SampledDataCtrlr", "TxStartedMeasurands", ""),
    ("SampledDataCtrlr", "TxUpdatedInterval", ""),
    ("SampledDataCtrlr", "TxUpdatedMeasurands", ""),
    ("SecurityCtrlr", "CertificateEntries", ""),
    ("TxCtrlr", "EVConnectionTimeOut", ""),
    ("TxCtrlr", "StopTxOnEVSideDisconnect", ""),
    ("TxCtrlr", "StopTxOnInvalidId", ""),
    ("TxCtrlr", "TxStartPoint", ""),
    ("TxCtrlr", "TxStopPoint", ""),
}


def _get_one(station: Bench201, **data: Payload | str) -> Payload:
    answer = station.command("GetVariables", {"getVariableData": [data]})
    (result,) = answer["getVariableResult"]
    return dict(result)


def _set_one(station: Bench201, **data: Payload | str) -> Payload:
    answer = station.command("SetVariables", {"setVariableData": [data]})
    (result,) = answer["setVariableResult"]
    return dict(result)


def _report(station: Bench201, base: str) -> list[Payload]:
    """Ask for a report and return its parts."""
    request = {"requestId": 17, "reportBase": base}
    assert station.command("GetBaseReport", request) == {"status": "Accepted"}
    parts = station.settle()
    assert {part.action for part in parts} == {"NotifyReport"}
    return [part.payload for part in parts]


def _named(parts: list[Payload]) -> list[tuple[str, str, str]]:
    return [
        (data["component"]["name"], data["variable"]["name"], data["variable"].get("instance", ""))
        for part in parts
        for data in part["reportData"]
    ]


# Reading


def test_each_variable_asked_for_gets_a_result_of_its_own(bench: type[Bench201]) -> None:
    station = bench().booted()
    heartbeat = {
        "component": {"name": "OCPPCommCtrlr"},
        "variable": {"name": "HeartbeatInterval"},
    }
    timeout = {
        "component": {"name": "OCPPCommCtrlr"},
        "variable": {"name": "MessageTimeout", "instance": "Default"},
        "attributeType": "Actual",
    }
    unknown = {"component": {"name": "Oven"}, "variable": {"name": "Temperature"}}
    answer = station.command("GetVariables", {"getVariableData": [heartbeat, timeout, unknown]})
    assert answer["getVariableResult"] == [
        {
            "attributeStatus": "Accepted",
            "attributeValue": "300",
            "attributeType": "Actual",
            **heartbeat,
        },
        {"attributeStatus": "Accepted", "attributeValue": "30", **timeout},
        {"attributeStatus": "UnknownComponent", "attributeType": "Actual", **unknown},
    ]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (
            {"component": {"name": "evse", "evse": {"id": 1}}, "variable": {"name": "power"}},
            "Accepted",
        ),
        ({"component": {"name": "EVSE"}, "variable": {"name": "Power"}}, "UnknownComponent"),
        (
            {"component": {"name": "EVSE", "evse": {"id": 2}}, "variable": {"name": "Power"}},
            "UnknownComponent",
        ),
        (
            {
                "component": {"name": "Connector", "evse": {"id": 1}},
                "variable": {"name": "ConnectorType"},
            },
            "UnknownComponent",
        ),
        (
            {
                "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
                "variable": {"name": "ConnectorType"},
            },
            "Accepted",
        ),
        (
            {
                "component": {"name": "TxCtrlr", "instance": "1"},
                "variable": {"name": "TxStartPoint"},
            },
            "UnknownComponent",
        ),
        ({"component": {"name": "TxCtrlr"}, "variable": {"name": "Voltage"}}, "UnknownVariable"),
        (
            {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "MessageTimeout"}},
            "UnknownVariable",  # B06.FR.15
        ),
        (
            {
                "component": {"name": "TxCtrlr", "instance": ""},
                "variable": {"name": "TxStartPoint", "instance": ""},
            },
            "Accepted",
        ),
        (
            {
                "component": {"name": "TxCtrlr"},
                "variable": {"name": "TxStartPoint"},
                "attributeType": "MaxSet",
            },
            "NotSupportedAttributeType",
        ),
        (
            {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}},
            "Rejected",
        ),
    ],
)
def test_what_is_not_there_is_said_in_the_status(
    bench: type[Bench201], data: Payload, status: str
) -> None:
    station = bench(password=b"secret").booted()
    result = _get_one(station, **data)
    assert result["attributeStatus"] == status
    assert ("attributeValue" in result) == (status == "Accepted")
    assert result["component"] == data["component"]
    assert result["variable"] == data["variable"]


def test_values_are_those_of_the_station(bench: type[Bench201]) -> None:
    station = bench(phases=0, power_w=50_000).booted(interval=86_400)
    assert station.get("ChargingStation", "SupplyPhases") == "0"
    assert station.get("SecurityCtrlr", "Identity") == "SIM-1"
    assert station.get("ClockCtrlr", "DateTime") == "2026-02-02T02:40:00.000Z"

    def power() -> float:
        component = {"name": "EVSE", "evse": {"id": 1}}
        result = _get_one(station, component=component, variable={"name": "Power"})
        return float(result["attributeValue"])

    assert power() == 0
    station.begin()
    station.live(30)
    assert 45_000 < power() <= 50_000


def test_more_items_than_allowed_are_refused(bench: type[Bench201]) -> None:
    station = bench().booted()
    limit = int(station.get("DeviceDataCtrlr", "ItemsPerMessage", instance="GetVariables"))
    item = {"component": {"name": "TxCtrlr"}, "variable": {"name": "TxStartPoint"}}
    answer = station.command("GetVariables", {"getVariableData": [item] * limit})
    assert len(answer["getVariableResult"]) == limit
    frame = station.ask("GetVariables", {"getVariableData": [item] * (limit + 1)})
    assert frame[2] == "OccurrenceConstraintViolation"
    written = {**item, "attributeValue": "x"}
    frame = station.ask("SetVariables", {"setVariableData": [written] * (limit + 1)})
    assert frame[2] == "OccurrenceConstraintViolation"


# Setting


@pytest.mark.parametrize(
    ("component", "variable", "value", "status", "why"),
    [
        ("OCPPCommCtrlr", "HeartbeatInterval", "60", "Accepted", None),
        ("ocppcommctrlr", "heartbeatINTERVAL", "60", "Accepted", None),
        ("OCPPCommCtrlr", "HeartbeatInterval", "0", "Rejected", "InvalidValue"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "-5", "Rejected", "InvalidValue"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "1_0", "Rejected", "InvalidValue"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "99999999999", "Rejected", "InvalidValue"),
        ("SampledDataCtrlr", "TxUpdatedInterval", "0", "Accepted", None),
        ("SampledDataCtrlr", "TxUpdatedMeasurands", "Voltage,SoC", "Accepted", None),
        ("SampledDataCtrlr", "TxUpdatedMeasurands", "Voltage,RPM", "Rejected", "InvalidValue"),
        ("AlignedDataCtrlr", "Interval", "0", "Accepted", None),
        ("AlignedDataCtrlr", "Interval", "900", "Accepted", None),
        ("AuthCtrlr", "LocalPreAuthorize", "True", "Accepted", None),
        ("AuthCtrlr", "LocalPreAuthorize", "yes", "Rejected", "InvalidValue"),
        ("TxCtrlr", "TxStartPoint", "EVConnected", "Rejected", "ReadOnly"),
        ("SecurityCtrlr", "BasicAuthPassword", "short", "Rejected", "InvalidValue"),
        ("SecurityCtrlr", "BasicAuthPassword", "x" * 65, "Rejected", "InvalidValue"),
        ("TxCtrlr", "Voltage", "1", "UnknownVariable", None),
        ("Oven", "Temperature", "1", "UnknownComponent", None),
    ],
)
def test_changes_are_applied_or_refused(
    bench: type[Bench201],
    component: str,
    variable: str,
    value: str,
    status: str,
    why: str | None,
) -> None:
    station = bench(password=b"old").booted()
    named: dict[str, Payload | str] = {
        "component": {"name": component},
        "variable": {"name": variable},
    }
    before = _get_one(station, **named)
    result = _set_one(station, **named, attributeValue=value)
    assert result["attributeStatus"] == status
    assert result["attributeType"] == "Actual"  # B05.FR.12
    assert result.get("attributeStatusInfo", {}).get("reasonCode") == why
    after = _get_one(station, **named)
    if status == "Accepted":
        assert after["attributeValue"].lower() == value.lower()
    else:
        assert after == before
        assert station.station.password == b"old"


def test_one_bad_item_does_not_spoil_the_others(bench: type[Bench201]) -> None:
    station = bench().booted()
    items = [
        {
            "component": {"name": "OCPPCommCtrlr"},
            "variable": {"name": name},
            "attributeValue": "77",
        }
        for name in ("HeartbeatInterval", "Nonsense", "OfflineThreshold")
    ]
    answer = station.command("SetVariables", {"setVariableData": items})
    statuses = [each["attributeStatus"] for each in answer["setVariableResult"]]
    assert statuses == ["Accepted", "UnknownVariable", "Accepted"]
    assert station.get("OCPPCommCtrlr", "OfflineThreshold") == "77"


def test_a_new_heartbeat_interval_takes_effect_at_once(bench: type[Bench201]) -> None:
    station = bench().booted(interval=86_400)
    station.set("OCPPCommCtrlr", "HeartbeatInterval", "20")
    beats = [frame for frame in station.live(61) if frame.action == "Heartbeat"]
    assert len(beats) == 3


def test_a_new_meter_interval_takes_effect_in_the_running_charge(bench: type[Bench201]) -> None:
    station = bench(meter_interval_s=1000).booted(interval=86_400)
    station.begin()
    station.set("SampledDataCtrlr", "TxUpdatedInterval", "7")
    assert len(station.events_in(station.live(22))) == 3
    station.set("SampledDataCtrlr", "TxUpdatedInterval", "0")
    assert station.live(100) == []


def test_offline_strangers_may_be_turned_away(bench: type[Bench201]) -> None:
    station = bench().booted()
    assert station.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "false") == "Accepted"
    station.disconnect()
    station.plug_in("STRANGER")
    assert station.station.connectors[1].charge is None


def test_a_new_password_is_used_on_a_new_connection_and_shown_nowhere(
    bench: type[Bench201],
) -> None:
    station = bench(password=b"old").booted()
    secret = "correct:horse-battery+staple"
    assert station.set("SecurityCtrlr", "BasicAuthPassword", secret) == "Accepted"
    assert station.station.password == secret.encode()
    assert not station.hang_ups  # The answer must get away first.
    station.tick(0.5)
    assert len(station.hang_ups) == 1
    assert station.dials == 1
    assert secret not in repr(station.events_of(CommandAnswered))
    assert "SecurityCtrlr" in repr(station.events_of(CommandAnswered))


@pytest.mark.parametrize(
    "data",
    [
        [{"component": {"name": "X"}, "variable": {"name": "basicAUTHpassword"}}],
        [{"component": {"name": "X"}, "variable": "BasicAuthPassword"}],
        [["BasicAuthPassword", "topsecret"]],
        {"attributeValue": "topsecret"},
    ],
)
def test_not_even_a_broken_request_shows_a_password(bench: type[Bench201], data: Payload) -> None:
    station = bench().booted()
    if isinstance(data, list) and isinstance(data[0], dict):
        data = [{**data[0], "attributeValue": "topsecret"}]
    station.ask("SetVariables", {"setVariableData": data})
    assert "topsecret" not in repr(station.events_of(CommandAnswered))


def test_what_is_no_secret_is_shown(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.set("OCPPCommCtrlr", "HeartbeatInterval", "54321")
    assert "54321" in repr(station.events_of(CommandAnswered))


# Reports


def test_a_full_report_comes_in_numbered_parts_and_lists_what_is_required(
    bench: type[Bench201],
) -> None:
    station = bench(connectors=2, password=b"topsecret").booted()
    parts = _report(station, "FullInventory")
    assert len(parts) > 2
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    assert [part["tbc"] for part in parts] == [True] * (len(parts) - 1) + [False]
    assert {part["requestId"] for part in parts} == {17}
    assert {part["generatedAt"] for part in parts} == {"2026-02-02T02:40:00.000Z"}
    assert {len(part["reportData"]) for part in parts[:-1]} == {PART_SIZE}
    named = _named(parts)
    assert set(named) >= REQUIRED
    assert len([name for name in named if name[:2] == ("EVSE", "Power")]) == 2
    assert "topsecret" not in repr(parts)


def test_a_report_tells_how_a_variable_can_be_used(bench: type[Bench201]) -> None:
    station = bench(power_w=11_000).booted()
    entries = [data for part in _report(station, "FullInventory") for data in part["reportData"]]
    (heartbeat,) = [each for each in entries if each["variable"]["name"] == "HeartbeatInterval"]
    assert heartbeat == {
        "component": {"name": "OCPPCommCtrlr"},
        "variable": {"name": "HeartbeatInterval"},
        "variableAttribute": [
            {
                "type": "Actual",
                "value": "300",
                "mutability": "ReadWrite",
                "persistent": True,
                "constant": False,
            }
        ],
        "variableCharacteristics": {
            "dataType": "integer",
            "supportsMonitoring": False,
            "unit": "s",
            "minLimit": 1,
            "maxLimit": 2**31 - 1,
        },
    }
    (password,) = [each for each in entries if each["variable"]["name"] == "BasicAuthPassword"]
    assert password["variableAttribute"][0]["mutability"] == "WriteOnly"
    assert "value" not in password["variableAttribute"][0]
    (power,) = [each for each in entries if each["variable"]["name"] == "Power"]
    assert power["component"] == {"name": "EVSE", "evse": {"id": 1}}
    assert power["variableCharacteristics"]["maxLimit"] == 11_000


def test_the_configuration_is_what_can_be_set(bench: type[Bench201]) -> None:
    station = bench().booted()
    parts = _report(station, "ConfigurationInventory")
    named = _named(parts)
    assert ("OCPPCommCtrlr", "HeartbeatInterval", "") in named
    assert ("SecurityCtrlr", "BasicAuthPassword", "") in named
    assert ("ClockCtrlr", "DateTime", "") not in named
    mutabilities = {
        data["variableAttribute"][0]["mutability"] for part in parts for data in part["reportData"]
    }
    assert mutabilities == {"ReadWrite", "WriteOnly"}


def test_the_summary_is_about_what_can_be_used(bench: type[Bench201]) -> None:
    station = bench(connectors=2).booted()
    request = {"operationalStatus": "Inoperative", "evse": {"id": 2}}
    station.command("ChangeAvailability", request)
    station.settle()
    states = [
        (data["component"].get("evse", {}).get("id"), data["variableAttribute"][0]["value"])
        for part in _report(station, "SummaryInventory")
        for data in part["reportData"]
        if data["variable"]["name"] == "AvailabilityState"
    ]
    assert states == [
        (None, "Available"),
        (1, "Available"),
        (1, "Available"),
        (2, "Unavailable"),
        (2, "Unavailable"),
    ]


def test_the_parts_of_a_report_follow_one_another(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.command("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    first = station.expect("NotifyReport")
    station.silent()
    station.reply(first, {})
    assert station.expect("NotifyReport").payload["seqNo"] == 1
