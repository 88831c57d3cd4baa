"""A station whose message takes longer than its answer to a ping may take is there all the same."""

import asyncio
import itertools
import json
import time

import pytest
from websockets.frames import Opcode

from shared.domain.stations.stations import SecurityProfile
from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.eventually import eventually
from tests.support.raw_websocket import RawWebSocket, frame, raw_websocket
from tests.support.stations import register

BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
# A ping stays unanswered for a multiple of these while a message comes in pieces.
PATIENCE = {"ping_interval_s": 0.1, "ping_timeout_s": 0.4}


async def trickle(station: RawWebSocket, data: bytes, *, takes_s: float) -> None:
    pieces = 20
    size = -(-len(data) // pieces)
    for start in range(0, len(data), size):
        await station.send(data[start : start + size])
        await asyncio.sleep(takes_s / pieces)


async def dribble(station: RawWebSocket) -> None:
    for byte in frame(b" " * 60_000):
        await station.send(bytes([byte]))
        await asyncio.sleep(0.02)


async def send_heartbeats(station: RawWebSocket) -> None:
    for number in itertools.count():
        heartbeat = json.dumps([2, str(number), "Heartbeat", {"x": "x" * 8_000}])
        await station.send(frame(heartbeat.encode()))
        await asyncio.sleep(0.1)


async def read_until_text(station: RawWebSocket) -> bytes:
    while True:
        opcode, data = await station.receive()
        if opcode == Opcode.TEXT:
            return data


def boot(message_id: str) -> bytes:
    return frame(json.dumps([2, message_id, "BootNotification", BOOT]).encode())


async def test_a_message_that_takes_long_is_read_to_its_end(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(**PATIENCE, long_message_timeout_s=30) as pod,
        raw_websocket(pod.url) as station,
    ):
        await trickle(station, boot("slow"), takes_s=2.0)
        assert json.loads(await read_until_text(station))[1] == "slow"


async def test_who_only_dribbles_is_ended_within_a_bound(db: Database, start_pod: StartPod) -> None:
    await register(db)
    async with (
        start_pod(**PATIENCE, long_message_timeout_s=1.0, close_timeout_s=0.1) as pod,
        raw_websocket(pod.url) as station,
    ):
        began_s = time.monotonic()
        with pytest.raises(ConnectionError):
            await dribble(station)
        assert time.monotonic() - began_s > 1.0
        await eventually(lambda: held(pod), lambda count: count == 0)


async def test_who_sends_message_after_message_and_reads_nothing_is_ended(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(**PATIENCE, long_message_timeout_s=300, close_timeout_s=0.1) as pod,
        raw_websocket(pod.url) as station,
    ):
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(send_heartbeats(station), 8)
        await eventually(lambda: held(pod), lambda count: count == 0)


async def test_who_sends_nothing_is_gone_after_one_ping(db: Database, start_pod: StartPod) -> None:
    await register(db)
    async with (
        start_pod(**PATIENCE, long_message_timeout_s=30) as pod,
        raw_websocket(pod.url) as station,
    ):
        await trickle(station, boot("whole"), takes_s=0.1)
        began_s = time.monotonic()
        await eventually(lambda: held(pod), lambda count: count == 0)
        assert time.monotonic() - began_s < 5
        station.abort()


async def test_a_connection_in_the_middle_of_a_message_is_not_displaced(
    db: Database, start_pod: StartPod
) -> None:
    """By one that has not proven who it is: it finds somebody there, who answers no ping yet."""
    await register(db, security_profile=SecurityProfile.UNSECURED)
    async with start_pod(handshake_timeout_s=2) as pod, raw_websocket(pod.url) as station:
        await eventually(lambda: held(pod), lambda count: count == 1)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(trickle(station, boot("slow"), takes_s=3.0))
            async with raw_websocket(pod.url) as rival:
                assert " 409 " in rival.response.splitlines()[0]
        assert json.loads(await read_until_text(station))[1] == "slow"


async def held(pod: Pod) -> int:
    return len(pod.server.all())
