"""Postgres and the worker do as the model while clocks jump and ends by rule are revoked."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.settings import DatabaseSettings
from shared.store import facts
from shared.store.pool import Database, open_database
from tests.support.clock_plays import CORRECTED, PLAYS, REVOKED, SET_BACK, Play
from tests.support.session_ledger import Ledger
from tests.support.stations import register

_SOAK = int(os.environ.get("VOLTARO_SOAK_SESSIONS", "0"))
_BEGAN = datetime(2028, 2, 28, 22, 30, tzinfo=UTC)
_TIMES = {
    "sessions": (
        *("created_at", "started_at", "ended_at", "end_rule_at", "settle_at", "settled_at"),
        *("bill_at", "bill_started_at", "bill_ended_at"),
    ),
    "transaction_ends": ("ended_at", "received_at"),
    "transaction_events": ("occurred_at", "received_at"),
    "meter_values": ("sampled_at", "received_at"),
    "stations": ("booted_at",),
}
_numbers = count(1)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(database_url=database_url)) as database:
        yield database


@pytest.fixture
def worker(database_url: str, redis_url: str) -> WorkerSettings:
    return WorkerSettings(database_url=database_url, redis_url=redis_url)


async def pass_time(db: Database, station_id: str, passed: timedelta) -> None:
    """Let time pass for a station: all that has been moves so far into the past."""
    for table, columns in _TIMES.items():
        moved = ", ".join(f"{column} = {column} - $2::interval" for column in columns)
        await db.execute(f"UPDATE {table} SET {moved} WHERE station_id = $1", station_id, passed)  # noqa: S608 - names above


@pytest.mark.timeout(0)
@settings(
    max_examples=max(20, _SOAK // 500), deadline=None, suppress_health_check=list(HealthCheck)
)
@given(made=PLAYS)
@example(made=("1.6", REVOKED))
@example(made=("2.0.1", REVOKED))
@example(made=("1.6", SET_BACK))
@example(made=("2.0.1", SET_BACK))
@example(made=("1.6", CORRECTED))
@example(made=("2.0.1", CORRECTED))
async def test_the_store_and_the_worker_do_as_the_model_while_clocks_jump(
    db: Database, worker: WorkerSettings, made: tuple[str, list[tuple[str, Any]]]
) -> None:
    version, acts = made
    play, ledger = Play(version, f"CP-{next(_numbers)}"), Ledger()
    await register(db, play.station_id)
    await db.execute("UPDATE stations SET online = true WHERE station_id = $1", play.station_id)
    known: dict[int, str] = {}
    modelled: dict[int, str] = {}
    behind = timedelta(0)
    for act, argument in [*acts, ("look", 0)]:
        before = play.now
        say = play.do(act, argument)
        behind += play.now - before
        now = _BEGAN + play.now
        if say is None and act not in {"boot", "look"}:
            continue
        await pass_time(db, play.station_id, behind)
        behind = timedelta(0)
        if act == "boot":
            ledger.boot(now)
            await db.execute(
                "UPDATE stations SET booted_at = now() WHERE station_id = $1", play.station_id
            )
        if say is not None:
            number = len(play.charges)
            transaction_id = ledger.receive(say(now + play.offset)(modelled.get(number, "")), now)
            modelled.setdefault(number, transaction_id or f"tx-{number}")
            told = say(datetime.now(UTC) + play.offset)(known.get(number, ""))
            (given_id,) = await facts.write(db, [told])
            known.setdefault(number, given_id or f"tx-{number}")
        if act == "look":
            await settle_due(db, worker)
            settled = ledger.settle(now)
            for charge in play.charges:
                model = settled[modelled[charge.number]]
                found = await shown(db, play.station_id, known[charge.number])
                assert found == (
                    model.end and model.end.source,
                    model.rule_end and model.rule_end.rule,
                    model.energy_wh,
                    sorted(model.reasons),
                ), charge


async def shown(db: Database, station_id: str, transaction_id: str) -> tuple[Any, ...]:
    row = await db.fetchrow(
        """
        SELECT ended_by, end_rule, energy_wh, review_reasons, settled_at FROM sessions
        WHERE station_id = $1 AND transaction_id = $2
        """,
        station_id,
        transaction_id,
    )
    assert row["settled_at"] is not None
    return row["ended_by"], row["end_rule"], row["energy_wh"], sorted(row["review_reasons"])
