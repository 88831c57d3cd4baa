"""A command's way through a pod: once on the wire, one at a time, and an outcome in every case."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender, RunCommand
from shared.domain import commands
from shared.domain.commands import CommandRecord, CommandState
from shared.settings import ServiceSettings
from shared.store import station_removal
from shared.store.commands import commands as store
from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.eventually import eventually
from tests.support.relay import relay
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


async def ask(
    db: Database, redis: Redis, command: commands.Command, *, timeout_s: float = 10, times: int = 1
) -> str:
    """Queue a command and put it on the owner's stream; return its id."""
    record, _ = await store.create(db, station_id="CP-1", command=command, timeout_s=timeout_s)
    routes = await eventually(lambda: OwnershipRegistry(redis).find_routes(["CP-1"]), bool)
    for _ in range(times):
        await PodRequestSender(redis).send(
            routes["CP-1"].pod_id, RunCommand(record.command_id, "CP-1", "control")
        )
    return record.command_id


async def finished(db: Database, command_id: str) -> CommandRecord:
    return await eventually(lambda: store.get(db, command_id), lambda record: record.state.final)


@pytest.mark.parametrize(
    ("answer", "state", "status"),
    [
        ({"status": "Accepted"}, CommandState.ACCEPTED, "Accepted"),
        ({"status": "Rejected"}, CommandState.REJECTED, "Rejected"),
    ],
)
async def test_the_stations_answer_is_the_outcome(
    db: Database,
    redis: Redis,
    station: StationClient,
    answer: dict[str, Any],
    state: CommandState,
    status: str,
) -> None:
    command_id = await ask(db, redis, commands.RemoteStart(id_token="TAG", evse_id=1))
    assert await station.receive() == [
        2,
        command_id,
        "RemoteStartTransaction",
        {"idTag": "TAG", "connectorId": 1},
    ]
    await station.send([3, command_id, answer])
    record = await finished(db, command_id)
    assert (record.state, record.status, record.response) == (state, status, answer)


