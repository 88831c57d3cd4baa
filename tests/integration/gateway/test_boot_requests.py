"""A station that speaks without having booted is asked to boot: at once, and not over and over."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.bus.client import open_redis
from shared.domain import commands
from shared.domain.commands import CommandState
from shared.domain.stations.stations import RegistrationStatus
from shared.settings import ServiceSettings
from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.asking import ask, outcome
from tests.support.ocpp201 import BOOT, tell
from tests.support.stations import StationClient, register, station_client

BOOT16 = {"chargePointVendor": "V", "chargePointModel": "M"}
TRIGGER: list[Any] = ["TriggerMessage", {"requestedMessage": "BootNotification"}]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


async def is_refused(station: StationClient) -> None:
    assert (await station.call("Heartbeat", {}))[2] == "SecurityError"


async def is_asked(station: StationClient) -> str:
    """Return the message id of what the station is asked."""
    type_, message_id, *message = await station.receive()
    assert (type_, message) == (2, TRIGGER)
    return str(message_id)


@pytest.mark.parametrize(
    ("subprotocol", "boot"), [("ocpp1.6", BOOT16), ("ocpp2.0.1", BOOT)], ids=["1.6", "2.0.1"]
)
async def test_a_station_that_has_not_booted_is_asked_to_at_once(
    db: Database, gateway: Pod, subprotocol: str, boot: dict[str, Any]
) -> None:
    await register(db)
    async with station_client(gateway.url, subprotocol=subprotocol) as station:
        await is_refused(station)
        await station.send([3, await is_asked(station), {"status": "Accepted"}])
        for _ in range(3):  # and it is not asked again
            await is_refused(station)
        assert (await tell(station, "BootNotification", boot))["status"] == "Accepted"
        assert (await station.call("Heartbeat", {}))[0] == 3
    async with station_client(gateway.url, subprotocol=subprotocol) as station:
        assert (await station.call("Heartbeat", {}))[0] == 3  # it needs no second one


@pytest.mark.parametrize(
    "answer",
    [
        [4, "NotSupported", "", {}],
        [4, "NotImplemented", "", {}],
        [3, {"status": "Rejected"}],
        [3, {"status": "NotImplemented"}],
        [3, "no"],
    ],
)
async def test_who_has_no_triggers_is_asked_once(
    db: Database, start_pod: StartPod, answer: list[Any]
) -> None:
    await register(db)
    async with start_pod(boot_retry_interval_s=1) as pod, station_client(pod.url) as station:
        await is_refused(station)
        await station.send([answer[0], await is_asked(station), *answer[1:]])
        await is_refused(station)
        await asyncio.sleep(1.1)
        await is_refused(station)
        await is_refused(station)
        assert (await station.boot())["status"] == "Accepted"


async def test_who_says_yes_and_does_not_boot_is_asked_again_after_a_while(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod(boot_retry_interval_s=1) as pod, station_client(pod.url) as station:
        for _ in range(2):
            await is_refused(station)
            await station.send([3, await is_asked(station), {"status": "Accepted"}])
            await is_refused(station)
            await asyncio.sleep(1.1)


async def test_of_a_rejected_station_that_is_not_asked(db: Database, gateway: Pod) -> None:
    await register(db, registration_status=RegistrationStatus.REJECTED)
    async with station_client(gateway.url) as station:
        for _ in range(3):
            await is_refused(station)


async def test_a_pending_station_that_has_booted_is_not_asked(db: Database, gateway: Pod) -> None:
    await register(db, registration_status=RegistrationStatus.PENDING)
    async with station_client(gateway.url) as station:
        assert (await station.boot())["status"] == "Pending"
        for _ in range(3):
            await is_refused(station)
    async with station_client(gateway.url) as station:  # which is to boot again
        await is_refused(station)
        await is_asked(station)


async def test_a_command_waits_until_that_is_answered(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await is_refused(station)
        message_id = await is_asked(station)
        command_id = await ask(db, redis, commands.ClearCache())
        await is_refused(station)
        await station.send([3, message_id, {"status": "Accepted"}])
        assert (await station.receive())[1] == command_id
        await station.send([3, command_id, {"status": "Accepted"}])
        assert (await outcome(db, command_id)).state is CommandState.ACCEPTED


async def test_a_connection_that_ends_meanwhile_leaves_nothing_behind(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await is_refused(station)
        await is_asked(station)
        station.websocket.transport.abort()
    async with station_client(gateway.url) as station:
        await is_refused(station)
        await station.send([3, await is_asked(station), {"status": "Accepted"}])
        assert (await station.boot())["status"] == "Accepted"
    assert not [task for task in asyncio.all_tasks() if "BootRequests" in repr(task.get_coro())]
