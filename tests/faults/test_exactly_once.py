"""What a station says again, on whichever pod, changes nothing; what is bad costs only itself."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from gateway.ingest import Ingest
from gateway.settings import GatewaySettings
from shared.domain.sessions.meter_values import MeterSample, MeterValue, MeterValuesReported
from shared.settings import DatabaseSettings
from shared.store import facts
from shared.store.pool import Database, open_database
from tests.faults.table import Finding, invariant, scaled
from tests.support.local_cluster import Cluster
from tests.support.stations import PASSWORD, station_client


def charge(number: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the messages of one charge; `$` stands for its transaction id."""
    minute = f"2026-01-01T{number // 60 % 24:02}:{number % 60:02}"
    value = {"timestamp": f"{minute}:10Z", "sampledValue": [{"value": str(number)}]}
    return [
        (
            "StatusNotification",
            {"connectorId": 1, "errorCode": "NoError", "status": "Preparing"},
        ),
        (
            "StartTransaction",
            {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": f"{minute}:00Z"},
        ),
        ("MeterValues", {"connectorId": 1, "transactionId": "$", "meterValue": [value]}),
        ("MeterValues", {"connectorId": 1, "meterValue": [value]}),
        (
            "StopTransaction",
            {"transactionId": "$", "meterStop": number, "timestamp": f"{minute}:30Z"},
        ),
    ]


async def replay(
    cluster: Cluster, station_id: str, charges: int, *, times: int, change: bool = False
) -> int:
    """Say every message on each gateway in turn, `times` times, and count the messages.

    Args:
        cluster: where.
        station_id: who says it.
        charges: how many different ones.
        times: how often all of it is said.
        change: let each telling differ in its registers, which makes it another charge.
    """
    said = 0
    gateways = sorted(cluster.gateway_urls.values())
    for telling in range(times):
        url = gateways[telling % len(gateways)]
        async with station_client(url, station_id) as station:
            await station.boot()
            for number in range(charges):
                transaction_id = 0
                for action, payload in charge(number):
                    filled = {
                        name: transaction_id if value == "$" else value
                        for name, value in payload.items()
                    }
                    if change and "meterStart" in filled:
                        filled["meterStart"] = telling
                    # The message ids start again with each connection, as real stations' do.
                    frame = await station.call(action, filled)
                    assert frame[0] == 3, frame
                    transaction_id = frame[2].get("transactionId", transaction_id)
                    said += 1
    return said


async def rows(cluster: Cluster, station_id: str) -> tuple[int, int, int]:
    """Count a station's sessions, meter values and dead letters."""
    connection = await asyncpg.connect(cluster.database_url)
    try:
        sessions, values, letters = [
            await connection.fetchval(
                f"SELECT count(*) FROM {table} WHERE station_id = $1",  # noqa: S608 - ours
                station_id,
            )
            for table in ("sessions", "meter_values", "dead_letters")
        ]
    finally:
        await connection.close()
    return sessions, values, letters


async def prepare(cluster: Cluster, station_id: str) -> None:
    created = await cluster.api.post(
        "/v1/stations", json={"station_id": station_id, "password": PASSWORD}
    )
    created.raise_for_status()


@invariant(2, "every message said 3 times, across pods")
async def test_what_is_said_three_times_is_stored_once(
    shared_cluster: Cluster, finding: Finding
) -> None:
    charges = scaled(20, 200)
    await prepare(shared_cluster, "REPLAY")
    finding.times = await replay(shared_cluster, "REPLAY", charges, times=3)
    sessions, values, letters = await rows(shared_cluster, "REPLAY")
    duplicates = sessions - charges + values - 2 * charges + letters
    finding.tell(messages=finding.times, duplicate_rows=duplicates)
    assert (sessions, values, letters) == (charges, 2 * charges, 0)


@invariant(2, "the registers differ each time", control=True)
async def test_what_differs_is_not_taken_for_the_same(
    shared_cluster: Cluster, finding: Finding
) -> None:
    await prepare(shared_cluster, "DIFFERS")
    finding.times = await replay(shared_cluster, "DIFFERS", 3, times=3, change=True)
    sessions, _, _ = await rows(shared_cluster, "DIFFERS")
    finding.tell(duplicate_rows=sessions - 3)
    assert sessions == 9


@invariant(3, "1 bad fact among 1,000 in one batch")
@pytest.mark.timeout(300)
async def test_good_rows_survive_a_poisoned_one(database_url: str, finding: Finding) -> None:
    rounds = scaled(3, 20)
    clean_s, poisoned_s = 0.0, 0.0
    async with open_database(DatabaseSettings(database_url=database_url)) as db:
        settings = GatewaySettings(database_url=database_url, redis_url="redis://unused")
        ingest = Ingest(db, settings, on_away=lambda: None)

        async def commit(reported: list[MeterValuesReported]) -> float:
            began = time.perf_counter()
            await asyncio.gather(*map(ingest.submit, reported))
            return time.perf_counter() - began

        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(ingest.run())
            for number in range(rounds):
                clean_s += await commit(batch(f"CLEAN-{number}"))
                poisoned_s += await commit(batch(f"BAD-{number}", bad=number * 7 % 1000))
            running.cancel()
        stored, letters = await count_stored(db)
    finding.times = rounds
    finding.tell(
        stored_of_1000=stored / rounds,
        set_aside=letters / rounds,
        added_ms=1000 * (poisoned_s - clean_s) / rounds,
    )
    assert stored == 999 * rounds
    assert letters == rounds


@invariant(3, "the same, written in one statement that nobody cuts in two", control=True)
async def test_a_poisoned_row_takes_the_good_ones_with_it(
    database_url: str, finding: Finding
) -> None:
    async with open_database(DatabaseSettings(database_url=database_url)) as db:
        with pytest.raises(asyncpg.DataError):
            await facts.write(db, batch("BAD-0", bad=0))
        stored, letters = await count_stored(db)
    finding.times = 1
    finding.tell(stored_of_1000=stored, set_aside=letters)
    assert (stored, letters) == (0, 0)


def batch(station_id: str, *, bad: int | None = None) -> list[MeterValuesReported]:
    """Return 1,000 facts, of which Postgres refuses one for what it says."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    reported = []
    for number in range(1000):
        sample: MeterSample = {
            "value": "\0" if number == bad else str(number),
            "measurand": "Voltage",
            "context": "Other",
            "location": "Body",
        }
        value = MeterValue(at + timedelta(seconds=number), [sample], None)
        reported.append(MeterValuesReported(station_id, 1, None, [value]))
    return reported


async def count_stored(db: Database) -> tuple[int, int]:
    """Count what is kept of the batches with a bad fact, and what was set aside."""
    stored = await db.fetchval("SELECT count(*) FROM meter_values WHERE station_id LIKE 'BAD-%'")
    return stored, await db.fetchval("SELECT count(*) FROM dead_letters")
