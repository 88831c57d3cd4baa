"""Configuration keys (1.6, chapter 9; 5.3 and 5.8)."""

import pytest

from simulator.events import CommandAnswered
from tests.unit.simulator.bench import Bench, Payload


def _get(station: Bench, *keys: str) -> dict[str, Payload]:
    answer = station.command("GetConfiguration", {"key": list(keys)})
    return {each["key"]: each for each in answer["configurationKey"]}


def _change(station: Bench, key: str, value: str) -> str:
    return station.command("ChangeConfiguration", {"key": key, "value": value})["status"]


REQUIRED = {  # 1.6, 9.1 and errata 3.80: what every Core station has.
    "AuthorizeRemoteTxRequests",
    "ClockAlignedDataInterval",
    "ConnectionTimeOut",
    "ConnectorPhaseRotation",
    "GetConfigurationMaxKeys",
    "HeartbeatInterval",
    "LocalAuthorizeOffline",
    "LocalPreauthorize",
    "MeterValuesAlignedData",
    "MeterValuesSampledData",
    "MeterValueSampleInterval",
    "NumberOfConnectors",
    "ResetRetries",
    "StopTransactionOnInvalidId",
    "StopTxnAlignedData",
    "StopTxnSampledData",
    "SupportedFeatureProfiles",
    "TransactionMessageAttempts",
    "TransactionMessageRetryInterval",
    "UnlockConnectorOnEVSideDisconnect",
}


def test_all_keys_are_listed_when_none_is_named(bench: type[Bench]) -> None:
    station = bench(connectors=2).booted()
    for request in ({}, {"key": []}):
        answer = station.command("GetConfiguration", request)
        assert "unknownKey" not in answer
        listed = {each["key"]: each for each in answer["configurationKey"]}
        assert listed.keys() >= REQUIRED
        assert "AuthorizationKey" not in listed
        assert listed["NumberOfConnectors"] == {
            "key": "NumberOfConnectors",
            "readonly": True,
            "value": "2",
        }


def test_unknown_keys_are_named_as_such(bench: type[Bench]) -> None:
    station = bench().booted()
    request = {"key": ["heartbeatinterval", "NoSuchKey"]}
    assert station.command("GetConfiguration", request) == {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}],
        "unknownKey": ["NoSuchKey"],
    }


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("HeartbeatInterval", "60", "Accepted"),
        ("HeartbeatInterval", "0", "Rejected"),
        ("HeartbeatInterval", "-5", "Rejected"),
        ("HeartbeatInterval", "1_0", "Rejected"),
        ("HeartbeatInterval", "٣", "Rejected"),
        ("HeartbeatInterval", "", "Rejected"),
        ("MeterValueSampleInterval", "0", "Accepted"),
        ("LocalPreauthorize", "True", "Accepted"),
        ("LocalPreauthorize", "yes", "Rejected"),
        ("MeterValuesSampledData", "Voltage,SoC", "Accepted"),
        ("MeterValuesSampledData", "Voltage,RPM", "Rejected"),
        ("ClockAlignedDataInterval", "0", "Accepted"),
        ("ClockAlignedDataInterval", "900", "Accepted"),
        ("CpoName", "x" * 65, "Rejected"),
        ("NumberOfConnectors", "3", "Rejected"),
        ("NoSuchKey", "1", "NotSupported"),
        ("AuthorizationKey", "short", "Rejected"),
    ],
)
def test_changes_are_applied_or_refused(
    bench: type[Bench], key: str, value: str, status: str
) -> None:
    station = bench().booted()
    before = _get(station, key)
    assert _change(station, key, value) == status
    after = _get(station, key)
    if status == "Accepted":
        assert after[key]["value"].lower() == value.lower()
    else:
        assert after == before


def test_a_new_heartbeat_interval_takes_effect_at_once(bench: type[Bench]) -> None:
    station = bench().booted(interval=86_400)
    _change(station, "HeartbeatInterval", "20")
    beats = [frame for frame in station.live(61) if frame.action == "Heartbeat"]
    assert len(beats) == 3


def test_a_new_meter_interval_takes_effect_in_the_running_charge(bench: type[Bench]) -> None:
    station = bench(meter_interval_s=1000).booted(interval=86_400)
    station.charge()
    _change(station, "MeterValueSampleInterval", "7")
    assert [frame.action for frame in station.live(22)] == ["MeterValues"] * 3
    _change(station, "MeterValueSampleInterval", "0")
    assert station.live(100) == []


def test_chosen_measurands_are_sent(bench: type[Bench]) -> None:
    station = bench().booted(interval=86_400)
    _change(station, "MeterValuesSampledData", "Power.Active.Import,Voltage")
    station.charge()
    (sample,) = station.live(10)
    measurands = [each["measurand"] for each in sample.payload["meterValue"][0]["sampledValue"]]
    assert measurands == ["Power.Active.Import", "Voltage"]


def test_a_station_told_to_measure_nothing_sends_no_empty_samples(bench: type[Bench]) -> None:
    station = bench().booted(interval=86_400)
    _change(station, "MeterValuesSampledData", "")
    station.charge()
    assert station.live(60) == []


def test_a_new_password_is_used_on_a_new_connection_and_shown_nowhere(bench: type[Bench]) -> None:
    station = bench(password=b"old").booted()
    secret = "00112233445566778899AABBCCDDEEFF"
    assert _change(station, "AuthorizationKey", secret) == "Accepted"
    assert station.station.password == bytes.fromhex(secret)
    assert not station.hang_ups  # The answer must get away first.
    station.tick(0.5)
    assert len(station.hang_ups) == 1
    assert station.dials == 1
    assert _get_hidden(station) == [{"key": "AuthorizationKey", "readonly": False}]
    assert secret not in repr(station.events_of(CommandAnswered))


def _get_hidden(station: Bench) -> list[Payload]:
    station.connect()
    answer = station.command("GetConfiguration", {"key": ["AuthorizationKey"]})
    return answer["configurationKey"]
