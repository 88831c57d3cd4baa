"""A station gets a new password over OCPP: nobody is locked out, and the old one ends (A01)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from websockets.exceptions import InvalidStatus

from shared.bus.client import open_redis
from shared.domain.commands import Call, ChangeConfiguration, Command, CommandState
from shared.settings import ServiceSettings
from shared.store.commands import batches, commands
from shared.store.pool import Database
from shared.store.stations import stations
from simulator.backoff import ReconnectPolicy
from simulator.profile import OcppVersion, StationProfile
from simulator.running import run_station
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.asking import ask, outcome
from tests.support.eventually import eventually
from tests.support.stations import PASSWORD, StationClient, hash_cheaply, register, station_client

KEY = "00010203040506070809FFFEFDFCFBFAF9F8F7F6"
OTHER_KEY = "AA010203040506070809FFFEFDFCFBFAF9F8F7F6"
NEW_KEY = ChangeConfiguration(key="AuthorizationKey", value=KEY)
NEW_PASSWORD = ChangeConfiguration(key="SecurityCtrlr.BasicAuthPassword", value=KEY)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


async def comes_in(gateway: Pod, password: str) -> bool:
    try:
        async with station_client(gateway.url, password=password) as station:
            await station.boot()
            return True
    except InvalidStatus as refused:
        assert refused.response.status_code == 401  # noqa: PT017 - the other way is a result too
        return False


async def answer(station: StationClient, *frame: Any) -> None:
    """Answer the next CALL: a payload, or what stands in a CALLERROR."""
    _, message_id, *_ = await station.receive()
    await station.send([3 if len(frame) == 1 else 4, message_id, *frame])


async def change(
    db: Database, redis: Redis, station: StationClient, command: Command, *frame: Any
) -> CommandState:
    command_id = await ask(db, redis, command)
    await answer(station, *frame)
    return (await outcome(db, command_id)).state


@pytest.mark.parametrize(
    ("version", "command", "as_text"),
    [
        (OcppVersion.V1_6, NEW_KEY, False),
        (OcppVersion.V1_6, NEW_KEY, True),
        (OcppVersion.V2_0_1, NEW_PASSWORD, False),
    ],
    ids=["1.6 bytes", "1.6 digits", "2.0.1"],
)
async def test_a_station_comes_back_with_the_password_it_was_given_and_the_old_one_ends(
    db: Database,
    redis: Redis,
    gateway: Pod,
    version: OcppVersion,
    command: Command,
    *,
    as_text: bool,
) -> None:
    await register(db)
    profile = StationProfile(
        station_id="CP-1",
        version=version,
        reset_delay_s=0.1,
        sends_key_as_text=as_text,
        reconnect=ReconnectPolicy(minimum_s=0.1, maximum_s=0.5),
    )
    async with run_station(profile, url=gateway.url, password=PASSWORD):
        await eventually(lambda: stations.get(db, "CP-1"), lambda found: found.booted_at)
        record = await outcome(db, await ask(db, redis, command))
        assert record.state is CommandState.ACCEPTED
        await eventually(
            lambda: stations.get(db, "CP-1"), lambda found: found.online and found.epoch == 2
        )
    assert not await comes_in(gateway, PASSWORD)
    assert await comes_in(gateway, KEY)


async def test_a_station_that_refuses_keeps_its_password(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db)
    for frame in (
        ({"status": "Rejected"},),
        ({"status": "NotSupported"},),
        ("InternalError", "no", {}),
    ):
        async with station_client(gateway.url) as station:
            await station.boot()
            state = await change(db, redis, station, NEW_KEY, *frame)
            assert state in {CommandState.REJECTED, CommandState.FAILED}
        assert not await comes_in(gateway, KEY)
        assert await comes_in(gateway, PASSWORD)


@pytest.mark.parametrize("status", ["Accepted", "RebootRequired"])
async def test_both_count_from_the_yes_until_the_new_one_was_used(
    db: Database, redis: Redis, gateway: Pod, status: str
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        state = await change(db, redis, station, NEW_KEY, {"status": status})
        assert state is CommandState.ACCEPTED
    assert await comes_in(gateway, PASSWORD)
    assert await comes_in(gateway, KEY)
    assert await comes_in(gateway, KEY)
    assert not await comes_in(gateway, PASSWORD)


async def test_both_count_while_nobody_knows_whether_the_station_took_it(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        command_id = await ask(db, redis, NEW_KEY)
        await station.receive()
    assert (await outcome(db, command_id)).state is CommandState.TIMED_OUT
    # However long it takes: only the station knows.
    await db.execute("UPDATE stations SET new_password_sent_at = now() - interval '1 year'")
    assert await comes_in(gateway, PASSWORD)
    assert await comes_in(gateway, KEY)
    assert not await comes_in(gateway, PASSWORD)


async def test_it_counts_before_the_answer_is_there(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    """A station may come back before its answer has been read, or in spite of it."""
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        await ask(db, redis, NEW_KEY)
        await station.receive()
        assert await comes_in(gateway, KEY)


async def test_the_password_before_ends_a_while_after_the_station_accepted(
    db: Database, redis: Redis, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod(password_overlap_s=3600) as gateway:
        async with station_client(gateway.url) as station:
            await station.boot()
            await change(db, redis, station, NEW_KEY, {"status": "Accepted"})
        await db.execute(
            "UPDATE stations SET new_password_accepted_at = now() - interval '59 minutes'"
        )
        assert await comes_in(gateway, PASSWORD)
        await db.execute(
            "UPDATE stations SET new_password_accepted_at = now() - interval '61 minutes'"
        )
        assert not await comes_in(gateway, PASSWORD)
        assert await comes_in(gateway, KEY)


async def test_an_operators_password_ends_both(db: Database, redis: Redis, gateway: Pod) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        await change(db, redis, station, NEW_KEY, {"status": "Accepted"})
    await stations.update(db, "CP-1", {"password_hash": hash_cheaply(OTHER_KEY)})
    assert not await comes_in(gateway, PASSWORD)
    assert not await comes_in(gateway, KEY)
    assert await comes_in(gateway, OTHER_KEY)


async def test_a_pod_that_remembers_the_old_one_forgets_it_when_another_saw_the_new_one(
    db: Database, redis: Redis, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod(pod_name="a") as first, start_pod(pod_name="b") as second:
        async with station_client(first.url) as station:
            await station.boot()
            await change(db, redis, station, NEW_KEY, {"status": "Accepted"})
        assert await comes_in(first, PASSWORD)
        assert await comes_in(second, KEY)
        assert not await comes_in(first, PASSWORD)


async def test_a_password_that_counts_no_longer_is_tried_no_more_often_than_others(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    statuses = []
    async with start_pod(station_failures=3) as pod:
        assert await comes_in(pod, PASSWORD)
        await stations.update(db, "CP-1", {"password_hash": hash_cheaply(KEY)})
        for _ in range(5):
            with pytest.raises(InvalidStatus) as refused:
                async with station_client(pod.url):
                    pass
            statuses.append(refused.value.response.status_code)
    assert statuses == [401, 401, 401, 429, 429]


async def test_a_second_change_takes_the_place_of_the_one_before(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db)
    second = ChangeConfiguration(key="AuthorizationKey", value=OTHER_KEY)
    async with station_client(gateway.url) as station:
        await station.boot()
        await change(db, redis, station, NEW_KEY, {"status": "Accepted"})
        await change(db, redis, station, second, {"status": "Rejected"})
    assert not await comes_in(gateway, OTHER_KEY)
    assert not await comes_in(gateway, PASSWORD)
    assert await comes_in(gateway, KEY)


@pytest.mark.parametrize("by", ["the station", "an operator"])
async def test_a_change_that_is_refused_after_one_that_was_settled_takes_nothing_away(
    db: Database, redis: Redis, gateway: Pod, by: str
) -> None:
    await register(db)
    second = ChangeConfiguration(key="AuthorizationKey", value=OTHER_KEY)
    async with station_client(gateway.url) as station:
        await station.boot()
        await change(db, redis, station, NEW_KEY, {"status": "Accepted"})
    if by == "an operator":
        await stations.update(db, "CP-1", {"password_hash": hash_cheaply(KEY)})
    async with station_client(gateway.url, password=KEY) as station:
        await station.boot()
        await change(db, redis, station, second, {"status": "Rejected"})
    assert await comes_in(gateway, KEY)
    assert not await comes_in(gateway, OTHER_KEY)


async def test_no_further_one_is_sent_while_the_outcome_on_this_connection_is_unknown(
    db: Database, redis: Redis, start_pod: StartPod
) -> None:
    await register(db)
    second = ChangeConfiguration(key="AuthorizationKey", value=OTHER_KEY)
    async with start_pod(call_timeout_s=0.2) as gateway:
        async with station_client(gateway.url) as station:
            await station.boot()
            first_id = await ask(db, redis, NEW_KEY)
            await station.receive()
            assert (await outcome(db, first_id)).state is CommandState.TIMED_OUT
            second_id = await ask(db, redis, second)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(station.receive(), 0.5)
            assert (await commands.get(db, second_id)).state is CommandState.QUEUED
        # It has come back, and so what it uses is known: it refuses this one, and keeps its own.
        async with station_client(gateway.url) as station:
            await station.boot()
            await change(db, redis, station, second, {"status": "Rejected"})
        assert await comes_in(gateway, PASSWORD)


@pytest.mark.parametrize(
    "command",
    [
        NEW_KEY,
        NEW_PASSWORD,
        Call(action="ChangeConfiguration", payload={"key": "authorizationkey", "value": KEY}),
        Call(
            action="SetVariables",
            payload={
                "setVariableData": [
                    {
                        "component": {"name": "SecurityCtrlr"},
                        "variable": {"name": "BasicAuthPassword"},
                        "attributeValue": KEY,
                    }
                ]
            },
        ),
    ],
    ids=lambda command: f"{type(command).__name__} {getattr(command, 'action', command)!s:.20}",
)
async def test_postgres_has_the_password_only_until_it_is_sent(
    db: Database, redis: Redis, gateway: Pod, command: Command
) -> None:
    subprotocol = "ocpp2.0.1" if "BasicAuthPassword" in str(command) else "ocpp1.6"
    await register(db)
    await db.execute("UPDATE stations SET booted_at = now()")
    async with station_client(gateway.url, subprotocol=subprotocol) as station:
        command_id = await ask(db, redis, command)
        _, _, _, payload = await station.receive()
        assert KEY in str(payload)
        assert not await stored_anywhere(db, KEY)
        assert (await commands.get(db, command_id)).state is CommandState.SENT


async def test_what_is_never_sent_leaves_no_secret_behind(db: Database) -> None:
    await register(db)
    created, _ = await commands.create(db, station_id="CP-1", command=NEW_KEY, timeout_s=60)
    assert await stored_anywhere(db, KEY)
    await commands.cancel(db, created.command_id)
    assert not await stored_anywhere(db, KEY)
    await commands.create(db, station_id="CP-1", command=NEW_KEY, timeout_s=-1)
    await commands.sweep_expired(db)
    assert not await stored_anywhere(db, KEY)
    batch, _ = await batches.create(
        db,
        command=NEW_KEY,
        stations=["CP-1"],
        timeout_s=60,
        max_per_s=10,
        max_stations=10,
        request_digest="digest",
    )
    assert await stored_anywhere(db, KEY)
    await batches.cancel(db, batch.batch_id)
    assert not await stored_anywhere(db, KEY)


async def test_the_same_idempotency_key_gives_a_sent_command_back(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        state = await change(db, redis, station, NEW_KEY, {"status": "Accepted"})
        assert state is CommandState.ACCEPTED
    await db.execute("UPDATE commands SET idempotency_key = 'once'")
    found = await commands.find_repeated(
        db, station_id="CP-1", command=NEW_KEY, idempotency_key="once"
    )
    assert found is not None


async def stored_anywhere(db: Database, secret: str) -> bool:
    """Tell whether a secret stands in any table that commands leave traces in."""
    # Names of ours, and the secret is a parameter.
    tables = ("commands", "command_batches", "stations", "configuration_keys", "ocpp_log")
    return any(
        [
            await db.fetchval(
                f"SELECT EXISTS (SELECT FROM {table} AS row WHERE row::text ILIKE $1)",  # noqa: S608 - as above
                f"%{secret}%",
            )
            for table in tables
        ]
    )
