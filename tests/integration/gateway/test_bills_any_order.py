"""Postgres and the worker bill uncertain charges as the model does, wherever the worker looks."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.domain.sessions import Settlement, TransactionEventReported
from shared.settings import DatabaseSettings
from shared.store import facts
from shared.store.pool import Database, open_database
from shared.store.sessions import sessions
from tests.support.session_ledger import Ledger
from tests.support.transaction_events import START
from tests.support.uncertain_scripts import uncertain_scripts

_SCRIPTS = 3
# After everything, and long before anything is closed by rule.
_RECEIVED_AT = START + timedelta(days=_SCRIPTS)
_numbers = count()

Batch = list[TransactionEventReported]


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(database_url=database_url)) as database:
        yield database


@st.composite
def tellings(draw: st.DrawFn) -> list[Batch]:
    """Make charges, and a way to tell them; the worker looks after each batch."""
    made = draw(st.tuples(*(uncertain_scripts(number) for number in range(_SCRIPTS))))
    words = [word for script in made for word in script.told]
    again = draw(st.lists(st.sampled_from(words), max_size=3)) if words else []
    batches: list[Batch] = [[]]
    for word in draw(st.permutations(words + again)):
        if draw(st.integers(0, 3)) == 0:
            batches.append([])
        batches[-1].append(word)
    return [batch for batch in batches if batch]


def shown(session: Any) -> tuple[Any, ...]:
    return (
        session.ended_at, session.ended_by, session.energy_wh, session.energy_method,
        sorted(session.review_reasons), session.needs_review, session.billable,
    )  # fmt: skip


def expected(settlement: Settlement) -> tuple[Any, ...]:
    end = settlement.end
    return (
        end and end.ended_at, end and end.source, settlement.energy_wh, settlement.energy_method,
        sorted(settlement.reasons), settlement.needs_review, settlement.billable,
    )  # fmt: skip


@pytest.mark.timeout(0)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=tellings())
async def test_the_store_and_the_worker_bill_as_the_model(
    db: Database, database_url: str, redis_url: str, batches: list[Batch]
) -> None:
    worker = WorkerSettings(database_url=database_url, redis_url=redis_url)
    station_id, ledger = f"CS-{next(_numbers)}", Ledger()
    for batch in batches:
        await facts.write(db, [replace(word, station_id=station_id) for word in batch])
        for word in batch:
            ledger.receive(word, _RECEIVED_AT)
        await db.execute("UPDATE sessions SET settle_at = now() WHERE station_id = $1", station_id)
        await settle_due(db, worker)
        rows = await db.fetch(
            "SELECT session_id::text FROM sessions WHERE station_id = $1", station_id
        )
        found = [await sessions.get(db, row["session_id"]) for row in rows]
        settlements = ledger.settle(_RECEIVED_AT)
        assert {session.transaction_id for session in found} == settlements.keys()
        for session in found:
            settlement = settlements[session.transaction_id]
            if settlement.end is None:
                assert session.ended_at is None
            else:
                assert shown(session) == expected(settlement), batches
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0
