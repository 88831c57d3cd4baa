"""Meter values of OCPP 1.6: what is kept of them, whatever they look like."""

import json

import pytest

from shared.store.pool import Database
from shared.telemetry import metrics
from tests.conformance.conftest import Settle
from tests.conformance.ocpp16.coverage import Row, covers
from tests.integration.control.players import Api
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


@covers(Row.CONTEXTS)
async def test_values_by_the_clock_and_those_of_the_transaction_are_told_apart(
    play: Play, api: Api
) -> None:
    await play("""
        > StartTransaction {"connectorId": 1, "idTag": "TAG", "meterStart": 0,
            "timestamp": "2026-01-02T03:00:00Z"}
        < {"transactionId": "$id", "idTagInfo": {"status": "Accepted"}}
        > MeterValues {"connectorId": 1, "transactionId": "$id", "meterValue": [
            {"timestamp": "2026-01-02T03:10:00Z", "sampledValue": [{"value": "100"}]},
            {"timestamp": "2026-01-02T03:15:00Z", "sampledValue": [
                {"value": "150", "context": "Sample.Clock"}]}]}
        < {}
    """)
    (session,) = (await api.client.get("/v1/sessions")).json()["items"]
    url = f"/v1/sessions/{session['session_id']}/meter-values"
    for context, register in (("Sample.Periodic", 100), ("Sample.Clock", 150)):
        found = (await api.client.get(url, params={"context": context})).json()["items"]
        assert [value["energy_wh"] for value in found] == [register]
    assert len((await api.client.get(url)).json()["items"]) == 2


@covers(Row.SIGNED_DATA)
async def test_signed_values_are_kept_to_the_letter(play: Play, api: Api) -> None:
    signed = 'OCMF|{"FV":"1.0","RD":[{"RV":1.50,"RU":"kWh"}]}|{"SD":"3045 0221\\u00df"}  '
    values = json.dumps({"timestamp": "2026-01-02T04:00:00Z", "sampledValue": [
        {"value": signed, "format": "SignedData", "context": "Transaction.End"}]})  # fmt: skip
    await play(f"""
        > StartTransaction {{"connectorId": 1, "idTag": "TAG", "meterStart": 0,
            "timestamp": "2026-01-02T03:00:00Z"}}
        < {{"transactionId": "$id", "idTagInfo": {{"status": "Accepted"}}}}
        > StopTransaction {{"transactionId": "$id", "meterStop": 1500,
            "timestamp": "2026-01-02T04:00:00Z", "transactionData": [{values}]}}
        < {{}}
    """)
    (session,) = (await api.client.get("/v1/sessions")).json()["items"]
    url = f"/v1/sessions/{session['session_id']}/meter-values"
    (value,) = (await api.client.get(url)).json()["items"]
    (sample,) = value["samples"]
    assert (sample["value"], sample["format"]) == (signed, "SignedData")
    assert value["energy_wh"] is None


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


@covers(Row.LONG_CHARGE)
async def test_the_end_of_eight_hours_with_ten_values_a_minute_is_kept_whole(
    play: Play, api: Api, settle: Settle
) -> None:
    await play("""
        > StartTransaction {"connectorId": 1, "idTag": "TAG", "meterStart": 0,
            "timestamp": "2026-01-02T00:00:00Z"}
        < {"transactionId": "$id", "idTagInfo": {"status": "Accepted"}}
    """)
    others = [
        {"value": "230.1", "context": "Sample.Periodic", "measurand": "Voltage", "phase": "L1",
         "unit": "V", "location": "Outlet"}
    ] * 9  # fmt: skip
    register = {"context": "Sample.Periodic", "format": "Raw", "unit": "Wh",
                "measurand": "Energy.Active.Import.Register"}  # fmt: skip
    values = [
        {
            "timestamp": f"2026-01-02T{minute // 60:02}:{minute % 60:02}:00Z",
            "sampledValue": [{"value": str(100 * minute), **register}, *others],
        }
        for minute in range(1, 481)
    ]
    end = {"transactionId": play.named["id"], "meterStop": 48_000, "transactionData": values,
           "timestamp": "2026-01-02T08:00:00Z"}  # fmt: skip
    frame = json.dumps([2, "end", "StopTransaction", end])
    assert len(frame) > 480 * 1024
    await play.station.send(frame)
    assert await play.station.receive() == [3, "end", {}]
    await settle()
    (session,) = (await api.client.get("/v1/sessions")).json()["items"]
    assert (session["energy_wh"], session["billable"]) == (48_000, True)
    url = f"/v1/sessions/{session['session_id']}/meter-values"
    found = (await api.client.get(url, params={"limit": 1000})).json()["items"]
    assert (len(found), {len(value["samples"]) for value in found}) == (480, {10})
