"""Which samples tell the total of an EVSE's import register, and how much."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.sessions.meter_values import (
    ReadingContext,
    StoredMeterValue,
    energy_import_wh,
    import_registers,
    is_number,
)
from tests.support.session_scripts import sample

AT = datetime(2026, 1, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "expected_wh"),
    [
        ({}, 1500),
        ({"unit": "Wh"}, 1500),
        ({"unit": "kWh"}, 1_500_000),
        ({"multiplier": 0}, 1500),
        ({"multiplier": 3}, 1_500_000),
        ({"multiplier": -1}, 150),
        ({"unit": "kWh", "multiplier": -3}, 1500),
        ({"multiplier": 24}, Decimal("1500E+24")),
        ({"multiplier": -24}, Decimal("1500E-24")),
        ({"format": "Raw"}, 1500),
        ({"multiplier": 25}, None),
        ({"multiplier": -25}, None),
        ({"unit": "varh"}, None),
        ({"unit": "wh"}, None),
        ({"phase": "L1"}, None),
        ({"location": "EV"}, None),
        ({"location": "Inlet"}, None),
        ({"format": "SignedData"}, None),
        ({"measurand": "Energy.Active.Export.Register"}, None),
        ({"measurand": "Energy.Active.Import.Interval"}, None),
    ],
    ids=str,
)
def test_only_the_total_at_the_outlet_is_the_import_register(
    told: dict[str, Any], expected_wh: Decimal | int | None
) -> None:
    samples = [sample("1500", **told)]
    assert energy_import_wh(samples) == expected_wh
    registers = list(import_registers(samples))
    assert registers == ([] if expected_wh is None else [(expected_wh, "Sample.Periodic")])


def test_a_register_keeps_the_digits_that_the_meter_sent() -> None:
    assert str(energy_import_wh([sample("1500.10")])) == "1500.10"


@pytest.mark.parametrize("context", ["Transaction.Begin", "Interruption.Begin"])
def test_what_the_meter_showed_at_a_begin_counts_only_if_there_is_nothing_else(
    context: str,
) -> None:
    begun = [sample("1000", context=context), sample("1001", context=context)]
    assert energy_import_wh([]) is None
    assert energy_import_wh(begun) == 1000
    assert energy_import_wh([*begun, sample("4000"), sample("5000")]) == 4000
    assert energy_import_wh([sample("4000"), *begun]) == 4000
    assert energy_import_wh([sample("0", context=context), *begun]) == 0


def test_every_register_of_a_meter_value_is_told_with_why_it_was_read() -> None:
    samples = [
        sample("1000", context="Transaction.Begin"),
        sample("230", measurand="Voltage"),
        sample("7", phase="L1"),
        sample("4", unit="kWh", context="Transaction.End"),
    ]
    expected = [(Decimal(1000), "Transaction.Begin"), (Decimal(4000), "Transaction.End")]
    assert list(import_registers(samples)) == expected


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "1e3", ".5", "1500.10"])
def test_a_decimal_number_is_a_value(value: str) -> None:
    assert is_number(value)


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "-inf", "1e400", "1_000", "\u0661\u0665"])
def test_what_is_no_finite_number_or_not_as_meters_write_it_is_no_value(value: str) -> None:
    assert not is_number(value)


def test_the_samples_of_one_context_are_of_the_same_meter_value() -> None:
    stored = StoredMeterValue(
        station_id="CP-1",
        evse_id=1,
        transaction_id="1",
        sampled_at=AT,
        received_at=AT,
        energy_wh=Decimal(1000),
        samples=[sample("1000", context="Transaction.Begin"), sample("4000")],
    )
    only = stored.only(ReadingContext.TRANSACTION_BEGIN)
    assert only == replace(stored, samples=[sample("1000", context="Transaction.Begin")])
    assert stored.only(ReadingContext.TRIGGER).samples == []
