"""Postgres or Redis away: stations lose nothing, and come back by themselves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.domain.errors import UnavailableError
from shared.settings import DatabaseSettings
from shared.store.migrate import migrate
from shared.store.pool import Database, open_database
from tests.integration.gateway.conftest import StartPod
from tests.support.eventually import eventually
from tests.support.local_servers import RestartablePostgres
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


async def test_a_postgres_that_was_restarted_costs_no_connection_and_no_message(
    tmp_path: Path, start_pod: StartPod
) -> None:
    server = RestartablePostgres(tmp_path)
    await asyncio.to_thread(server.start)
    try:
        url = server.url("postgres")
        await migrate(url, connect_timeout_s=5)
        async with open_database(DatabaseSettings(database_url=url)) as db:
            await register(db)
            async with (
                start_pod(database_url=url, ingest_hold_s=20) as gateway,
                station_client(gateway.url) as station,
            ):
                await station.boot()
                for number in range(2):
                    await asyncio.to_thread(server.stop)
                    telling = asyncio.create_task(
                        station.call("MeterValues", _meter_values(second=number))
                    )
                    await asyncio.sleep(0.3)
                    assert not telling.done()
                    await asyncio.to_thread(server.start)
                    assert (await telling)[2] == {}
            assert await db.fetchval("SELECT count(*) FROM meter_values") == 2
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def _read_only(db: Database) -> AsyncIterator[None]:
    """Have the whole server refuse writes, as a standby does, and as it answers questions."""
    await db.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    await db.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        await db.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await db.execute("SELECT pg_reload_conf()")


@asynccontextmanager
async def _disk_full(db: Database) -> AsyncIterator[None]:
    """Have Postgres say of every meter value that there is no room for it."""
    await db.execute(
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full';
        END
        $$
        """
    )
    await db.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON meter_values FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    try:
        yield
    finally:
        await db.execute("DROP TRIGGER refuse ON meter_values")


@pytest.mark.parametrize("fault", [_read_only, _disk_full])
async def test_a_postgres_that_answers_but_takes_no_writes_is_away_until_it_does(
    db: Database,
    start_pod: StartPod,
    fault: Callable[[Database], AbstractAsyncContextManager[None]],
) -> None:
    await register(db)
    async with start_pod(ingest_hold_s=0.3) as gateway:
        async with station_client(gateway.url) as station:
            await station.boot()
            async with fault(db):
                await station.send([2, "s", "MeterValues", _meter_values()])
                with pytest.raises(ConnectionClosed) as closed:
                    await station.receive()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1013
                # It would let stations in again if it took an answer for being back.
                for _ in range(6):
                    with pytest.raises(InvalidStatus) as refused:
                        async with station_client(gateway.url):
                            pass
                    assert refused.value.response.status_code == 503
                    await asyncio.sleep(0.2)
                assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0

        async def come_back() -> bool:
            try:
                async with station_client(gateway.url) as again:
                    return (await again.call("MeterValues", _meter_values()))[0] == 3
            except InvalidStatus:
                return False

        await eventually(come_back, bool)
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 1


@asynccontextmanager
async def _no_standby(db: Database) -> AsyncIterator[None]:
    """Have every commit wait for a standby that is not there."""
    # Otherwise these would wait as well.
    await db.execute("SET synchronous_commit = local")
    await db.execute("ALTER SYSTEM SET synchronous_standby_names = 'missing'")
    await db.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        await db.execute("ALTER SYSTEM RESET synchronous_standby_names")
        await db.execute("SELECT pg_reload_conf()")


async def test_what_waits_for_a_standby_that_is_missing_is_never_taken_for_kept(
    db: Database, database_url: str, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        relay(database_url) as wire,
        start_pod(database_url=wire.url, ingest_hold_s=0.3) as gateway,
    ):
        async with station_client(gateway.url) as station:
            await station.boot()
            await wire.cut()
            await station.send([2, "s", "MeterValues", _meter_values()])
            with pytest.raises(ConnectionClosed):
                await station.receive()
        async with _no_standby(db):
            await wire.mend()
            await asyncio.sleep(3)  # for the pod to look several times whether Postgres is back
            assert await db.fetchval("SELECT count(*) FROM meter_values") == 0
            assert not gateway.server._services.ingest.available

        async def is_kept() -> int:
            return await db.fetchval("SELECT count(*) FROM meter_values")

        await eventually(is_kept, lambda count: count == 1)


async def test_nobody_connects_to_a_postgres_that_takes_no_writes(
    db: Database, database_url: str
) -> None:
    async with _read_only(db):

        async def refused() -> bool:
            try:
                async with open_database(DatabaseSettings(database_url=database_url)):
                    return False
            except UnavailableError as error:
                return "takes no writes" in str(error)

        await eventually(refused, bool)


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


def _meter_values(*, second: int = 0) -> dict[str, object]:
    value = {"timestamp": f"2026-01-01T00:00:{second:02}Z", "sampledValue": [{"value": "1"}]}
    return {"connectorId": 1, "meterValue": [value]}
