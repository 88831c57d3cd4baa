"""Samples of both versions that are odd: what is kept, what is dropped, and how it is counted."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import REGISTRY

from gateway import ocpp16, ocpp201, quirks
from gateway.errors import CallRefusedError
from shared.domain.sessions.meter_values import MeterValue

TIME = "2026-01-02T03:04:05Z"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Noted = list[tuple[str, str, str]]
Translate = Callable[..., list[MeterValue]]
BOTH = pytest.mark.parametrize(
    ("translate", "no_number"),
    [
        (ocpp16.meter_values.to_meter_values, "none"),
        (ocpp201.meter_values.to_meter_values, "none"),
        (ocpp201.meter_values.to_meter_values, float("inf")),
        (ocpp201.meter_values.to_meter_values, None),
        (ocpp201.meter_values.to_meter_values, True),
    ],
    ids=lambda it: it.__module__ if callable(it) else str(it),
)


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    """Return what is found in messages: kind, member and example."""
    told: Noted = []
    monkeypatch.setattr(quirks, "found", lambda *what: told.append((*what, "")[:3]))
    return told


def dropped() -> float:
    return REGISTRY.get_sample_value("voltaro_gateway_meter_samples_dropped_total") or 0.0


def value(*values: object, time: str = TIME) -> dict[str, Any]:
    return {"timestamp": time, "sampledValue": [{"value": each} for each in values]}


def digits(translated: list[MeterValue]) -> list[list[str]]:
    return [[sample["value"] for sample in each.samples] for each in translated]


@BOTH
def test_a_sample_that_is_no_number_goes_alone_and_is_counted(
    noted: Noted, translate: Translate, no_number: object
) -> None:
    before = dropped()
    translated = translate([value("1", no_number, "2"), value(no_number), value("3")])
    assert digits(translated) == [["1", "2"], ["3"]]
    assert [each.sampled_at for each in translated] == [AT, AT]
    assert dropped() - before == 2
    assert {what for what in noted if what[0] == "sample_dropped"} == {
        ("sample_dropped", "sampledValue.value", "")
    }


@BOTH
def test_values_whose_time_is_none_go_with_all_their_samples(
    noted: Noted, translate: Translate, no_number: object
) -> None:
    before = dropped()
    assert digits(translate([value("1", "2", time="soon"), value("3")])) == [["3"]]
    assert dropped() - before == 2
    assert ("item_dropped", "meterValue.timestamp", "soon") in noted
    del no_number


@BOTH
def test_only_times_are_a_reason_to_refuse_values_of_which_nothing_is_left(
    translate: Translate, no_number: object
) -> None:
    assert translate([]) == []
    assert translate([value(no_number)]) == []
    assert translate([value()]) == []
    with pytest.raises(CallRefusedError, match="soon"):
        translate([value("1", time="soon")])
    assert translate([value("1", time="soon")], may_be_none=True) == []
    assert digits(translate([value("1", time="soon"), value("2")])) == [["2"]]


@pytest.mark.parametrize(
    ("told", "kept", "quirk"),
    [
        (7, "7", []),
        (Decimal("7.50"), "7.50", []),
        (Decimal("0E-7"), "0.0000000", []),
        (Decimal("1E+3"), "1000", []),
        (1.5e300, "1.5e+300", []),
        ("7.50", "7.50", [("number_as_text", "sampledValue.value", "")]),
        (" 7 ", "7", [("number_as_text", "sampledValue.value", "")]),
    ],
)
def test_a_number_of_2_0_1_keeps_its_digits(
    noted: Noted, told: object, kept: str, quirk: Noted
) -> None:
    assert digits(ocpp201.meter_values.to_meter_values([value(told)])) == [[kept]]
    assert noted == quirk


@pytest.mark.parametrize(
    ("sample", "unit", "quirk"),
    [
        ({}, "Wh", False),
        ({"measurand": "Energy.Reactive.Import.Register"}, "Wh", False),
        ({"measurand": "Voltage"}, None, False),
        ({"unitOfMeasure": {}}, "Wh", False),
        ({"unitOfMeasure": {"unit": "kWh"}}, "kWh", False),
        ({"unitOfMeasure": {"unit": "KWH"}}, "kWh", True),
        ({"unitOfMeasure": {"unit": " kwh "}}, "kWh", True),
        ({"unitOfMeasure": {"unit": "%"}}, "Percent", True),
        ({"unitOfMeasure": {"unit": "°C"}}, "Celsius", True),
        ({"unitOfMeasure": {"unit": "Hertz"}}, "Hz", True),
        ({"unitOfMeasure": {"unit": "Bananas"}}, "Bananas", False),  # a vendor's own
    ],
)
def test_a_unit_of_2_0_1_is_told_in_its_standard_spelling(
    noted: Noted, sample: dict[str, Any], unit: str | None, *, quirk: bool
) -> None:
    told = {"timestamp": TIME, "sampledValue": [{"value": 1, **sample}]}
    ((kept,),) = (each.samples for each in ocpp201.meter_values.to_meter_values([told]))
    assert kept.get("unit") == unit
    said = sample.get("unitOfMeasure", {}).get("unit")
    assert noted == ([("wrong_case", "sampledValue.unitOfMeasure.unit", said)] if quirk else [])
