"""Meter values of OCPP 1.6: what is kept of them, whatever they look like."""

import json

import pytest

from shared.store.pool import Database
from shared.telemetry import metrics
from tests.conformance.ocpp16.coverage import Row, covers
from tests.support.transcript import Play


def _values(sampled: str, timestamp: str = "2026-01-02T03:05:05Z") -> str:
    return (
        f'{{"connectorId": 1, "meterValue": [{{"timestamp": "{timestamp}", '
        f'"sampledValue": [{sampled}]}}]}}'
    )


@covers(Row.VALUES_WITHOUT_TRANSACTION)
async def test_values_without_a_transaction_are_kept(play: Play, db: Database) -> None:
    await play(f"""
        > MeterValues {_values('{"value": "12.5", "unit": "kWh"}')}
        < {{}}
    """)
    row = await db.fetchrow("SELECT transaction_id, evse_id, energy_wh FROM meter_values")
    assert tuple(row) == (None, 1, 12500)


@covers(Row.SAMPLE_NO_NUMBER)
@pytest.mark.parametrize("value", ["", "NaN", "n/a", "1,5", "inf"])
async def test_a_sample_that_is_no_number_costs_only_itself(
    play: Play, db: Database, value: str
) -> None:
    before = metrics.samples_dropped._value.get()
    sampled = f'{{"value": "{value}"}}, {{"value": "230", "measurand": "Voltage", "unit": "V"}}'
    await play(f"""
        > MeterValues {_values(sampled)}
        < {{}}
    """)
    (kept,) = json.loads(await db.fetchval("SELECT samples::text FROM meter_values"))
    assert kept["measurand"] == "Voltage"
    assert metrics.samples_dropped._value.get() == before + 1


@covers(Row.CELCIUS)
@pytest.mark.parametrize("unit", ["Celcius", "Celsius"])
async def test_both_spellings_of_celsius_are_one_unit(play: Play, db: Database, unit: str) -> None:
    sampled = f'{{"value": "31", "measurand": "Temperature", "unit": "{unit}"}}'
    await play(f"""
        > MeterValues {_values(sampled)}
        < {{}}
    """)
    (kept,) = json.loads(await db.fetchval("SELECT samples::text FROM meter_values"))
    assert kept["unit"] == "Celsius"


@covers(Row.TIMES)
@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-01-02T03:05:05Z",
        "2026-01-02T03:05:05",
        "2026-01-02T05:05:05+02:00",
        "2026-01-02T03:05:05.0000000Z",
    ],
)
async def test_times_of_many_makes_are_understood(play: Play, db: Database, timestamp: str) -> None:
    await play(f"""
        > MeterValues {_values('{"value": "1"}', timestamp)}
        < {{}}
    """)
    sampled_at = await db.fetchval("SELECT sampled_at FROM meter_values")
    assert sampled_at.isoformat() == "2026-01-02T03:05:05+00:00"


@covers(Row.TIMES)
async def test_a_time_that_is_none_is_refused_without_a_row(play: Play, db: Database) -> None:
    await play(f"""
        > MeterValues {_values('{"value": "1"}', "222222017-01-02T03:05:05Z")}
        < TypeConstraintViolation
    """)
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 0
