"""Stations whose clocks are wrong in every way, on the real Postgres and with the worker."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.domain.sessions import TransactionStarted
from shared.settings import DatabaseSettings
from shared.store import facts
from shared.store.pool import Database, open_database
from tests.support.station_clocks import (
    FAULTS,
    FIRST_WH,
    SECOND_END,
    SECOND_WH,
    VERSIONS,
    Station,
    Teller,
)
from tests.support.stations import register

_CAME = {
    "sessions": "created_at",
    "meter_values": "received_at",
    "transaction_ends": "received_at",
    "transaction_events": "received_at",
    "connectors": "received_at",
    "stations": "booted_at",
}


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(database_url=database_url)) as database:
        yield database


@pytest.fixture
def worker(database_url: str, redis_url: str) -> WorkerSettings:
    return WorkerSettings(database_url=database_url, redis_url=redis_url)


async def make_past(db: Database, now: datetime, then: datetime) -> None:
    """Make it so that what has come since `now` came then."""
    for table, column in _CAME.items():
        await db.execute(f"UPDATE {table} SET {column} = $1 WHERE {column} >= $2", then, now)  # noqa: S608 - names above


async def look(db: Database, worker: WorkerSettings) -> None:
    await db.execute("UPDATE sessions SET settle_at = now() WHERE settle_at IS NOT NULL")
    await settle_due(db, worker)


async def sessions_of(db: Database) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in await db.fetch("SELECT * FROM sessions ORDER BY session_id"):
        found.setdefault(row["station_id"], []).append(row)
    return found


@pytest.mark.parametrize("version", VERSIONS)
async def test_no_running_charge_is_closed_and_no_bill_is_wrong_in_silence(
    db: Database, worker: WorkerSettings, version: str
) -> None:
    now = await db.fetchval("SELECT now()")
    began = now - timedelta(minutes=SECOND_END + 1)
    names = {f"CP-{number}": fault for number, fault in enumerate(FAULTS)}
    stations = [
        Station(name, version, FAULTS[fault].offset, began) for name, fault in names.items()
    ]
    ids: dict[tuple[str, int], str] = {}
    for station in stations:
        await register(db, station.station_id)
    # What all of them say in one minute is one batch, as a pod would commit it.
    for told in zip(*(station.words() for station in stations), strict=True):
        minute, charge = told[0][:2]
        if minute == SECOND_END:
            await look(db, worker)
            for name, (_, second) in (await sessions_of(db)).items():
                assert second["ended_at"] is None, (names[name], second["end_rule"])
        batch = [
            word(ids.get((station.station_id, charge), ""))
            for station, (_, _, word) in zip(stations, told, strict=True)
        ]
        results = await facts.write(db, batch)
        for station, fact, result in zip(stations, batch, results, strict=True):
            if isinstance(fact, TransactionStarted):
                assert result is not None
                ids[station.station_id, charge] = result
        await make_past(db, now, began + timedelta(minutes=minute))
    await look(db, worker)
    for name, sessions in (await sessions_of(db)).items():
        fault = FAULTS[names[name]]
        assert [session["energy_wh"] for session in sessions] == [FIRST_WH, SECOND_WH], names[name]
        reasons = [set(session["review_reasons"]) for session in sessions]
        assert reasons == [fault.first, fault.second], names[name]
        assert [session["ended_by"] for session in sessions] == ["station", "station"]


async def test_of_charges_that_came_together_none_follows_the_other(
    db: Database, worker: WorkerSettings
) -> None:
    now = await db.fetchval("SELECT now()")
    began = now - timedelta(hours=1)
    await register(db, "CP-1")
    tell = Teller("CP-1", "2.0.1")
    second = tell.start(1, began - timedelta(minutes=10), Decimal(2000))
    first = tell.start(2, began, Decimal(1000))
    await facts.write(db, [first(""), second("")])
    await make_past(db, now, began)
    await look(db, worker)
    assert [row["ended_at"] for row in (await sessions_of(db))["CP-1"]] == [None, None]
    third = tell.start(3, began + timedelta(minutes=10), Decimal(3000))
    await facts.write(db, [third("")])
    await make_past(db, now, began + timedelta(minutes=10))
    await look(db, worker)
    rules = [row["end_rule"] for row in (await sessions_of(db))["CP-1"]]
    assert rules == ["next_start", "next_start", None]
