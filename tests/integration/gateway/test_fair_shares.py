"""What one station's messages cost is counted, and happens in turns with what others want."""

import asyncio
import json
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY
from websockets.frames import Opcode

from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.costly_frames import costly_frame, wrong_numbers_among
from tests.support.raw_websocket import RawWebSocket, deflated, frame, raw_websocket
from tests.support.stations import register
from tests.support.turns import watching

DEFLATE = "permessage-deflate; client_max_window_bits"
TIME = "2026-01-02T03:04:05Z"
COSTLY = costly_frame("samples that are numbers", 24_000)
"""Takes some 10 ms, far more than its length tells."""
HEARTBEAT = b'[2,"h","Heartbeat",{}]'
BOOT = b'[2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'


class Station:
    """A station that has booted, with or without compression.

    Args:
        websocket: its connection.
        compressed: whether messages are.
    """

    def __init__(self, websocket: RawWebSocket, *, compressed: bool) -> None:
        self.websocket = websocket
        self._inflate = zlib.decompressobj(wbits=-15).decompress if compressed else None

    def frame(self, message: bytes) -> bytes:
        """Return a message in its frame."""
        return frame(message) if self._inflate is None else frame(deflated(message), rsv1=True)

    async def send(self, *messages: bytes) -> None:
        """Send messages in one piece."""
        await self.websocket.send(b"".join(map(self.frame, messages)))

    async def answers(self, count: int) -> list[str]:
        """Return the message ids of the next answers."""
        return [(await self.answer())[1] for _ in range(count)]

    async def answer(self) -> list[Any]:
        """Return the next answer."""
        _, data = await self.websocket.receive()
        if self._inflate is not None:
            data = self._inflate(data + b"\x00\x00\xff\xff")
        answer: list[Any] = json.loads(data)
        return answer


@asynccontextmanager
async def booted(gateway: Pod, *, compressed: bool = False) -> AsyncIterator[Station]:
    extensions = DEFLATE if compressed else None
    async with raw_websocket(gateway.url, extensions=extensions) as websocket:
        station = Station(websocket, compressed=compressed)
        await station.send(BOOT)
        assert (await station.answer())[2]["status"] == "Accepted"
        yield station


def numbered(number: int) -> bytes:
    """Return what is costly, under a message id of its own."""
    return COSTLY.replace(b'"m"', b'"%d"' % number, 1)


def throttles(limit: str) -> float:
    """Return how often a station was read from more slowly because of this limit."""
    return REGISTRY.get_sample_value("voltaro_gateway_throttles_total", {"limit": limit}) or 0.0


@pytest.mark.parametrize("compressed", [False, True])
async def test_costly_messages_that_come_in_one_piece_take_a_turn_each(
    db: Database, start_pod: StartPod, *, compressed: bool
) -> None:
    await register(db)
    settings = {"station_processor_share": 1000, "max_queued_calls": 20}
    async with (
        start_pod(**settings) as gateway,
        booted(gateway, compressed=compressed) as station,
    ):
        frames = [station.frame(numbered(number)) for number in range(12)]
        async with watching() as alone:
            await station.websocket.send(frames[0])
            assert await station.answers(1) == ["0"]
        async with watching() as together, asyncio.timeout(20):
            await station.websocket.send(b"".join(frames))
            assert await station.answers(12) == [str(number) for number in range(12)]
    assert together.longest_s < 4 * alone.longest_s


@pytest.mark.parametrize("kind", ["samples with mendable words", "one member too many per sample"])
async def test_a_long_message_with_much_to_mend_takes_many_turns_and_the_next_one_waits(
    db: Database, gateway: Pod, kind: str
) -> None:
    await register(db)
    async with booted(gateway) as station, asyncio.timeout(20), watching() as turn:
        processor_s = time.thread_time()
        await station.send(costly_frame(kind))
        await station.send(HEARTBEAT)
        assert await station.answers(2) == ["m", "h"]
        processor_s = time.thread_time() - processor_s
    assert turn.longest_s < processor_s / 4
    assert await db.fetchval("SELECT sum(jsonb_array_length(samples)) FROM meter_values") > 1_000


