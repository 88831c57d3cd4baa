"""Exports that nobody reads to their end, that cannot go on, or that are too many."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import psutil
import pytest

from shared.store.pool import Database
from shared.telemetry import metrics
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import Api, assert_problem, running
from tests.support.eventually import eventually

SESSIONS = "/v1/sessions/export"
# What a session is exported as in NDJSON takes 850 bytes: more than all buffers between hold.
MANY = 40_000
AT_ONCE = 20_000
_MIB = 2**20


async def make_sessions(db: Database, count: int) -> None:
    for first in range(1, count, AT_ONCE):
        await db.execute(
            """
            INSERT INTO sessions (station_id, evse_id, transaction_id, transaction_id_issuer,
                                  ocpp_version, id_token, started_at, ended_at, meter_start_wh,
                                  meter_stop_wh, energy_wh, settled_at)
            SELECT 'CS-' || number % 100, 1, number::text, 'csms', '1.6', md5(number::text), now(),
                   now(), number, number + 1000.5, 1000.5, now()
            FROM generate_series($1::int, $2::int) AS number
            """,
            first,
            first + AT_ONCE - 1,
        )


@pytest.fixture
async def many(db: Database) -> None:
    await make_sessions(db, MANY)


@asynccontextmanager
async def begun(client: httpx.AsyncClient, **params: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """Begin to read an export, and give the rest of it."""
    async with client.stream("GET", SESSIONS, params=params) as response:
        assert response.status_code == 200, await response.aread()
        chunks = response.aiter_raw()
        assert await anext(chunks)
        yield chunks


async def read_all(rest: AsyncIterator[bytes]) -> None:
    async for _ in rest:
        pass


async def places(api: Api) -> int:
    return api.services.exports.running


async def all_given_back(api: Api) -> None:
    await eventually(lambda: places(api), lambda count: count == 0)


async def searching(db: Database) -> int:
    """Return how many exports Postgres is at work for, or holds a transaction of."""
    found: int = await db.fetchval(
        """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
          AND query LIKE '%SELECT session_id::text, session.station_id%'
        """
    )
    return found


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("export_format", ["csv", "ndjson", "parquet"])
async def test_an_export_that_cannot_go_on_has_no_clean_end(
    api: Api, db: Database, export_format: str
) -> None:
    async with begun(api.client, format=export_format) as rest:
        await db.execute("ALTER TABLE sessions RENAME TO sessions_away")
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            await read_all(rest)
    await db.execute("ALTER TABLE sessions_away RENAME TO sessions")
    await all_given_back(api)
    response = await api.client.get(SESSIONS, params={"limit": 1})
    assert response.status_code == 200


@pytest.mark.usefixtures("many")
async def test_an_export_whose_connection_is_lost_has_no_clean_end(api: Api, db: Database) -> None:
    async with begun(api.client) as rest:
        await db.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """
        )
        with pytest.raises(httpx.RemoteProtocolError):
            await read_all(rest)
    await all_given_back(api)


@pytest.mark.usefixtures("many")
async def test_who_leaves_gives_the_place_back(api: Api, db: Database) -> None:
    async with begun(api.client):
        assert await places(api) == 1
    await all_given_back(api)
    await eventually(lambda: searching(db), lambda count: count == 0)


async def test_who_leaves_ends_the_search_at_once(
    db: Database, make_settings: MakeSettings
) -> None:
    """The search waits for a lock here, as it would for a disk."""
    settings = make_settings(export_page_timeout_s=60, database_lock_timeout_s=60)
    async with running(settings) as api, db.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        asking = asyncio.create_task(api.client.get(SESSIONS))
        await eventually(lambda: searching(db), lambda count: count == 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await eventually(lambda: searching(db), lambda count: count == 0)
        assert await places(api) == 0


@pytest.mark.usefixtures("many")
async def test_head_reads_one_page(api: Api, db: Database) -> None:
    before = _given_up()
    response = await api.client.head(SESSIONS)
    assert response.status_code == 200
    assert response.content == b""
    assert "sessions-" in response.headers["content-disposition"]
    await all_given_back(api)
    assert _given_up() == before + 1
    assert await searching(db) == 0


def _given_up() -> float:
    return metrics.exports_ended.labels("sessions", "ndjson", "given_up")._value.get()


@pytest.mark.usefixtures("many")
async def test_so_many_run_of_one_caller_and_of_a_process(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(exports_max=3, exports_max_per_principal=2)
    async with running(settings) as api:
        made = await api.client.post(
            "/v1/api-keys", json={"name": "k", "scopes": ["sessions:read"]}
        )
        other = {"Authorization": f"Bearer {made.json()['key']}"}
        async with begun(api.client), begun(api.client):
            problem = assert_problem(await api.client.get(SESSIONS), 429, "rate-limited")
            assert problem["code"] == "too_many_exports"
            async with api.client.stream("GET", SESSIONS, headers=other) as response:
                assert response.status_code == 200
                refused = await api.client.get(SESSIONS, headers=other)
                assert_problem(refused, 503, "unavailable")
                assert refused.headers["retry-after"]
        await all_given_back(api)
        assert (await api.client.get(SESSIONS, params={"limit": 1})).status_code == 200


@pytest.mark.timeout(240)
async def test_memory_does_not_grow_with_the_rows(api: Api, db: Database) -> None:
    await make_sessions(db, 200_000)
    # Of the formats, it is Parquet that holds rows back, for its groups.
    size, grown = 0, 0
    async with begun(api.client, format="parquet") as rest:
        gc.collect()
        before = _memory()
        async for chunk in rest:
            size += len(chunk)
            grown = max(grown, _memory() - before)
    assert size > 4 * _MIB
    assert grown < 80 * _MIB
    await all_given_back(api)


def _memory() -> int:
    rss: int = psutil.Process().memory_info().rss
    return rss
