"""A pod and the API, on the real Postgres and Redis, with one station connected."""

from collections.abc import AsyncIterator

import pytest

from control.settings import ControlSettings
from shared.domain.tokens import AuthorizationStatus, IdTokenType
from shared.settings import DatabaseSettings
from shared.store import id_tokens
from shared.store.pool import Database, open_database
from tests.integration.control.players import API_KEY, Api, running
from tests.support.pods import Pod, running_pod
from tests.support.stations import register, station_client
from tests.support.transcript import Play


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(database_url=database_url)) as database:
        yield database


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Pod]:
    async with running_pod(database_url, redis_url) as pod:
        yield pod


@pytest.fixture
async def api(database_url: str, redis_url: str) -> AsyncIterator[Api]:
    settings = {"database_url": database_url, "redis_url": redis_url, "api_keys": API_KEY}
    async with running(ControlSettings(**settings)) as served:
        yield served


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
