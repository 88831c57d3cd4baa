"""Group commit beside what is heavy, and in an event loop that comes late."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from gateway.errors import StoreAwayError
from gateway.ingest import Ingest
from gateway.settings import GatewaySettings
from shared.domain.access.tokens import AuthorizationStatus
from shared.domain.sessions import TransactionEnded, TransactionStarted
from shared.domain.sessions.meter_values import MeterSample, MeterValue, MeterValuesReported
from shared.settings import DatabaseSettings
from shared.store import facts as store
from shared.store.facts import Fact
from shared.store.pool import Database, open_database
from tests.integration.gateway.conftest import StartPod
from tests.support.eventually import eventually
from tests.support.raw_websocket import frame, raw_websocket
from tests.support.relay import relay
from tests.support.stations import register

AT = datetime(2026, 1, 2, tzinfo=UTC)
SAMPLE: MeterSample = {
    "value": "1",
    "measurand": "Voltage",
    "context": "Other",
    "location": "Body",
}
MANY = 1_500


def values(second: int, samples: int = 1, station_id: str = "CP-1") -> MeterValuesReported:
    value = MeterValue(AT + timedelta(seconds=second), [SAMPLE] * samples, None)
    return MeterValuesReported(station_id, 1, None, [value])


def start() -> TransactionStarted:
    return TransactionStarted(
        station_id="CP-1",
        evse_id=1,
        connector_id=1,
        ocpp_version="1.6",
        id_token="TAG",
        authorization_status=AuthorizationStatus.ACCEPTED,
        started_at=AT,
        meter_start_wh=Decimal(0),
    )


def end(transaction_id: str, samples: int) -> TransactionEnded:
    meter_values = [MeterValue(AT, [SAMPLE] * samples, None)]
    return TransactionEnded(
        station_id="CP-1",
        transaction_id=transaction_id,
        ended_at=AT,
        meter_stop_wh=Decimal(1),
        stopped_reason="Local",
        id_token=None,
        meter_values=meter_values,
    )


@asynccontextmanager
async def running_ingest(db: Database, away: list[str], *, hold_s: float) -> AsyncIterator[Ingest]:
    settings = GatewaySettings(database_url="-", redis_url="-", ingest_hold_s=hold_s)
    ingest = Ingest(db, settings, on_away=lambda: away.append("away"))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(ingest.run())
        try:
            yield ingest
        finally:
            running.cancel()


async def test_what_is_light_does_not_wait_for_what_is_heavy(db: Database) -> None:
    (transaction_id,) = await store.write(db, [start()])
    assert transaction_id is not None
    away: list[str] = []
    async with running_ingest(db, away, hold_s=20) as ingest:
        async with db.acquire() as holder, holder.transaction():
            await holder.execute("SELECT FROM sessions FOR UPDATE")
            ending = ingest.submit(end(transaction_id, MANY))
            await eventually(lambda: _count_waiting(db), bool)
            async with asyncio.timeout(0.5):
                for second in range(5):
                    await ingest.submit(values(second, station_id="CP-2"))
            assert not ending.done()
        await ending
        await ingest.drain()
    assert await db.fetchval("SELECT ended_by FROM sessions") == "station"
    assert away == []


async def _count_waiting(db: Database) -> int:
    return int(
        await db.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND datname = current_database()"
        )
    )


async def test_both_lanes_give_up_together_and_what_both_had_is_what_postgres_has_to_take(
    db: Database, database_url: str
) -> None:
    away: list[str] = []
    async with (
        relay(database_url) as wire,
        open_database(DatabaseSettings(database_url=wire.url)) as pool,
        running_ingest(pool, away, hold_s=0.3) as ingest,
    ):
        for samples in (1, MANY):  # so that each has its connection
            await ingest.submit(values(0, samples))
        wire.answering.clear()
        waits = [ingest.submit(values(1, samples)) for samples in (1, MANY)]
        async with asyncio.timeout(3):
            outcomes = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(each) for each in outcomes] == [StoreAwayError] * 2
        assert away == ["away"]
        assert not ingest.available
        wire.answering.set()

        async def is_available() -> bool:
            return ingest.available

        await eventually(is_available, bool)
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 4


@pytest.mark.parametrize("blocked_s", [0.7, 2.0])
@pytest.mark.parametrize(
    "facts", [[values(0)], [values(0), start()], [values(0, MANY)]], ids=["one", "some", "heavy"]
)
async def test_a_loop_that_stands_still_does_not_say_that_postgres_is_away(
    db: Database, facts: Sequence[Fact], blocked_s: float
) -> None:
    away: list[str] = []
    async with running_ingest(db, away, hold_s=0.5) as ingest:
        await ingest.submit(values(99))
        for _ in range(2):
            waits = [ingest.submit(fact) for fact in facts]
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # now it has been said to Postgres
            time.sleep(blocked_s)  # noqa: ASYNC251 - what stands still is the loop
            await asyncio.gather(*waits)
    assert away == []
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 2


async def test_nor_does_it_turn_away_who_comes_in(db: Database, start_pod: StartPod) -> None:
    await register(db)
    async with start_pod(ingest_hold_s=0.5) as gateway:
        for _ in range(3):
            async with raw_websocket(gateway.url) as station, asyncio.timeout(10):
                time.sleep(1.0)  # noqa: ASYNC251 - its claim is under way
                await station.send(frame(b'[2,"h","Heartbeat",{}]'))
                _, answer = await station.receive()
                assert b'"h"' in answer
