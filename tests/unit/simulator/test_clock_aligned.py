"""Readings aligned to the clock (1.6, 3.16.2; 2.0.1: J01)."""

from simulator.profile import OcppVersion
from tests.unit.simulator.bench import Bench, Frame
from tests.unit.simulator.ocpp201.bench import Bench201

#: START is 02:40:00 of its day.
_TO_THE_HOUR_S = 1200


def _readings(said: list[Frame]) -> list[Frame]:
    return [
        frame
        for frame in said
        if frame.action == "MeterValues"
        and frame.payload["meterValue"][0]["sampledValue"][0]["context"] == "Sample.Clock"
    ]


def _change(station: Bench, key: str, value: str) -> None:
    answer = station.command("ChangeConfiguration", {"key": key, "value": value})
    assert answer == {"status": "Accepted"}


def test_all_connectors_are_read_at_full_multiples_of_the_interval(bench: type[Bench]) -> None:
    station = bench(connectors=2, meter_interval_s=0).booted(interval=86_400)
    station.charge(connector_id=2, transaction_id=4)
    _change(station, "ClockAlignedDataInterval", "900")
    readings = _readings(station.live(_TO_THE_HOUR_S))
    assert [
        (
            each.payload["connectorId"],
            each.payload.get("transactionId"),
            each.payload["meterValue"][0]["timestamp"][11:19],
        )
        for each in readings
    ] == [(1, None, "02:45:00"), (2, 4, "02:45:00"), (1, None, "03:00:00"), (2, 4, "03:00:00")]


def test_an_interval_that_does_not_divide_the_day_begins_again_at_midnight(
    bench: type[Bench],
) -> None:
    station = bench(meter_interval_s=0, clock_aligned_interval_s=40_000).booted(interval=86_400)
    times = [
        each.payload["meterValue"][0]["timestamp"][11:19]
        for each in _readings(station.live(86_400 + 40_000))
    ]
    assert times == ["11:06:40", "22:13:20", "00:00:00", "11:06:40"]


def test_it_can_be_switched_off_and_the_measurands_chosen(bench: type[Bench]) -> None:
    station = bench(clock_aligned_interval_s=60).booted(interval=86_400)
    _change(station, "MeterValuesAlignedData", "Voltage")
    (reading,) = _readings(station.live(60))
    samples = reading.payload["meterValue"][0]["sampledValue"]
    assert [each["measurand"] for each in samples] == ["Voltage"]
    _change(station, "ClockAlignedDataInterval", "0")
    assert _readings(station.live(600)) == []
    _change(station, "MeterValuesAlignedData", "")
    _change(station, "ClockAlignedDataInterval", "60")
    assert _readings(station.live(600)) == []


def test_offline_only_those_of_a_transaction_are_kept(bench: type[Bench]) -> None:
    station = bench(
        connectors=2, meter_interval_s=0, clock_aligned_interval_s=60, reset_timeout_s=1
    ).booted(interval=86_400)
    station.charge(connector_id=2)
    station.disconnect()
    station.tick(130)
    station.connect()
    assert [each.payload["connectorId"] for each in _readings(station.live(1))] == [2, 2]


def test_2_0_1_tells_them_as_part_of_the_transaction_or_alone() -> None:
    station = Bench201(connectors=2, meter_interval_s=0).booted(interval=86_400)
    station.begin(connector_id=2)
    assert station.set("AlignedDataCtrlr", "Interval", "900") == "Accepted"
    said = station.live(300)
    (alone,) = [frame for frame in said if frame.action == "MeterValues"]
    assert alone.payload["evseId"] == 1
    (event,) = station.events_in(said)
    assert event["triggerReason"] == "MeterValueClock"
    assert event["meterValue"][0]["sampledValue"][0]["context"] == "Sample.Clock"
    assert station.version is OcppVersion.V2_0_1
