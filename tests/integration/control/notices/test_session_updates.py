"""What the meter of a session that goes on shows is told, and not too often."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from control.jobs.notices.session_updates import tell_updates
from shared.domain.access.tokens import AuthorizationStatus
from shared.domain.notices.catalogue import CATALOGUE
from shared.domain.notices.events import Event, EventType
from shared.domain.sessions import TransactionEnded, TransactionStarted
from shared.domain.sessions.meter_values import (
    MeterSample,
    MeterValue,
    MeterValuesReported,
    energy_import_wh,
)
from shared.store import facts
from shared.store.pool import Database
from tests.integration.control.notices.conftest import told
from tests.integration.control.players import register

BEGUN = datetime.now(UTC) - timedelta(minutes=30)


def sample(measurand: str, value: str, unit: str, **words: str) -> MeterSample:
    return MeterSample(
        **{
            "value": value,
            "measurand": measurand,
            "context": "Sample.Periodic",
            "location": "Outlet",
            "unit": unit,
            **words,
        }
    )


async def begin(db: Database, evse_id: int = 1) -> str:
    start = TransactionStarted(
        station_id="CS-1",
        evse_id=evse_id,
        connector_id=1,
        ocpp_version="1.6",
        id_token="TAG",
        authorization_status=AuthorizationStatus.ACCEPTED,
        started_at=BEGUN,
        meter_start_wh=Decimal(1000),
    )
    (transaction_id,) = await facts.write(db, [start])
    assert transaction_id is not None
    await db.execute("UPDATE sessions SET told_as = 0")  # it was told that it began
    return transaction_id


async def show(
    db: Database, transaction_id: str, minute: float, *samples: MeterSample, evse_id: int = 1
) -> None:
    at = BEGUN + timedelta(minutes=minute)
    value = MeterValue(at, list(samples), energy_import_wh(list(samples)))
    await facts.write(db, [MeterValuesReported("CS-1", evse_id, transaction_id, [value])])


def register_of(wh: str) -> MeterSample:
    return sample("Energy.Active.Import.Register", wh, "Wh")


async def sweep(db: Database, **changes: float) -> Sequence[Event]:
    before = await told(db)
    await tell_updates(db, **{"interval_s": 0, "batch": 100, **changes})  # type: ignore[arg-type]
    return await told(db, after=before[-1].number if before else 0)


@pytest.fixture
async def transaction_id(db: Database) -> str:
    await register(db, "CS-1")
    return await begin(db)


async def test_what_the_meter_shows_is_told_once(db: Database, transaction_id: str) -> None:
    assert await sweep(db) == []
    await show(
        db, transaction_id, 1, register_of("1500.5"), sample("SoC", "41", "Percent", location="EV")
    )
    await show(
        db,
        transaction_id,
        2,
        register_of("2000"),
        *(sample("Power.Active.Import", "3.7", "kW", phase=phase) for phase in ("L1", "L2", "L3")),
    )
    (event,) = await sweep(db)
    assert event.type == EventType.SESSION_UPDATED
    assert set(event.data) == set(CATALOGUE[EventType.SESSION_UPDATED].data)
    assert event.station_id == "CS-1"
    assert event.data["transaction_id"] == transaction_id
    assert event.data["register_wh"] == 2000
    assert event.data["energy_wh"] == 1000
    assert event.data["power_w"] == 11100
    assert event.data["soc_percent"] == 41
    assert event.data["sampled_at"].startswith((BEGUN + timedelta(minutes=2)).isoformat()[:19])
    assert await sweep(db) == []
    await show(db, transaction_id, 3, register_of("2500"))
    (event,) = await sweep(db)
    assert event.data["energy_wh"] == 1500


async def test_it_is_told_no_more_often_than_is_set_whoever_sweeps(
    db: Database, transaction_id: str
) -> None:
    await show(db, transaction_id, 1, register_of("1500"))
    await asyncio.gather(*(tell_updates(db, interval_s=60, batch=100) for _ in range(4)))
    assert len(await told(db)) == 1
    await show(db, transaction_id, 2, register_of("1600"))
    assert await sweep(db, interval_s=60) == []
    await db.execute("UPDATE session_updates SET told_at = now() - interval '50 seconds'")
    assert len(await sweep(db, interval_s=60)) == 1


async def test_what_has_ended_or_was_not_told_to_have_begun_is_left_alone(
    db: Database, transaction_id: str
) -> None:
    await show(db, transaction_id, 1, register_of("1500"))
    await db.execute("UPDATE sessions SET told_as = NULL")
    assert await sweep(db) == []
    await db.execute("UPDATE sessions SET told_as = 0")
    assert len(await sweep(db)) == 1
    await show(db, transaction_id, 2, register_of("1600"))
    end = TransactionEnded(
        station_id="CS-1",
        transaction_id=transaction_id,
        ended_at=BEGUN + timedelta(minutes=3),
        meter_stop_wh=Decimal(1700),
        stopped_reason="Local",
    )
    await facts.write(db, [end])
    assert await sweep(db) == []
    assert await db.fetchval("SELECT count(*) FROM session_updates") == 0


async def test_every_session_comes_to_its_turn_in_pages(db: Database, transaction_id: str) -> None:
    transactions = [transaction_id]
    for evse_id in range(2, 6):
        transactions.append(await begin(db, evse_id))  # noqa: PERF401 - each waits for the one before
    for evse_id, each in enumerate(transactions, start=1):
        if evse_id != 3:
            await show(db, each, 1, register_of("1500"), evse_id=evse_id)
    events = await sweep(db, batch=2)
    assert sorted(event.data["evse_id"] for event in events) == [1, 2, 4, 5]
