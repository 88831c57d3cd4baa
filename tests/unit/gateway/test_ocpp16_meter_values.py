"""Every word that a sample of OCPP 1.6 may hold, in the shape in which it is kept."""

import json
from decimal import Decimal
from importlib import resources
from typing import Any

import pytest

from gateway.ocpp16.meter_values import to_meter_values
from gateway.ocpp201.meter_values import to_meter_values as to_meter_values_201
from gateway.schemas import load
from shared.domain.sessions.meter_values import MeterSample, MeterValue, ReadingContext
from shared.store.fingerprints import encode_json

ENERGY = "Energy.Active.Import.Register"
OCMF = (
    'OCMF|{"FV":"1.0","GI":"X","PG":"T12","RD":[{"TM":"2026-01-01T00:00:00,000+0000 S","TX":"B",'
    '"RV":2935.6,"RI":"1-b:1.8.0","RU":"kWh","ST":"G"}]}|{"SD":"3045022100AB=="}'
)

# Words of the schema, which is laxer than §7.45: both spellings (errata JE 2.1), and hertz.
UNITS = {
    **{
        unit: unit
        for unit in (
            "Wh", "kWh", "varh", "kvarh", "W", "kW", "VA", "kVA", "var", "kvar", "A", "V",
            "Celsius", "Fahrenheit", "K", "Percent",
        )
    },
    "Celcius": "Celsius",
    "Hertz": "Hz",
}  # fmt: skip
DEFAULT_UNITS = {
    "Current.Export": None,
    "Current.Import": None,
    "Current.Offered": None,
    "Energy.Active.Export.Register": "Wh",
    "Energy.Active.Import.Register": "Wh",
    "Energy.Reactive.Export.Register": "varh",
    "Energy.Reactive.Import.Register": "varh",
    "Energy.Active.Export.Interval": "Wh",
    "Energy.Active.Import.Interval": "Wh",
    "Energy.Reactive.Export.Interval": "varh",
    "Energy.Reactive.Import.Interval": "varh",
    "Frequency": "Hz",
    "Power.Active.Export": None,
    "Power.Active.Import": None,
    "Power.Factor": None,
    "Power.Offered": None,
    "Power.Reactive.Export": None,
    "Power.Reactive.Import": None,
    "RPM": "RPM",
    "SoC": "Percent",
    "Temperature": None,
    "Voltage": None,
}


ALLOWED = json.loads(
    resources.files("ocpp.v16").joinpath("schemas/MeterValues.json").read_text("utf-8-sig")
)["properties"]["meterValue"]["items"]["properties"]["sampledValue"]["items"]["properties"]


def words(member: str) -> list[str]:
    """Return the words that the schema allows for a member."""
    return list(ALLOWED[member]["enum"])


def translated(**sampled_value: Any) -> MeterValue:
    """Translate a sample that its schema takes."""
    values = [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [sampled_value]}]
    load("v16", "MeterValues").validate({"connectorId": 1, "meterValue": values})
    (value,) = to_meter_values(values)
    return value


def kept(**sampled_value: Any) -> MeterSample:
    (sample,) = translated(**sampled_value).samples
    return sample


def test_the_tables_hold_every_word() -> None:
    assert set(words("unit")) == UNITS.keys()
    assert set(words("measurand")) == DEFAULT_UNITS.keys()
    assert set(words("context")) == set(ReadingContext)


def test_defaults_are_written_out() -> None:
    assert kept(value="1") == {
        "value": "1",
        "measurand": ENERGY,
        "context": "Sample.Periodic",
        "location": "Outlet",
        "unit": "Wh",
    }


@pytest.mark.parametrize("measurand", words("measurand"))
def test_every_measurand_with_the_unit_that_it_is_in_unless_it_says(measurand: str) -> None:
    sample = kept(value="1", measurand=measurand)
    assert sample["measurand"] == measurand
    assert sample.get("unit") == DEFAULT_UNITS[measurand]


