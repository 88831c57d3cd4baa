"""The merge of a transaction's events does not depend on how they come."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.sessions import TransactionEventReported, TransactionEventType
from shared.domain.sessions.meter_values import MeterSample, MeterValue, energy_import_wh
from shared.settings import DatabaseSettings
from shared.store import facts
from shared.store.pool import Database, open_database

START = datetime(2026, 1, 2, 3, tzinfo=UTC)
CONTEXTS = ["Transaction.Begin", "Sample.Periodic", "Sample.Clock", "Transaction.End"]
_numbers = count()

Events = list[TransactionEventReported]


@st.composite
def meter_values(draw: st.DrawFn, minute: int) -> MeterValue:
    sample: MeterSample = {
        "value": str(draw(st.integers(0, 5000))),
        "measurand": draw(st.sampled_from(["Energy.Active.Import.Register", "Voltage"])),
        "context": draw(st.sampled_from(CONTEXTS)),
        "location": "Outlet",
        "unit": "Wh",
    }
    return MeterValue(START + timedelta(minutes=minute), [sample], energy_import_wh([sample]))


@st.composite
def transactions(draw: st.DrawFn) -> Events:
    """Make the events of a transaction in order; some may be lost, and clocks may jump."""
    events: Events = []
    length = draw(st.integers(1, 7))
    evse_from = draw(st.integers(0, length))
    for seq_no in range(length):
        event_type = (
            TransactionEventType.STARTED
            if seq_no == 0
            else TransactionEventType.ENDED
            if seq_no == length - 1
            else TransactionEventType.UPDATED
        )
        token = draw(st.none() | st.sampled_from(["A", "B"]))
        minute = draw(st.integers(0, 60))
        knows_evse = seq_no >= evse_from and draw(st.booleans())
        events.append(
            TransactionEventReported(
                station_id="CP",
                transaction_id="",
                ocpp_version="2.0.1",
                event_type=event_type,
                seq_no=seq_no,
                occurred_at=START + timedelta(minutes=minute),
                trigger_reason=draw(st.sampled_from(["Trigger", "StopAuthorized"])),
                evse_id=2 if knows_evse else None,
                connector_id=1 if knows_evse and draw(st.booleans()) else None,
                id_token=token,
                id_token_type=token and IdTokenType.ISO14443,
                authorization_status=token and AuthorizationStatus.ACCEPTED,
                reservation_id=draw(st.none() | st.just(9)),
                stopped_reason="Local" if event_type is TransactionEventType.ENDED else None,
                meter_values=draw(st.lists(meter_values(minute), max_size=3)),
            )
        )
    lost = draw(st.sets(st.integers(0, length - 1), max_size=length - 1))
    return [event for event in events if event.seq_no not in lost]


@st.composite
def tellings(draw: st.DrawFn) -> tuple[Events, list[Events]]:
    """Make a transaction, and a way to tell it: any order, any repetition, any batches."""
    events = draw(transactions())
    again = draw(st.lists(st.sampled_from(events), max_size=4))
    told = draw(st.permutations(events + [replace(event, offline=True) for event in again]))
    batches: list[Events] = [[]]
    for event in told:
        if draw(st.booleans()):
            batches.append([])
        batches[-1].append(event)
    return events, [batch for batch in batches if batch]


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(database_url=database_url)) as database:
        yield database


async def write(db: Database, transaction_id: str, batch: Events) -> None:
    await facts.write(db, [replace(event, transaction_id=transaction_id) for event in batch])


async def rows(db: Database, transaction_id: str) -> tuple[Any, ...]:
    """Return all that is kept of a transaction, but not what differs by its nature."""
    session = await db.fetchrow("SELECT * FROM sessions WHERE transaction_id = $1", transaction_id)
    words = dict(session)
    for name in ("session_id", "transaction_id", "created_at", "updated_at", "settle_at"):
        del words[name]
    values = await db.fetch(
        "SELECT evse_id, sampled_at, energy_wh, samples FROM meter_values WHERE transaction_id = $1"
        " ORDER BY sampled_at, samples::text",
        transaction_id,
    )
    seq_nos = await db.fetch(
        "SELECT seq_no, event_type FROM transaction_events WHERE transaction_id = $1 ORDER BY 1",
        transaction_id,
    )
    return words, [tuple(value) for value in values], [tuple(seq_no) for seq_no in seq_nos]


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(telling=tellings())
async def test_any_order_repetition_and_batching_gives_the_same_rows(
    db: Database, telling: tuple[Events, list[Events]]
) -> None:
    events, batches = telling
    number = next(_numbers)
    for event in events:
        await write(db, f"in-order-{number}", [event])
    for batch in batches:
        await write(db, f"as-told-{number}", batch)
    # As when a station has come to another pod while the first one still works on what it said.
    await asyncio.gather(*(write(db, f"at-once-{number}", batch) for batch in batches))
    expected = await rows(db, f"in-order-{number}")
    assert await rows(db, f"as-told-{number}") == expected
    assert await rows(db, f"at-once-{number}") == expected
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_many_transactions_in_one_batch_stay_apart(db: Database) -> None:
    def register(minute: int, wh: int, context: str) -> list[MeterValue]:
        sample: MeterSample = {
            "value": str(wh),
            "measurand": "Energy.Active.Import.Register",
            "context": context,
            "location": "Outlet",
        }
        return [MeterValue(START + timedelta(minutes=minute), [sample], Decimal(wh))]

    batch = [
        TransactionEventReported(
            station_id=f"CP-{number % 7}",
            transaction_id=f"tx-{number}",
            ocpp_version="2.0.1",
            event_type=event_type,
            seq_no=seq_no,
            occurred_at=START + timedelta(minutes=seq_no),
            trigger_reason="Trigger",
            evse_id=number if seq_no == 0 else None,
            stopped_reason="Local" if seq_no else None,
            meter_values=register(seq_no, wh, context),
        )
        for number in range(200)
        for event_type, seq_no, wh, context in (
            (TransactionEventType.ENDED, 1, 1000 + number, "Transaction.End"),
            (TransactionEventType.STARTED, 0, 1000, "Transaction.Begin"),
        )
    ]
    assert await facts.write(db, batch) == [None] * 400
    sessions = await db.fetch("SELECT * FROM sessions")
    assert {
        (row["transaction_id"], row["evse_id"], row["meter_stop_wh"] - row["meter_start_wh"])
        for row in sessions
    } == {(f"tx-{number}", number, number) for number in range(200)}
    assert await db.fetchval("SELECT count(*) FROM meter_values WHERE evse_id IS NOT NULL") == 400


async def test_a_batch_of_every_case_is_written_as_if_told_one_by_one(db: Database) -> None:
    sample: MeterSample = {
        "value": "1000",
        "measurand": "Energy.Active.Import.Register",
        "context": "Sample.Periodic",
        "location": "Outlet",
        "unit": "Wh",
    }
    event = TransactionEventReported(
        station_id="CP",
        transaction_id="known",
        ocpp_version="2.0.1",
        event_type=TransactionEventType.UPDATED,
        seq_no=1,
        occurred_at=START,
        trigger_reason="MeterValuePeriodic",
        evse_id=1,
        meter_values=[MeterValue(START, [sample], energy_import_wh([sample]))],
    )
    learning = replace(event, transaction_id="learning", evse_id=None)
    await facts.write(db, [replace(event, seq_no=0), learning])
    await db.execute(
        """
        INSERT INTO sessions (station_id, transaction_id, transaction_id_issuer, ocpp_version,
                              evse_id, started_at)
        VALUES ('CP', 'taken', 'csms', '1.6', 1, $1)
        """,
        START,
    )
    batch = [
        event,
        replace(event, offline=True),  # told again
        replace(event, charging_state="Charging"),  # another one with its number
        replace(event, transaction_id="new", evse_id=None),
        learning,
        replace(learning, seq_no=2, evse_id=2),
        replace(event, transaction_id="taken"),
    ]
    assert await facts.write(db, batch) == [None] * len(batch)
    await facts.write(db, batch)
    kept = await db.fetch("SELECT transaction_id, seq_no FROM transaction_events ORDER BY 1, 2")
    assert [tuple(row) for row in kept] == [
        ("known", 0), ("known", 1), ("learning", 1), ("learning", 2), ("new", 1),
        ("taken #2.0.1", 1),
    ]  # fmt: skip
    values = await db.fetch("SELECT transaction_id, evse_id FROM meter_values ORDER BY 1")
    assert [tuple(row) for row in values] == [
        ("known", 1), ("learning", 2), ("new", 0), ("taken #2.0.1", 1)
    ]  # fmt: skip
    same = await db.fetch("SELECT transaction_id FROM transaction_events_of_same_number")
    assert [row["transaction_id"] for row in same] == ["known"]
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0
