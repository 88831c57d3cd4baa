"""Postgres ends connections in the middle of work: nothing that is right is given up for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from gateway.client_certificates import ClientCertificates
from gateway.ingest import Ingest
from gateway.settings import GatewaySettings
from shared.domain.sessions.meter_values import MeterSample, MeterValue, MeterValuesReported
from shared.domain.trust.certificates import PresentedCertificate
from shared.settings import DatabaseSettings
from shared.store.judgement import Judgement, is_away, judge
from shared.store.pool import Database, KeptConnection, open_database
from shared.store.retrying import try_again
from shared.store.stations import stations
from tests.integration.gateway.conftest import StartPod
from tests.support.relay import Relay, relay
from tests.support.stations import register, station_client

END_DELAY_S = 1.0
VALUES = {
    "connectorId": 1,
    "meterValue": [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": "1"}]}],
}


@pytest.fixture
async def wire(database_url: str) -> AsyncIterator[Relay]:
    """A way to Postgres on which the end of a stream comes a second after its FATAL."""
    async with relay(database_url) as found:
        found.end_delay_s = END_DELAY_S
        yield found


async def end_all(db: Database) -> None:
    """End all others' connections, and wait until what they are told has been read."""
    await db.execute(
        """
        SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND datname = current_database()
        """
    )
    await asyncio.sleep(0.1)


@pytest.fixture
async def half_dead(db: Database, wire: Relay) -> AsyncIterator[Database]:
    """A pool all of whose connections have read their end, and not the end of the stream."""
    async with open_database(DatabaseSettings(database_url=wire.url)) as pool:
        async with pool.acquire(), pool.acquire():
            pass
        await end_all(db)
        yield pool


async def test_what_a_connection_says_that_has_ended_is_no_verdict_and_it_is_not_used_again(
    half_dead: Database,
) -> None:
    async with asyncio.timeout(0.8 * END_DELAY_S):
        with pytest.raises(asyncpg.InternalClientError) as ended:
            await half_dead.fetchval("SELECT 1")
        assert is_away(ended.value)
        assert judge(ended.value) is Judgement.UNCLEAR
        assert await try_again(lambda: half_dead.fetchval("SELECT 1")) == 1


async def test_a_transaction_on_it_is_given_up_at_once(half_dead: Database) -> None:
    async def use() -> None:
        async with half_dead.acquire() as connection, connection.transaction():
            await connection.fetchval("SELECT 1")

    async with asyncio.timeout(0.8 * END_DELAY_S):
        await try_again(use)


async def test_a_kept_connection_is_replaced(db: Database, wire: Relay) -> None:
    async with open_database(DatabaseSettings(database_url=wire.url)) as pool:
        kept = KeptConnection(pool)

        async def use() -> int:
            async with kept.acquire() as connection:
                return await connection.fetchval("SELECT 1")

        assert await use() == 1
        await end_all(db)
        async with asyncio.timeout(0.8 * END_DELAY_S):
            assert await try_again(use) == 1
        await kept.give_back()


async def test_a_statement_that_hangs_is_given_up_with_its_transaction(wire: Relay) -> None:
    settings = DatabaseSettings(database_url=wire.url, database_command_timeout_s=30)
    async with open_database(settings) as pool:
        wire.answering.set()

        async def hang() -> None:
            async with pool.acquire() as connection, connection.transaction():
                await connection.fetchval("SELECT 1")
                wire.answering.clear()
                await connection.fetchval("SELECT 1")

        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await hang()
        assert asyncio.get_running_loop().time() - began < 2
        wire.answering.set()
        assert await pool.fetchval("SELECT 1") == 1


def batch(count: int) -> list[MeterValuesReported]:
    sample: MeterSample = {
        "value": "1",
        "measurand": "Voltage",
        "context": "Other",
        "location": "Body",
    }
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        MeterValuesReported(
            "CP-1", 1, None, [MeterValue(begin + timedelta(seconds=number), [sample], None)]
        )
        for number in range(count)
    ]


@asynccontextmanager
async def running_ingest(db: Database, **changes: object) -> AsyncIterator[Ingest]:
    settings = GatewaySettings(database_url="-", redis_url="-", **changes)
    closed: list[str] = []
    ingest = Ingest(db, settings, on_away=lambda: closed.append("closed"))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(ingest.run())
        try:
            yield ingest
        finally:
            running.cancel()
    assert closed == []


async def test_genuine_facts_are_not_set_aside_however_often_connections_end(
    db: Database, wire: Relay
) -> None:
    async with (
        open_database(DatabaseSettings(database_url=wire.url)) as pool,
        running_ingest(pool) as ingest,
    ):
        for number, fact in enumerate(batch(30)):
            if number % 3 == 1:
                await end_all(db)
            async with asyncio.timeout(5):
                await ingest.submit(fact)
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 30
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_a_fault_of_the_driver_in_one_fact_sets_that_fact_aside_and_no_other(
    db: Database,
) -> None:
    facts = batch(20)
    # Nothing that a station says comes out like this; it stands for whatever a library chokes on.
    facts[7].meter_values[0].samples[0] = {"value": "1", "unit": object()}  # type: ignore[typeddict-item]
    async with running_ingest(db) as ingest, asyncio.timeout(10):
        await asyncio.gather(*map(ingest.submit, facts))
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 19
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 1


async def test_a_pod_goes_on_whatever_ends(db: Database, wire: Relay, start_pod: StartPod) -> None:
    await register(db)
    async with (
        start_pod(database_url=wire.url, pod_lease_s=0.6, reconcile_interval_s=0.1) as gateway,
        station_client(gateway.url) as station,
    ):
        await station.boot()
        for _ in range(6):
            await end_all(db)
            async with asyncio.timeout(5):
                assert (await station.call("MeterValues", VALUES))[2] == {}
        assert await stations.get_credentials(db, ["CP-1"])
        async with station_client(gateway.url) as again:
            assert (await again.boot())["status"] == "Accepted"
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_whose_a_certificate_is_is_asked_again_on_a_fresh_connection(
    db: Database, half_dead: Database
) -> None:
    await register(db)
    certificates = ClientCertificates(half_dead)
    (credentials,) = await stations.get_credentials(db, ["CP-1"])
    assert credentials is not None
    judging = asyncio.create_task(certificates.run())
    try:
        async with asyncio.timeout(0.8 * END_DELAY_S):
            found = await certificates.judge(credentials, PresentedCertificate(common_name="CP-9"))
        assert found is None
    finally:
        judging.cancel()
