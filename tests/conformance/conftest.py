"""A pod and the API, on the real Postgres and Redis, with one station connected."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from control.settings import ControlSettings
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.settings import DatabaseSettings
from shared.store.access import id_tokens
from shared.store.pool import Database, open_database
from tests.integration.control.players import API_KEY, Api, running
from tests.support.pods import Pod, running_pod
from tests.support.stations import register, station_client
from tests.support.transcript import Play

Settle = Callable[..., Awaitable[None]]
"""Has the worker work out all sessions, as if their time had come, with these settings."""


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(database_url=database_url)) as database:
        yield database


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Pod]:
    """A pod that writes at once what it would gather for seconds."""
    async with running_pod(
        database_url,
        redis_url,
        ocpp_log_level="all",
        replay_interval_s=0.05,
        ocpp_log_interval_s=0.05,
        quirks_interval_s=0.05,
        unknown_stations_interval_s=0.05,
    ) as pod:
        yield pod


@pytest.fixture
async def api(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    settings = ControlSettings(
        database_url=database_url,
        redis_url=redis_url,
        api_keys=API_KEY,
        public_url="http://files.example",
        files_directory=tmp_path / "files",
        files_signing_key="a-signing-key-that-only-tests-use",
        files_allowed_hosts="vendor.example",
    )
    async with running(settings) as served:
        yield served


@pytest.fixture
def settle(db: Database, database_url: str, redis_url: str) -> Settle:
    async def run(**settings: Any) -> None:
        await db.execute("UPDATE sessions SET settle_at = now() WHERE settle_at IS NOT NULL")
        await settle_due(
            db, WorkerSettings(database_url=database_url, redis_url=redis_url, **settings)
        )

    return run


@pytest.fixture
async def play(db: Database, gateway: Pod, api: Api) -> AsyncIterator[Play]:
    """Station CP-1, connected and accepted; the id token TAG may charge, BLOCKED may not."""
    await register(db)
    for id_token, status in (
        ("TAG", AuthorizationStatus.ACCEPTED),
        ("BLOCKED", AuthorizationStatus.BLOCKED),
    ):
        await id_tokens.create(
            db,
            id_token=id_token,
            type=IdTokenType.ISO14443,
            status=status,
            expires_at=None,
            group_id_token=None,
        )
    async with station_client(gateway.url) as station:
        assert (await station.boot())["status"] == "Accepted"
        yield Play(station, "CP-1", api.client)
