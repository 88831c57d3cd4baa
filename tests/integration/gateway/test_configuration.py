"""What a station answers to Get- and ChangeConfiguration is kept."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.bus.client import open_redis
from shared.domain.commands import ChangeConfiguration, Command, GetConfiguration
from shared.settings import ServiceSettings
from shared.store.pool import Database
from shared.store.stations import configuration
from tests.integration.gateway.conftest import Pod
from tests.support.asking import ask, outcome
from tests.support.stations import StationClient, register, station_client


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with station_client(gateway.url) as client:
        await client.boot()
        yield client


async def exchange(
    db: Database, redis: Redis, station: StationClient, command: Command, answer: dict[str, Any]
) -> None:
    command_id = await ask(db, redis, command)
    _, message_id, *_ = await station.receive()
    await station.send([3, message_id, answer])
    await outcome(db, command_id)


async def kept(db: Database) -> dict[str, tuple[str | None, str | None, bool, bool]]:
    items = await configuration.list_after(db, "CP-1", after=None, limit=100)
    return {
        item.name: (item.value, item.mutability, item.known, item.reboot_required) for item in items
    }


async def test_keys_are_kept_with_their_flags_and_those_it_does_not_know(
    db: Database, redis: Redis, station: StationClient
) -> None:
    answer = {
        "configurationKey": [
            {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
            {"key": "NumberOfConnectors", "readonly": True, "value": "2"},
            {"key": "Unset", "readonly": False},
        ],
        "unknownKey": ["Nonsense"],
    }
    await exchange(db, redis, station, GetConfiguration(), answer)
    assert await kept(db) == {
        "HeartbeatInterval": ("300", "ReadWrite", True, False),
        "Nonsense": (None, None, False, False),
        "NumberOfConnectors": ("2", "ReadOnly", True, False),
        "Unset": (None, "ReadWrite", True, False),
    }


async def test_an_answer_may_be_empty(db: Database, redis: Redis, station: StationClient) -> None:
    await exchange(db, redis, station, GetConfiguration(), {})
    assert await kept(db) == {}


@pytest.mark.parametrize(
    ("status", "row"),
    [
        ("Accepted", ("60", "ReadWrite", True, False)),
        ("RebootRequired", ("60", "ReadWrite", True, True)),
        ("NotSupported", (None, None, False, False)),
        ("Rejected", None),
    ],
)
async def test_a_change_is_kept_as_far_as_the_station_took_it(
    db: Database,
    redis: Redis,
    station: StationClient,
    status: str,
    row: tuple[str | None, str | None, bool, bool] | None,
) -> None:
    command = ChangeConfiguration(key="HeartbeatInterval", value="60")
    await exchange(db, redis, station, command, {"status": status})
    assert (await kept(db)).get("HeartbeatInterval") == row


async def test_a_boot_ends_what_awaits_it(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command = ChangeConfiguration(key="HeartbeatInterval", value="60")
    await exchange(db, redis, station, command, {"status": "RebootRequired"})
    await station.boot()
    assert (await kept(db))["HeartbeatInterval"] == ("60", "ReadWrite", True, False)


async def test_the_password_of_a_station_is_not_among_them(
    db: Database, redis: Redis, station: StationClient
) -> None:
    secret = "0123456789ABCDEF0123"
    command = ChangeConfiguration(key="AuthorizationKey", value=secret)
    await exchange(db, redis, station, command, {"status": "Accepted"})
    assert (await kept(db))["AuthorizationKey"][0] is None
    assert secret not in str(await db.fetch("SELECT * FROM configuration_keys"))
