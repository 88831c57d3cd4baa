"""Sessions stay right whatever a station sends twice, late, or wrongly."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.sessions import TransactionEnded
from shared.store import facts
from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod
from tests.support.stations import StationClient, register, station_client

START = {"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": "2026-01-02T03:04:05Z"}
STOP = {"meterStop": 1100, "timestamp": "2026-01-02T04:04:05Z"}


def meter_values(transaction_id: int | None, **sample: Any) -> dict[str, Any]:
    value = {"timestamp": "2026-01-02T03:14:05Z", "sampledValue": [{"value": "600", **sample}]}
    payload: dict[str, Any] = {"connectorId": 1, "meterValue": [value]}
    return payload if transaction_id is None else {**payload, "transactionId": transaction_id}


async def count(db: Database, table: str) -> int:
    return int(await db.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608 - our own words


@pytest.fixture
async def station(db: Database, gateway: Pod) -> Any:
    await register(db)
    async with station_client(gateway.url) as client:
        await client.boot()
        yield client


async def start(station: StationClient, **changes: Any) -> int:
    answer = (await station.call("StartTransaction", {**START, **changes}))[2]
    return int(answer["transactionId"])


async def test_a_retried_start_gets_the_same_transaction_id(
    db: Database, station: StationClient
) -> None:
    first = await start(station)
    assert await start(station) == first
    assert await start(station, timestamp="2026-01-02T05:04:05+02:00") == first
    assert await start(station, meterStart=101) != first
    assert await count(db, "sessions") == 2


async def test_an_unknown_token_gets_a_transaction_id_and_is_refused(
    db: Database, station: StationClient
) -> None:
    answer = (await station.call("StartTransaction", START))[2]
    assert answer["transactionId"] > 0
    assert answer["idTagInfo"] == {"status": "Invalid"}
    assert await db.fetchval("SELECT authorization_status FROM sessions") == "Invalid"


async def test_meter_values_told_three_times_are_kept_once(
    db: Database, station: StationClient
) -> None:
    transaction_id = await start(station)
    for _ in range(3):
        assert (await station.call("MeterValues", meter_values(transaction_id)))[2] == {}
    await station.call("MeterValues", meter_values(transaction_id, context="Sample.Clock"))
    assert await count(db, "meter_values") == 2


async def test_meter_values_without_a_transaction_are_kept(
    db: Database, station: StationClient
) -> None:
    await station.call("MeterValues", meter_values(None))
    assert await count(db, "meter_values") == 1


async def test_a_clock_that_is_off_costs_nothing(db: Database, station: StationClient) -> None:
    for timestamp in ("1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z"):
        payload = meter_values(None)
        payload["meterValue"][0]["timestamp"] = timestamp
        assert (await station.call("MeterValues", payload))[2] == {}
    assert await count(db, "meter_values_default") == 2


async def test_the_first_stop_stands_and_another_one_is_kept_beside_it(
    db: Database, station: StationClient
) -> None:
    transaction_id = await start(station)
    stop = {**STOP, "transactionId": transaction_id}
    for payload in (stop, stop, {**stop, "meterStop": 9999}):
        assert (await station.call("StopTransaction", payload))[0] == 3
    assert await db.fetchval("SELECT meter_stop_wh FROM sessions") == 1100
    told = await db.fetch("SELECT meter_stop_wh FROM transaction_ends ORDER BY end_no")
    assert [end["meter_stop_wh"] for end in told] == [1100, 9999]
    assert await count(db, "dead_letters") == 0


async def test_two_different_stops_of_one_batch_are_both_kept(
    db: Database, station: StationClient
) -> None:
    transaction_id = await start(station)
    ends = [
        TransactionEnded(
            station_id="CP-1",
            transaction_id=str(transaction_id),
            ended_at=datetime(2026, 1, 2, 4, tzinfo=UTC),
            meter_stop_wh=Decimal(meter_stop_wh),
            stopped_reason="Local",
        )
        for meter_stop_wh in (1100, 1100, 900)
    ]
    await facts.write(db, ends)
    told = await db.fetch("SELECT meter_stop_wh FROM transaction_ends ORDER BY end_no")
    assert [end["meter_stop_wh"] for end in told] == [1100, 900]
    assert await db.fetchval("SELECT meter_stop_wh FROM sessions") == 1100


@pytest.mark.parametrize("transaction_id", [0, -1, 424242])
async def test_a_stop_of_an_unknown_transaction_is_answered_and_kept(
    db: Database, station: StationClient, transaction_id: int
) -> None:
    stop = {**STOP, "transactionId": transaction_id}
    assert (await station.call("StopTransaction", stop))[0] == 3
    assert await db.fetchval("SELECT reason FROM dead_letters") == (
        "the station has no transaction with this id"
    )


async def test_another_stations_transaction_is_never_touched(
    db: Database, gateway: Pod, station: StationClient
) -> None:
    transaction_id = await start(station)
    await register(db, "CP-2")
    async with station_client(gateway.url, "CP-2") as thief:
        await thief.boot()
        await thief.call("StopTransaction", {**STOP, "transactionId": transaction_id})
    assert await db.fetchval("SELECT ended_at FROM sessions") is None


async def test_values_sent_with_the_stop_belong_to_the_sessions_evse(
    db: Database, station: StationClient
) -> None:
    transaction_id = await start(station, connectorId=2)
    data = meter_values(None)["meterValue"]
    stop = {**STOP, "transactionId": transaction_id, "transactionData": data}
    await station.call("StopTransaction", stop)
    assert await db.fetchval("SELECT evse_id FROM meter_values") == 2


async def test_a_row_that_postgres_refuses_fails_alone(db: Database, gateway: Pod) -> None:
    await db.execute(
        """
        ALTER TABLE meter_values ADD CONSTRAINT refused CHECK (station_id <> 'CP-13');
        """
    )
    ids = [f"CP-{n}" for n in range(20)]
    for station_id in ids:
        await register(db, station_id)

    async def tell(station_id: str) -> Any:
        async with station_client(gateway.url, station_id) as station:
            await station.boot()
            return await station.call("MeterValues", meter_values(None))

    frames = await asyncio.gather(*map(tell, ids))
    assert [frame[0] for frame in frames] == [3] * 20
    assert await count(db, "meter_values") == 19
    letter = await db.fetchrow("SELECT station_id, kind, reason FROM dead_letters")
    assert (letter["station_id"], letter["kind"]) == ("CP-13", "MeterValuesReported")
    assert "refused" in letter["reason"]


async def test_a_start_that_postgres_refuses_still_gets_an_id(
    db: Database, station: StationClient
) -> None:
    await db.execute("ALTER TABLE sessions ADD CONSTRAINT refused CHECK (evse_id <> 7)")
    assert await start(station, connectorId=7) > 0
    assert await count(db, "sessions") == 0
    assert await count(db, "dead_letters") == 1


async def test_calls_sent_ahead_are_answered_in_order(station: StationClient) -> None:
    for number in range(5):
        action, payload = ("Heartbeat", {}) if number % 2 else ("Authorize", {"idTag": "T"})
        await station.send([2, f"m{number}", action, payload])
    assert [(await station.receive())[1] for _ in range(5)] == ["m0", "m1", "m2", "m3", "m4"]


async def test_data_of_an_unknown_vendor_is_refused_in_words(station: StationClient) -> None:
    evil = "'; DROP TABLE sessions; --<script>"
    answer = await station.call("DataTransfer", {"vendorId": evil[:20], "data": evil})
    assert answer[2] == {"status": "UnknownVendorId"}
