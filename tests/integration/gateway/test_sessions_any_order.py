"""Postgres and the worker come to what the model comes to, whatever the order and the batches."""

import asyncio
import os
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
from shared.domain.sessions import End
from shared.settings import DatabaseSettings
from shared.store import facts
from shared.store.facts import Fact
from shared.store.pool import Database, open_database
from tests.support.session_ledger import Ledger
from tests.support.session_scripts import BEGIN, Script, scripts

_SOAK = int(os.environ.get("VOLTARO_SOAK_SESSIONS", "0"))
_SCRIPTS = 4
_numbers = count()


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(database_url=database_url)) as database:
        yield database


@pytest.fixture
def worker(database_url: str, redis_url: str) -> WorkerSettings:
    return WorkerSettings(database_url=database_url, redis_url=redis_url, settle_batch=3)


@st.composite
def tellings(draw: st.DrawFn) -> tuple[tuple[Script, ...], list[list[tuple[int, int]]]]:
    """Make sessions, and a way to tell them: any order, any repetition, any batches.

    A word is a script and a place in it; place -1 is the start.
    """
    made = draw(st.tuples(*(scripts(number) for number in range(_SCRIPTS))))
    words = [
        (number, place)
        for number, script in enumerate(made)
        for place in range(-1 if script.start else 0, len(script.words))
    ]
    again = draw(st.lists(st.sampled_from(words), max_size=6))
    batches: list[list[tuple[int, int]]] = [[]]
    for word in draw(st.permutations(words + again)):
        if draw(st.integers(0, 3)) == 0:
            batches.append([])
        batches[-1].append(word)
    return made, batches


async def tell(
    db: Database, station_id: str, made: tuple[Script, ...], batches: list[Any]
) -> tuple[Ledger, dict[int, str]]:
    """Tell everything to Postgres and to the model; return the model and Postgres' ids."""
    ledger, ids, model_ids = Ledger(), {}, {}
    waiting: list[tuple[int, int]] = []
    now = BEGIN
    pending = list(batches)
    while pending or waiting:
        batch, waiting = [*waiting, *(pending.pop(0) if pending else [])], []
        now += timedelta(seconds=1)
        told: list[Fact] = []
        starts: list[tuple[int, int]] = []
        for number, place in batch:
            script = made[number]
            if place < 0:
                assert script.start is not None
                starts.append((len(told), number))
                told.append(replace(script.start, station_id=station_id))
                model_ids[number] = ledger.receive(script.start, now)
                continue
            word: Any = script.word(place, ids.get(number))
            if word is None:
                waiting.append((number, place))
                continue
            told.append(replace(word, station_id=station_id))
            model_word = script.word(place, model_ids.get(number))
            assert model_word is not None
            ledger.receive(model_word, now)
        if told:
            results = await facts.write(db, told)
            for index, number in starts:
                transaction_id = results[index]
                assert transaction_id is not None
                assert ids.setdefault(number, transaction_id) == transaction_id
    return ledger, ids


async def shown(db: Database, station_id: str, transaction_id: str) -> tuple[Any, ...]:
    row = await db.fetchrow(
        """
        SELECT ended_at, ended_by, energy_wh, energy_method, review_reasons, needs_review,
               settled_at, jsonb_array_length(energy_estimates) AS estimates
        FROM sessions WHERE station_id = $1 AND transaction_id = $2
        """,
        station_id,
        transaction_id,
    )
    assert row["settled_at"] is not None
    return (
        row["ended_at"], row["ended_by"], row["energy_wh"], row["energy_method"],
        sorted(row["review_reasons"]), row["needs_review"], row["estimates"],
    )  # fmt: skip


def expected(end: End | None, settlement: Any) -> tuple[Any, ...]:
    return (
        end and end.ended_at, end and end.source, settlement.energy_wh, settlement.energy_method,
        sorted(settlement.reasons), settlement.needs_review, len(settlement.estimates),
    )  # fmt: skip


@pytest.mark.timeout(0)
@settings(
    max_examples=max(60, _SOAK // 50),
    suppress_health_check=list(HealthCheck),
)
@given(telling=tellings())
async def test_the_store_and_the_worker_do_as_the_model(
    db: Database,
    worker: WorkerSettings,
    telling: tuple[tuple[Script, ...], list[list[tuple[int, int]]]],
) -> None:
    made, batches = telling
    station_id = f"CP-{next(_numbers)}"
    ledger, ids = await tell(db, station_id, made, batches)
    # Two workers at once, and one of them looks once more at the end.
    await asyncio.gather(settle_due(db, worker), settle_due(db, worker))
    await settle_due(db, worker)
    # No rule has had its time.
    settlements = ledger.settle(BEGIN + timedelta(seconds=30), evses=0)
    for number, script in enumerate(made):
        name = f"tx-{number}" if script.start is None else ids[number]
        model = f"tx-{number}" if script.start is None else ledger_id(ledger, script)
        settlement = settlements[model]
        assert await shown(db, station_id, name) == expected(settlement.end, settlement), script
    assert await db.fetchval("SELECT count(*) FROM sessions WHERE settle_at <= now()") == 0


def ledger_id(ledger: Ledger, script: Script) -> str:
    return next(name for name, session in ledger.sessions.items() if session.start == script.start)