@pytest.mark.parametrize("unit", words("unit"))
@pytest.mark.parametrize("measurand", ["Voltage", "Energy.Reactive.Import.Register"])
def test_every_unit_in_the_spelling_of_201(unit: str, measurand: str) -> None:
    assert kept(value="1", measurand=measurand, unit=unit).get("unit") == UNITS[unit]


@pytest.mark.parametrize("member", ["context", "location", "phase", "format"])
def test_every_other_word_stays_as_it_is(member: str) -> None:
    for word in words(member):
        sample = kept(value="1", **{member: word})
        assert sample == {**kept(value="1"), member: word}


@pytest.mark.parametrize(
    ("sampled_value", "energy_wh"),
    [
        ({"value": "12.345", "unit": "kWh"}, Decimal("12345.000")),
        ({"value": "12.345", "unit": "Wh"}, Decimal("12.345")),
        ({"value": "12.345"}, Decimal("12.345")),
        ({"value": "1e3"}, Decimal(1000)),
        ({"value": "-5"}, Decimal(-5)),
        *(({"value": "1", "context": context}, Decimal(1)) for context in words("context")),
        *(({"value": "1", "phase": phase}, None) for phase in words("phase")),
        *(
            ({"value": "1", "location": location}, Decimal(1) if location == "Outlet" else None)
            for location in words("location")
        ),
        *(
            ({"value": "1", "measurand": measurand}, Decimal(1) if measurand == ENERGY else None)
            for measurand in words("measurand")
        ),
        *(
            ({"value": "1", "unit": unit}, None)
            for unit in words("unit")
            if unit not in {"Wh", "kWh"}
        ),
        ({"value": "1", "format": "Raw"}, Decimal(1)),
        ({"value": OCMF, "format": "SignedData"}, None),
    ],
)
def test_what_is_the_import_register_and_what_is_not(
    sampled_value: dict[str, Any], energy_wh: Decimal | None
) -> None:
    assert translated(**sampled_value).energy_wh == energy_wh


@pytest.mark.parametrize(
    "signed", [OCMF, "3045022100AB", json.dumps({"signedMeterData": "T0NNRg==", "é": "\u0000"}), ""]
)
def test_signed_data_is_kept_word_for_word(signed: str) -> None:
    sample = kept(value=signed, format="SignedData", context="Transaction.End")
    assert (sample["value"], sample["format"]) == (signed, "SignedData")
    assert json.loads(encode_json([sample]))[0]["value"] == signed


@pytest.mark.parametrize(
    "value", ["", " ", "NaN", "inf", "1,5", "0x10", "1_000", "\u0661", "twelve"]
)
def test_what_is_no_number_is_left_out(value: str) -> None:
    values = [
        {
            "timestamp": "2026-01-01T00:00:00Z",
            "sampledValue": [{"value": value}, {"value": "7", "measurand": "SoC"}],
        }
    ]
    ((sample,),) = (each.samples for each in to_meter_values(values))
    assert sample["measurand"] == "SoC"


@pytest.mark.parametrize(
    ("unit_16", "unit_201"),
    [("kWh", "kWh"), (None, None), ("Hertz", "Hz"), ("Celcius", "Celsius")],
)
def test_both_versions_look_alike(unit_16: str | None, unit_201: str | None) -> None:
    sampled_value = {
        "value": 12.5,
        "measurand": ENERGY,
        "context": "Sample.Clock",
        "phase": "L1",
        "location": "Inlet",
    }
    (value,) = to_meter_values_201(
        [
            {
                "timestamp": "2026-01-01T00:00:00Z",
                "sampledValue": [
                    {**sampled_value, "unitOfMeasure": {"unit": unit_201} if unit_201 else {}}
                ],
            }
        ]
    )
    of_16 = {**sampled_value, "value": "12.5", **({"unit": unit_16} if unit_16 else {})}
    assert value.samples == [kept(**of_16)]
