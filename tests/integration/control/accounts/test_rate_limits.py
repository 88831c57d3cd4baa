"""How often somebody may call: counted in a real Redis, and let through without one."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis import Redis as BlockingRedis

from control.addresses import address_key, client_address
from control.settings import ControlSettings
from shared.bus.allowances import Allowance, AllowanceRegistry, NotCounted
from shared.bus.client import open_redis
from shared.settings import ServiceSettings
from shared.telemetry import metrics
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import Api, assert_problem, running
from tests.support.http import http_client
from tests.support.local_servers import RedisServer
from tests.support.redis_states import read_only

TEN = Allowance("test", 10.0, 5)


@pytest.fixture
def not_counted() -> list[NotCounted]:
    return []


@pytest.fixture
async def registry(
    database_url: str, redis_url: str, not_counted: list[NotCounted]
) -> AsyncIterator[AllowanceRegistry]:
    settings = ServiceSettings(database_url=database_url, redis_url=redis_url, redis_timeout_s=10.0)
    async with open_redis(settings) as client:
        yield AllowanceRegistry(
            client,
            timeout_s=10.0,
            pause_s=0.3,
            max_at_once=256,
            on_not_counted=not_counted.append,
        )


async def test_so_many_at_once_and_then_so_many_a_second(registry: AllowanceRegistry) -> None:
    slow = Allowance("slow", 0.1, 5)
    taken = [await registry.take(slow, "a") for _ in range(6)]
    assert [each is not None and each.allowed for each in taken] == [True] * 5 + [False]
    assert [each.left for each in taken if each is not None] == [4, 3, 2, 1, 0, 0]
    last = taken[-1]
    assert last is not None
    assert 9 < last.retry_s <= 10
    assert 49 < last.full_s <= 50
    other = await registry.take(slow, "b")
    assert other is not None
    assert other.allowed


async def test_what_was_taken_comes_back_evenly(registry: AllowanceRegistry) -> None:
    two = Allowance("test", 2.0, 2)
    taken = [
        each for each in await asyncio.gather(*(registry.take(two, "a") for _ in "abc")) if each
    ]
    (refused,) = (each for each in taken if not each.allowed)
    assert 0 < refused.retry_s <= 0.5
    await asyncio.sleep(refused.retry_s + 0.01)
    again = await registry.take(two, "a")
    assert again is not None
    assert again.allowed


async def test_an_allowance_that_was_made_smaller_is_full_after_its_own_time(
    registry: AllowanceRegistry,
) -> None:
    for _ in range(50):
        await registry.take(Allowance("test", 0.1, 50), "a")
    refused = await registry.take(Allowance("test", 0.2, 5), "a")
    assert refused is not None
    assert not refused.allowed
    assert refused.retry_s <= 5


async def test_those_who_ask_at_the_same_time_get_no_more(registry: AllowanceRegistry) -> None:
    slow = Allowance("slow", 0.01, 30)
    taken = await asyncio.gather(*(registry.take(slow, "a") for _ in range(100)))
    assert sum(each is not None and each.allowed for each in taken) == 30


async def test_nothing_stays_in_redis_of_who_has_all_again(
    registry: AllowanceRegistry, redis_url: str
) -> None:
    await registry.take(Allowance("test", 0.1, 5), "a")
    with BlockingRedis.from_url(redis_url) as redis:
        (key,) = redis.keys("allowance:*")
        assert key == b"allowance:test:{a}"
        assert 0 < redis.pttl(key) <= 10_000


async def test_a_redis_that_refuses_lets_everybody_through_and_is_left_alone(
    registry: AllowanceRegistry, not_counted: list[NotCounted], redis_url: str
) -> None:
    with BlockingRedis.from_url(redis_url, decode_responses=True) as redis, read_only(redis):
        assert [await registry.take(TEN, "a") for _ in range(3)] == [None] * 3
    assert not_counted == [NotCounted.FAILED, NotCounted.LEFT_ALONE, NotCounted.LEFT_ALONE]
    await asyncio.sleep(0.31)
    assert await registry.take(TEN, "a") is not None
    assert await registry.take(TEN, "a") is not None


async def test_a_redis_that_hangs_is_waited_for_once(
    database_url: str,
    redis_url: str,
    not_counted: list[NotCounted],
    redis_server: RedisServer,
) -> None:
    settings = ServiceSettings(database_url=database_url, redis_url=redis_url)
    async with open_redis(settings) as client:
        registry = AllowanceRegistry(
            client, timeout_s=1.0, pause_s=10, max_at_once=256, on_not_counted=not_counted.append
        )
        await waited_for_once(registry, redis_server)
    assert not_counted == [NotCounted.FAILED, *[NotCounted.LEFT_ALONE] * 99]


async def waited_for_once(registry: AllowanceRegistry, redis_server: RedisServer) -> None:
    assert await registry.take(TEN, "a") is not None
    os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert [await registry.take(TEN, "a") for _ in range(100)] == [None] * 100
        assert time.monotonic() - began < 5
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)


async def test_no_more_than_so_many_ask_redis_at_once(
    database_url: str, redis_url: str, not_counted: list[NotCounted]
) -> None:
    settings = ServiceSettings(database_url=database_url, redis_url=redis_url)
    async with open_redis(settings) as client:
        registry = AllowanceRegistry(
            client, timeout_s=5, pause_s=1, max_at_once=2, on_not_counted=not_counted.append
        )
        taken = await asyncio.gather(*(registry.take(TEN, "a") for _ in range(5)))
    assert sum(each is not None for each in taken) == 2
    assert not_counted == [NotCounted.BUSY] * 3


@asynccontextmanager
async def api(make_settings: MakeSettings, **changes: object) -> AsyncIterator[Api]:
    settings: ControlSettings = make_settings(**{"rate_limit_timeout_s": 1.0, **changes})
    async with running(settings) as served:
        yield served


async def key_for(api: Api, name: str = "n") -> dict[str, str]:
    made = await api.client.post("/v1/api-keys", json={"name": name, "scopes": ["stations:read"]})
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['key']}"}


async def test_a_key_is_told_what_is_left_and_then_refused(make_settings: MakeSettings) -> None:
    async with api(make_settings, rate_limit_per_s=0.01, rate_limit_burst=2) as served:
        mine, other = await key_for(served), await key_for(served)
        first = await served.client.get("/v1/stations", headers=mine)
        assert first.status_code == 200
        assert first.headers["ratelimit-policy"] == '"requests";q=2;w=200'
        assert first.headers["ratelimit"] == '"requests";r=1;t=100'
        await served.client.get("/v1/stations", headers=mine)
        refused = await served.client.get("/v1/stations", headers=mine)
        problem = assert_problem(refused, 429, "rate-limited")
        assert "2 at once and 0.01 a second" in problem["detail"]
        assert 50 < int(refused.headers["retry-after"]) <= 100
        assert refused.headers["ratelimit"].startswith('"requests";r=0;t=')
        # Nobody else is concerned, and least of all who runs the installation.
        assert (await served.client.get("/v1/stations", headers=other)).status_code == 200
        root = await served.client.get("/v1/stations")
        assert root.status_code == 200
        assert "ratelimit" not in root.headers


async def test_failures_are_counted_by_address_and_lock_out_nobody_who_knows(
    make_settings: MakeSettings,
) -> None:
    async with api(
        make_settings,
        rate_limit_failures_per_s=0.01,
        rate_limit_failures_burst=3,
        http_trusted_proxies="127.0.0.1",
    ) as served:
        wrong = {"Authorization": "Bearer wrong"}
        answers = [await served.client.get("/v1/stations", headers=wrong) for _ in range(5)]
        assert [each.status_code for each in answers] == [401, 401, 401, 429, 429]
        assert_problem(answers[-1], 429, "rate-limited")
        assert int(answers[-1].headers["retry-after"]) > 50
        assert (await served.client.get("/v1/stations")).status_code == 200
        elsewhere = {**wrong, "X-Forwarded-For": "198.51.100.7"}
        assert (await served.client.get("/v1/stations", headers=elsewhere)).status_code == 401


async def test_an_address_is_believed_of_trusted_proxies_alone(
    make_settings: MakeSettings,
) -> None:
    async with api(
        make_settings,
        rate_limit_failures_per_s=0.01,
        rate_limit_failures_burst=1,
        http_trusted_proxies="192.0.2.0/24",
    ) as served:
        statuses = [
            (
                await served.client.get(
                    "/v1/stations",
                    headers={"Authorization": "Bearer x", "X-Forwarded-For": f"198.51.100.{n}"},
                )
            ).status_code
            for n in range(2)
        ]
        assert statuses == [401, 429]


async def test_the_address_of_an_entry_is_what_the_load_balancer_says(
    make_settings: MakeSettings,
) -> None:
    async with api(make_settings, http_trusted_proxies="127.0.0.1") as served:
        headers = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}
        await served.client.post("/v1/locations", json={"location_id": "a"}, headers=headers)
        log = (await served.client.get("/v1/audit-log")).json()["items"]
        assert log[0]["address"] == "198.51.100.7"


async def test_limits_of_zero_are_none(make_settings: MakeSettings) -> None:
    async with api(
        make_settings, rate_limit_per_s=0, rate_limit_failures_per_s=0, rate_limit_address_per_s=0
    ) as served:
        mine = await key_for(served)
        answer = await served.client.get("/v1/stations", headers=mine)
        assert answer.status_code == 200
        assert "ratelimit" not in answer.headers
        for _ in range(30):
            wrong = await served.client.get("/v1/stations", headers={"Authorization": "Bearer x"})
            assert wrong.status_code == 401


async def test_without_redis_the_api_answers_as_fast_and_counts_whom_it_did_not(
    make_settings: MakeSettings, redis_server: RedisServer
) -> None:
    async with api(make_settings) as served:
        mine = await key_for(served)
        assert (await served.client.get("/v1/stations", headers=mine)).status_code == 200
        before = not_counted_so_far()
        os.kill(redis_server.pid, signal.SIGSTOP)
        try:
            async with http_client(base_url=served.url, headers=mine, timeout=20) as client:
                began = time.monotonic()
                for _ in range(20):
                    answer = await client.get("/v1/stations")
                    assert answer.status_code == 200
                    assert "ratelimit" not in answer.headers
                assert time.monotonic() - began < 10  # one waits, for rate_limit_timeout_s
        finally:
            os.kill(redis_server.pid, signal.SIGCONT)
        assert not_counted_so_far() - before == 20


def not_counted_so_far() -> float:
    (family,) = metrics.rate_limit_not_counted.collect()
    return sum(each.value for each in family.samples if each.name.endswith("_total"))


@pytest.mark.parametrize(
    ("client", "address", "key"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("unix:", None, "unknown"),
        ("x" * 10_000, None, "unknown"),
    ],
)
def test_addresses(client: str, address: str | None, key: str) -> None:
    scope = {"client": (client, 1)}
    assert client_address(scope) == address
    assert address_key(scope) == key
