"""Transactions that share an id, and events that share a number, cost each other nothing."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import httpx
import pytest

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.domain.access.tokens import AuthorizationStatus
from shared.domain.sessions import Session, TransactionEventReported, TransactionStarted
from shared.store import facts
from shared.store.pool import Database
from shared.store.sessions import sessions
from tests.integration.control import charges
from tests.support.transaction_events import BEGIN, END, event, minute, register, started

Event = TransactionEventReported


@pytest.fixture
def worker(database_url: str, redis_url: str) -> WorkerSettings:
    return WorkerSettings(database_url=database_url, redis_url=redis_url)


def charge(start: float, wh: int, *, seq_nos: tuple[int, ...] = (0, 1, 2)) -> list[Event]:
    """Return the events of an hour that takes 4000 Wh, always under the same id."""
    return [
        replace(started(register(start, wh, BEGIN), seq_no=seq_nos[0]), occurred_at=minute(start)),
        event("Updated", seq_nos[1], start + 30, register(start + 30, wh + 2000)),
        event("Ended", seq_nos[2], start + 60, register(start + 60, wh + 4000, END)),
    ]


async def settled(db: Database, worker: WorkerSettings) -> list[Session]:
    """Work everything out, and return the sessions in the order of their starts."""
    await db.execute("UPDATE sessions SET settle_at = now()")
    await settle_due(db, worker)
    found = await sessions.list_before(db, before=None, limit=10)
    return sorted(found, key=lambda session: session.started_at or minute(-999))


def bill(session: Session) -> tuple[Any, ...]:
    return (
        session.started_at, session.ended_at, session.energy_wh, session.energy_method,
        session.review_reasons, session.billable,
    )  # fmt: skip


def right(start: float) -> tuple[Any, ...]:
    return minute(start), minute(start + 60), 4000, "registers", (), True


@pytest.mark.parametrize("at_once", [3, 1], ids=["in one batch", "one by one"])
async def test_events_that_share_a_number_are_a_whole_session(
    db: Database, worker: WorkerSettings, at_once: int
) -> None:
    told = charge(0, 1000, seq_nos=(0, 0, 0)) * 2
    for first in range(0, len(told), at_once):
        await facts.write(db, told[first : first + at_once])
    (session,) = await settled(db, worker)
    assert bill(session) == right(0)
    assert await db.fetchval("SELECT count(*) FROM all_transaction_events") == 3
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_events_that_share_a_number_are_one_session_in_any_order(db: Database) -> None:
    for number, order in enumerate(permutations(charge(0, 1000, seq_nos=(0, 0, 0)))):
        for each in order:
            await facts.write(db, [replace(each, transaction_id=f"tx-{number}")])
    rows = await db.fetch(
        "SELECT started_at, ended_at, meter_start_wh, meter_stop_wh FROM sessions"
    )
    assert {tuple(row) for row in rows} == {(minute(0), minute(60), 1000, 5000)}
    kept = await db.fetch("SELECT count(*) FROM all_transaction_events GROUP BY transaction_id")
    assert {row["count"] for row in kept} == {3}


@pytest.mark.parametrize(
    "batches",
    [
        lambda first, second: [[each] for each in (*first, *second)],
        lambda first, second: [first, second],
        lambda first, second: [[*first, *second]],
        lambda first, second: [[*second, *first]],
        lambda first, second: [[*first, second[0]], second[1:], second],
        # The first one's end comes late: the station was offline.
        lambda first, second: [first[:2], second, [first[2]]],
        lambda first, second: [first[:2], [second[0]], [first[2]], second[1:]],
        # All of the first one comes late.
        lambda first, second: [second, first],
    ],
    ids=["one by one", "each at once", "all at once", "all at once, turned round", "told again",
         "a late end", "a late end in between", "the second one first"],
)  # fmt: skip
async def test_an_id_that_is_used_again_after_a_reboot_is_another_transactions(
    db: Database, worker: WorkerSettings, batches: Any
) -> None:
    for batch in batches(charge(0, 1000), charge(120, 5000)):
        await facts.write(db, batch)
    first, second = await settled(db, worker)
    assert (bill(first), bill(second)) == (right(0), right(120))
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_a_third_transaction_and_one_that_never_ended_are_told_apart_as_well(
    db: Database, worker: WorkerSettings
) -> None:
    for batch in (charge(0, 1000), charge(120, 5000)[:2], charge(240, 9000)):
        await facts.write(db, batch)
    first, second, third = await settled(db, worker)
    assert (bill(first), bill(third)) == (right(0), right(240))
    assert second.ended_at is None
    assert not second.billable


async def test_a_bill_is_not_touched_by_the_next_transaction_with_its_id(
    db: Database, worker: WorkerSettings
) -> None:
    await facts.write(db, charge(0, 1000))
    (before,) = await settled(db, worker)
    await facts.write(db, charge(120, 5000))
    after, second = await settled(db, worker)
    assert replace(after, settled_at=None) == replace(before, settled_at=None)
    assert after.transaction_id != second.transaction_id
    values = await sessions.list_meter_values_after(db, second, after=None, limit=10)
    assert [value.energy_wh for _, value in values] == [5000, 7000, 9000]


async def test_a_start_that_is_told_again_with_a_new_stamp_is_the_same(
    db: Database, worker: WorkerSettings
) -> None:
    first, *rest = charge(0, 1000)
    for each in (first, replace(first, occurred_at=minute(0.5)), *rest):
        await facts.write(db, [each])
    (session,) = await settled(db, worker)
    assert bill(session) == right(0)


async def test_stations_do_not_share_ids(db: Database, worker: WorkerSettings) -> None:
    await facts.write(db, charge(0, 1000))
    await facts.write(db, [replace(each, station_id="CS-2") for each in charge(120, 1000)])
    first, second = await settled(db, worker)
    assert (first.transaction_id, second.transaction_id) == ("tx-1", "tx-1")


async def test_an_id_that_we_gave_before_the_upgrade_is_the_stations_as_well(
    db: Database, worker: WorkerSettings
) -> None:
    ours = await charges.begin(db)
    await charges.end(db, ours, "3000")
    for batch in (charge(0, 1000), charge(120, 5000)):
        await facts.write(db, [replace(each, transaction_id=ours) for each in batch])
    old, first, second = await settled(db, worker)
    assert (old.transaction_id, old.energy_wh, old.billable) == (ours, 2000, True)
    assert (bill(first), bill(second)) == (right(0), right(120))
    assert len({old.transaction_id, first.transaction_id, second.transaction_id}) == 3
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_an_id_that_the_station_made_is_not_given_to_a_transaction_of_1_6(
    db: Database,
) -> None:
    ours = int(await charges.begin(db))
    for number in (1, 2):
        await facts.write(db, [replace(charge(0, 1000)[0], transaction_id=str(ours + number))])
    starts = [
        TransactionStarted(
            station_id=station_id,
            evse_id=1,
            connector_id=1,
            ocpp_version="1.6",
            id_token="TAG",
            authorization_status=AuthorizationStatus.ACCEPTED,
            started_at=charges.START + timedelta(days=1),
            meter_start_wh=Decimal(1000),
        )
        for station_id in ("CS-1", "CS-2")
    ]
    mine, others = await facts.write(db, starts)
    assert int(str(mine)) > ours + 2
    assert mine != others
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_the_api_shows_every_end_of_a_session_whose_events_share_a_number(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    await facts.write(db, charge(0, 1000, seq_nos=(0, 0, 0)))
    (session,) = await settled(db, worker)
    shown = (await client.get(f"/v1/sessions/{session.session_id}")).json()
    (end,) = shown["ends"]
    assert (end["source"], end["stands"]) == ("station", True)
    assert shown["event_gaps"] == []
