"""Postgres or Redis away: stations lose nothing, and come back by themselves."""

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.store.pool import Database
from tests.integration.gateway.conftest import StartPod
from tests.support.eventually import eventually
from tests.support.relay import relay
from tests.support.stations import basic_auth, register, station_client

START = {"connectorId": 1, "idTag": "TAG", "meterStart": 1, "timestamp": "2026-01-01T00:00:00Z"}


async def test_an_answer_waits_for_a_postgres_that_is_back_soon(
    db: Database, database_url: str, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        relay(database_url) as wire,
        start_pod(database_url=wire.url, ingest_hold_s=10) as gateway,
        station_client(gateway.url) as station,
    ):
        await station.boot()
        await wire.cut()
        telling = asyncio.create_task(station.call("MeterValues", _meter_values()))
        await asyncio.sleep(0.3)
        assert not telling.done()
        await wire.mend()
        assert (await telling)[2] == {}
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 1


async def test_a_postgres_that_stays_away_closes_the_sockets_unanswered_and_lets_nobody_in(
    db: Database, database_url: str, start_pod: StartPod
) -> None:
    await register(db)
    await register(db, "CP-2")
    async with (
        relay(database_url) as wire,
        start_pod(database_url=wire.url, ingest_hold_s=0.3) as gateway,
        station_client(gateway.url) as speaking,
        station_client(gateway.url, "CP-2") as silent,
    ):
        await speaking.boot()
        await silent.boot()
        await wire.cut()
        await speaking.send([2, "s", "MeterValues", _meter_values()])
        with pytest.raises(ConnectionClosed) as closed:
            await speaking.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        with pytest.raises(ConnectionClosed):
            await silent.receive()
        with pytest.raises(InvalidStatus) as refused:
            await connect(
                f"{gateway.url}/CP-1",
                subprotocols=["ocpp1.6"],
                additional_headers=basic_auth("CP-1"),
            )
        assert refused.value.response.status_code == 503
        assert "Retry-After" in refused.value.response.headers

        await wire.mend()

        async def come_back() -> bool:
            try:
                async with station_client(gateway.url) as again:
                    return (await again.call("MeterValues", _meter_values()))[0] == 3
            except InvalidStatus:
                return False

        await eventually(come_back, bool)
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 1


async def test_without_redis_sockets_stay_open_and_sessions_are_kept(
    db: Database, redis_url: str, start_pod: StartPod
) -> None:
    await register(db)
    await register(db, "CP-2")
    async with (
        relay(redis_url) as wire,
        start_pod(redis_url=wire.url) as gateway,
        station_client(gateway.url) as station,
    ):
        await station.boot()
        await wire.cut()
        assert (await station.call("StartTransaction", START))[0] == 3
        async with station_client(gateway.url, "CP-2") as newcomer:
            assert (await newcomer.boot())["status"] == "Accepted"
        await wire.mend()
    assert await db.fetchval("SELECT count(*) FROM sessions") == 1


def _meter_values() -> dict[str, object]:
    value = {"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": "1"}]}
    return {"connectorId": 1, "meterValue": [value]}