async def test_an_answer_without_a_yes_or_no_is_kept_whole(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command_id = await ask(db, redis, commands.GetConfiguration())
    await station.receive()
    answer = {"configurationKey": [{"key": "A", "readonly": True}], "unknownKey": []}
    await station.send([3, command_id, answer])
    record = await finished(db, command_id)
    assert (record.state, record.response) == (CommandState.ANSWERED, answer)


async def test_a_call_error_is_a_failure_with_its_code(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command_id = await ask(db, redis, commands.ClearCache())
    await station.receive()
    await station.send([4, command_id, "NotSupported", "no cache here", {}])
    record = await finished(db, command_id)
    assert (record.state, record.error_code) == (CommandState.FAILED, "NotSupported")
    assert record.error_description == "no cache here"


async def test_of_a_long_call_error_the_beginning_is_kept(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command_id = await ask(db, redis, commands.ClearCache())
    await station.receive()
    long = "x" * 50_000
    await station.send([4, command_id, long, long, {"log": long}])
    record = await finished(db, command_id)
    assert (record.state, record.response) == (CommandState.FAILED, None)
    assert (record.error_code, record.error_description) == (long[:50], long[:255])


async def test_what_the_version_cannot_say_fails_and_nothing_is_sent(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command_id = await ask(db, redis, commands.Call(action="NoSuchAction", payload={}))
    record = await finished(db, command_id)
    assert (record.state, record.error_code) == (CommandState.FAILED, "CannotBeSaid")
    assert (await station.call("Heartbeat", {}))[0] == 3


async def test_a_request_that_comes_three_times_is_sent_once(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command_id = await ask(db, redis, commands.ClearCache(), times=3)
    assert (await station.receive())[1] == command_id
    await station.send([3, command_id, {"status": "Accepted"}])
    await finished(db, command_id)
    assert (await station.call("Heartbeat", {}))[0] == 3


async def test_commands_of_one_station_wait_for_each_other(
    db: Database, redis: Redis, station: StationClient
) -> None:
    ids = [await ask(db, redis, commands.ClearCache()) for _ in range(5)]
    for command_id in ids:
        frame = await station.receive()
        assert frame[:2] == [2, command_id]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(station.receive(), 0.05)
        await station.send([3, command_id, {"status": "Accepted"}])
    for command_id in ids:
        assert (await finished(db, command_id)).state is CommandState.ACCEPTED


async def test_the_stations_own_calls_are_answered_while_ours_is_open(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command_id = await ask(db, redis, commands.ClearCache())
    await station.receive()
    assert (await station.call("Heartbeat", {}))[0] == 3
    assert (await station.call("Authorize", {"idTag": "T"}))[0] == 3
    await station.send([3, command_id, {"status": "Accepted"}])
    assert (await finished(db, command_id)).state is CommandState.ACCEPTED


async def test_an_expired_command_is_not_sent(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command_id = await ask(db, redis, commands.ClearCache(), timeout_s=-1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(station.receive(), 0.2)
    assert (await store.get(db, command_id)).state is CommandState.QUEUED
    assert await store.sweep_expired(db) == 1
    assert (await store.get(db, command_id)).state is CommandState.EXPIRED


async def test_a_command_whose_time_ends_while_it_is_taken_is_not_sent(
    db: Database, database_url: str, redis: Redis, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        relay(database_url) as wire,
        start_pod(database_url=wire.url) as gateway,
        station_client(gateway.url) as station,
    ):
        await station.boot()
        first = await ask(db, redis, commands.ClearCache())  # so that the statement is prepared
        await station.send([3, (await station.receive())[1], {"status": "Accepted"}])
        await finished(db, first)
        wire.answering.clear()
        command_id = await ask(db, redis, commands.ClearCache(), timeout_s=0.5)
        await eventually(lambda: store.get(db, command_id), lambda record: record.sent_at)
        await asyncio.sleep(0.6)
        wire.answering.set()
        record = await finished(db, command_id)
        assert (record.state, record.error_code) == (CommandState.EXPIRED, "Expired")
        # What was sent before would come before.
        assert (await station.call("Heartbeat", {}))[0] == 3


async def test_a_pod_whose_connection_is_outdated_does_not_send(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await db.execute("UPDATE stations SET epoch = epoch + 1, connection_id = 'newer'")
    await ask(db, redis, commands.ClearCache())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(station.receive(), 0.2)


@pytest.mark.parametrize(
    ("command", "state"),
    [
        (commands.RemoteStart(id_token="T"), CommandState.UNKNOWN),
        (commands.GetConfiguration(), CommandState.TIMED_OUT),
    ],
    ids=["a start may have happened", "reading is harmless"],
)
async def test_a_command_without_an_answer_is_never_sent_again(
    db: Database,
    redis: Redis,
    start_pod: StartPod,
    command: commands.Command,
    state: CommandState,
) -> None:
    await register(db)
    async with start_pod(call_timeout_s=0.2) as gateway, station_client(gateway.url) as station:
        command_id = await ask(db, redis, command)
        assert (await station.receive())[1] == command_id
        record = await finished(db, command_id)
        assert (record.state, record.error_code) == (state, "NoAnswer")
        await station.send([3, command_id, {"status": "Accepted"}])
        assert (await station.boot())["status"] == "Accepted"
        assert (await store.get(db, command_id)).state is state


async def test_a_connection_that_is_lost_makes_the_outcome_unknown(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command_id = await ask(db, redis, commands.Reset())
    await station.receive()
    await station.websocket.close()
    record = await finished(db, command_id)
    assert record.state is CommandState.UNKNOWN
    assert "connection was lost" in (record.error_description or "")


async def test_a_stream_that_vanished_is_made_again(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await redis.delete(*await redis.keys("pod:*"))
    command_id = await ask(db, redis, commands.ClearCache())
    assert (await station.receive())[1] == command_id


async def test_who_waits_for_the_outcome_is_told(
    db: Database, redis: Redis, station: StationClient
) -> None:
    async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe("outcomes:{control}")
        command_id = await ask(db, redis, commands.ClearCache())
        await station.receive()
        await station.send([3, command_id, {"status": "Accepted"}])
        message = await eventually(lambda: pubsub.get_message(timeout=1), bool)
        assert message["data"] == command_id


async def test_a_deleted_stations_connection_cannot_be_claimed_again(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        await station_removal.delete(db, "CP-1")
        assert (await station.call("Heartbeat", {}))[0] == 3


async def test_a_pod_that_stops_waits_for_the_answers_to_its_commands(
    db: Database, redis: Redis, start_pod: StartPod
) -> None:
    await register(db)
    async with AsyncExitStack() as running:
        gateway = await running.enter_async_context(start_pod())
        async with station_client(gateway.url) as station:
            await station.boot()
            first = await ask(db, redis, commands.RemoteStart(id_token="T"))
            second = await ask(db, redis, commands.ClearCache())
            assert (await station.receive())[1] == first
            stopping = asyncio.create_task(running.aclose())
            await asyncio.sleep(0.3)
            await station.send([3, first, {"status": "Accepted"}])
            with pytest.raises(ConnectionClosed) as closed:
                await station.receive()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == CloseCode.SERVICE_RESTART
        await stopping
    assert (await store.get(db, first)).state is CommandState.ACCEPTED
    # What was not sent is for the pod that the station comes to.
    assert (await store.get(db, second)).state is CommandState.QUEUED


async def test_a_pod_that_stops_waits_no_longer_than_it_may_and_keeps_the_outcome(
    db: Database, redis: Redis, start_pod: StartPod
) -> None:
    await register(db)
    async with AsyncExitStack() as running:
        gateway = await running.enter_async_context(start_pod(drain_commands_s=0.3))
        async with station_client(gateway.url) as station:
            await station.boot()
            command_id = await ask(db, redis, commands.RemoteStart(id_token="T"))
            await station.receive()
            async with asyncio.timeout(3):
                await running.aclose()
    record = await store.get(db, command_id)
    assert (record.state, record.error_code) == (CommandState.UNKNOWN, "NoAnswer")


@pytest.mark.parametrize(
    ("answer", "state", "code", "said"),
    [
        ([3, "Accepted"], CommandState.UNKNOWN, "MalformedAnswer", "a text, not an object"),
        ([3, ["Accepted"]], CommandState.UNKNOWN, "MalformedAnswer", "a list, not an object"),
        ([3], CommandState.ANSWERED, "OccurrenceConstraintViolation", "payload is left out"),
        ([3, None], CommandState.ANSWERED, "OccurrenceConstraintViolation", "payload is null"),
        ([3, {"status": "Accepted"}, "", {}], CommandState.ACCEPTED, None, None),
        ([4, None, "not\0 now", 0], CommandState.FAILED, "MalformedAnswer", "not\ufffd now ("),
        ([4, "NotSupported", None], CommandState.FAILED, "NotSupported", "Description is null"),
    ],
)
async def test_an_answer_of_another_form_ends_its_command_at_once(
    db: Database,
    redis: Redis,
    station: StationClient,
    answer: list[Any],
    state: CommandState,
    code: str | None,
    said: str | None,
) -> None:
    command_id = await ask(db, redis, commands.Reset(reset_type=commands.ResetType.IMMEDIATE))
    await station.receive()
    await station.send([answer[0], command_id, *answer[1:]])
    record = await finished(db, command_id)
    assert (record.state, record.error_code) == (state, code)
    assert said is None or said in (record.error_description or "")


async def test_malformed_answers_are_counted_as_quirks(
    db: Database, redis: Redis, station: StationClient
) -> None:
    for rest in (["Accepted"], [None]):
        command_id = await ask(db, redis, commands.ClearCache())
        await station.receive()
        await station.send([3, command_id, *rest])
        await finished(db, command_id)

    async def quirks() -> set[tuple[str, str, str]]:
        rows = await db.fetch("SELECT action, kind, member FROM quirks")
        return {(row["action"], row["kind"], row["member"]) for row in rows}

    await eventually(
        quirks,
        lambda found: (
            {
                ("ClearCacheResponse", "refused", "payload"),
                ("ClearCacheResponse", "frame_form", "payload"),
            }
            <= found
        ),
    )


async def test_the_answer_to_a_former_command_is_not_taken_for_the_open_one(
    db: Database, redis: Redis, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod(call_timeout_s=0.5) as pod, station_client(pod.url) as client:
        await client.boot()
        first = await ask(db, redis, commands.ClearCache())
        await client.receive()
        await finished(db, first)
        second = await ask(db, redis, commands.ClearCache())
        await client.receive()
        for late in ([3, first], [3, first, "x"], [4, first, None, None], [3, 1, {}], [3, None]):
            await client.send(late)
        await client.send([3, second, {"status": "Rejected"}])
        record = await finished(db, second)
    assert (record.state, record.status) == (CommandState.REJECTED, "Rejected")
    assert (await store.get(db, first)).error_code == "NoAnswer"
