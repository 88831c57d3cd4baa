"""What `make bench-data` fills and reads, with a ten-thousandth of the rows.

A change of the schema or of the API that it does not follow shows here.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from control.settings import ControlSettings
from loadtest.data.fill import Amounts, fill, open_to_fill, read_sql
from loadtest.data.measure import make_and_drop_days
from loadtest.data.reads import READS, Picks, Read
from shared.domain.sessions import Session
from shared.store.pool import Database
from shared.store.sessions import sessions
from tests.integration.control.players import API_KEY, running

AMOUNTS = Amounts.of(0.0001)
GROWING = (
    *("stations", "connectors", "id_tokens", "id_token_groups", "locations", "station_variables"),
    *("configuration_keys", "station_connections", "sessions", "meter_values"),
    *("transaction_events", "connector_status_changes", "commands", "dead_letters", "ocpp_log"),
)


@dataclass(frozen=True)
class Filled:
    db: Database
    api: httpx.AsyncClient
    indexes_before: set[str]


async def indexes(db: Database) -> set[str]:
    """Return all indexes but those of days, as they are defined."""
    records = await db.fetch(
        r"""
        SELECT pg_get_indexdef(indexrelid) || coalesce(pg_get_constraintdef(pg_constraint.oid), '')
               AS definition
        FROM pg_index JOIN pg_class AS filled ON filled.oid = indrelid
        LEFT JOIN pg_constraint ON conindid = indexrelid AND conrelid = indrelid
        WHERE relnamespace = 'public'::regnamespace AND relname !~ '_\d{8}$'
        """
    )
    return {record["definition"] for record in records}


@pytest.fixture
async def filled(database_url: str, redis_url: str) -> AsyncIterator[Filled]:
    settings = ControlSettings(database_url=database_url, redis_url=redis_url, api_keys=API_KEY)
    async with open_to_fill(database_url) as db:
        before = await indexes(db)
        await fill(db, AMOUNTS, say=lambda _: None)
        async with running(settings) as served:
            yield Filled(db, served.client, before)


def read_named(name: str) -> Read:
    (found,) = (read for read in READS if read.name == name)
    return found


async def test_a_filled_database_is_like_one_that_stations_have_filled(filled: Filled) -> None:
    db = filled.db
    rows = {name: await db.fetchval(f"SELECT count(*) FROM {name}") for name in GROWING}  # noqa: S608 - the names above
    assert 0 not in rows.values()
    assert rows["stations"] == AMOUNTS.stations
    assert rows["sessions"] == AMOUNTS.sessions
    # Three per session, each in the partition of its day.
    assert 2.5 < rows["meter_values"] / AMOUNTS.sessions < 3.5
    assert await db.fetchval("SELECT count(*) FROM meter_values_default") == 0
    # Every index is back, as it was; of what was needed to fill nothing is left.
    assert await indexes(db) == filled.indexes_before
    assert await db.fetchval("SELECT to_regnamespace('fill')") is None
    # All of it lies in the past, in the 90 days, and in the order of the keys.
    assert await db.fetchval(
        """
        SELECT min(started_at) > now() - interval '91 days' AND max(started_at) < now()
               AND max(ended_at) < now()
        FROM sessions
        """
    )
    listed = await sessions.list_before(db, before=None, limit=AMOUNTS.sessions)
    started_at = [session.started_at for session in listed if session.started_at is not None]
    assert started_at == sorted(started_at, reverse=True)
    assert len(started_at) == AMOUNTS.sessions
    assert sum(session.billable for session in listed) > 0.99 * len(listed) - 20
    # Nothing waits for the worker, which would work all of it out again.
    assert await db.fetchval("SELECT count(*) FROM sessions WHERE settle_at IS NOT NULL") == 0
    await assert_meter_values_agree(db, listed)


async def assert_meter_values_agree(db: Database, listed: list[Session]) -> None:
    """Those of a session are its own, and lie between its registers."""
    with_values = 0
    for session in [each for each in listed if each.ended_at is not None][:50]:
        values = await sessions.list_meter_values_after(db, session, after=None, limit=100)
        for _, value in values:
            assert value.transaction_id == session.transaction_id
            assert session.meter_start_wh is not None
            assert session.meter_stop_wh is not None
            assert value.energy_wh is not None
            assert session.meter_start_wh <= value.energy_wh <= session.meter_stop_wh
        with_values += bool(values)
    assert with_values == 50


async def test_every_read_is_answered_and_finds_something(filled: Filled) -> None:
    picks = await Picks.of(filled.db)
    for read in READS:
        await read.ask(filled.api, picks)
    for name in ("sessions: of a token", "meter values of a session", "commands of a station"):
        path, query = read_named(name).request(picks)
        answer = await filled.api.get(path, params=query)
        assert answer.json()["items"], name


async def test_one_full_day_of_each_table_is_dropped(filled: Filled) -> None:
    days = "SELECT count(DISTINCT sampled_at::date) FROM meter_values"
    before = await filled.db.fetchval(days)
    assert len(await make_and_drop_days(filled.db)) == 4
    # One of them is only partly filled, and is not what is measured.
    assert await filled.db.fetchval(days) == before - 2
    assert await filled.db.fetchval("SELECT min(called_at)::date = now()::date FROM ocpp_log")


async def test_sizes_are_told_of_whole_tables(filled: Filled) -> None:
    sizes = {each["table_name"]: each for each in await filled.db.fetch(read_sql("sizes"))}
    assert sizes["sessions"]["rows"] == AMOUNTS.sessions
    assert sizes["meter_values"]["index_bytes"] > 0
    assert not any(name.startswith("meter_values_2") for name in sizes)