async def test_a_station_that_leaves_while_its_message_is_mended_is_forgotten(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    for _ in range(3):
        async with booted(gateway) as station:
            await station.send(costly_frame("samples with mendable words"))
            await asyncio.sleep(0.005)
            station.websocket.abort()
    async with booted(gateway) as station, asyncio.timeout(20):
        await station.send(HEARTBEAT)
        assert await station.answers(1) == ["h"]


async def test_what_waits_for_its_turn_keeps_its_order(db: Database, start_pod: StartPod) -> None:
    """Whole messages, fragments, and the close that comes behind them."""
    await register(db)
    half = len(HEARTBEAT) // 2
    pieces = [
        frame(numbered(0)),
        frame(HEARTBEAT.replace(b"h", b"h1")),
        frame(numbered(2)[:9_000], fin=False),
        frame(numbered(2)[9_000:], fin=False, opcode=Opcode.CONT),
        frame(b"", opcode=Opcode.CONT),
        frame(HEARTBEAT[:half], fin=False),
        frame(HEARTBEAT[half:], opcode=Opcode.CONT),
        frame(numbered(4)),
    ]
    async with start_pod() as gateway, booted(gateway) as station, asyncio.timeout(20):
        await station.websocket.send(b"".join(pieces))
        assert await station.answers(5) == ["0", "h1", "2", "h", "4"]
        await station.websocket.send(
            frame(b"", opcode=Opcode.PING) + frame((1000).to_bytes(2), opcode=Opcode.CLOSE)
        )
        assert (await station.websocket.receive())[0] == Opcode.PONG
        assert await station.websocket.close_code() == 1000


async def test_a_station_that_leaves_while_its_messages_wait_leaves_nothing_behind(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod() as gateway:
        async with booted(gateway) as station:
            await station.send(*map(numbered, range(8)))
        async with booted(gateway) as station, asyncio.timeout(20):
            await station.send(HEARTBEAT)
            assert await station.answers(1) == ["h"]


async def test_what_takes_too_much_of_the_processor_is_read_from_more_slowly_and_not_lost(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    settings = {"station_processor_share": 0.05, "station_processor_burst_s": 0.02}
    before = throttles("processor")
    async with start_pod(**settings) as gateway, booted(gateway) as station, asyncio.timeout(60):
        began_s, processor_s = time.monotonic(), time.thread_time()
        for number in range(8):
            await station.send(numbered(number))
            assert await station.answers(1) == [str(number)]
        took_s, processor_s = time.monotonic() - began_s, time.thread_time() - processor_s
    assert throttles("processor") > before
    # Handling them was at least a fourth of all that this process did meanwhile.
    assert took_s > processor_s / 4 / 0.05


async def test_more_bytes_than_may_be_sent_are_read_more_slowly_and_not_lost(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    settings = {"station_bytes_per_s": 100_000, "station_bytes_burst": 50_000}
    before = throttles("bytes")
    text = json.dumps([2, "d", "DataTransfer", {"vendorId": "V", "data": "x" * 10_000}]).encode()
    async with start_pod(**settings) as gateway, booted(gateway) as station, asyncio.timeout(60):
        began_s = time.monotonic()
        for _ in range(15):
            await station.send(text)
            assert await station.answers(1) == ["d"]
        assert time.monotonic() - began_s > 0.8
    assert throttles("bytes") > before


async def test_a_station_that_brings_what_it_kept_is_not_held_up(
    db: Database, gateway: Pod
) -> None:
    """Days without a network: meter values by the hundred, and the ends of long charges."""
    await register(db)
    sample = {"value": "1", "context": "Sample.Periodic", "measurand": "Voltage", "unit": "V"}
    times = [f"2026-01-02T{hour:02}:{minute:02}:00Z" for hour in range(5) for minute in range(60)]
    values = [{"timestamp": each, "sampledValue": [sample] * 6} for each in times]
    before = {limit: throttles(limit) for limit in ("frames", "bytes", "processor")}
    async with booted(gateway) as station, asyncio.timeout(120):
        for value in values:
            payload = {"connectorId": 1, "meterValue": [value]}
            await station.send(json.dumps([2, "v", "MeterValues", payload]).encode())
            assert await station.answers(1) == ["v"]
        for _ in range(20):
            await station.send(wrong_numbers_among(500, wrong=0))
            assert await station.answers(1) == ["m"]
    assert {limit: throttles(limit) for limit in before} == before
