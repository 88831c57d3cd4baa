"""What a client can do wrong below OCPP, over a real socket: closed, and the others unharmed."""

import asyncio
import itertools
import json
import resource
from collections.abc import AsyncIterator

import pytest
from websockets.frames import Opcode

from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.eventually import eventually
from tests.support.raw_websocket import RawWebSocket, deflated, frame, raw_websocket
from tests.support.stations import register, station_client

BOOT = json.dumps([2, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}])
DEFLATE = "permessage-deflate; client_max_window_bits"


@pytest.fixture
async def gateway(start_pod: StartPod) -> AsyncIterator[Pod]:
    """A pod that takes frames as fast as they come, so that its other limits have to hold."""
    async with start_pod(station_frames_per_s=1_000_000) as running:
        yield running


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[RawWebSocket]:
    await register(db)
    async with raw_websocket(gateway.url) as websocket:
        yield websocket


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(b'[2,"\xff\xfe","Heartbeat",{}]'), 1007),
        (frame(BOOT.encode(), masked=False), 1002),
        (frame(BOOT.encode(), rsv1=True), 1002),
        (frame(b"x" * 126, opcode=Opcode.PING), 1002),
        (frame(b"", opcode=Opcode.PING, fin=False), 1002),
        (frame(b"", opcode=Opcode.CONT), 1002),
        (b"\x83\x80\x00\x00\x00\x00", 1002),  # an opcode that nobody has defined
        (b"\x81\xff" + (2**40).to_bytes(8), 1009),  # announced only; nothing of it is waited for
    ],
    ids=[
        "not UTF-8",
        "not masked",
        "RSV1 without an extension",
        "a long ping",
        "a ping in fragments",
        "a fragment of nothing",
        "an unknown opcode",
        "a terabyte announced",
    ],
)
async def test_a_frame_against_the_rules_closes_with_its_code(
    station: RawWebSocket, data: bytes, code: int
) -> None:
    await station.send(data)
    async with asyncio.timeout(10):
        assert await station.close_code() == code


async def test_the_operator_is_told_of_texts_that_are_not_utf_8(
    db: Database, station: RawWebSocket
) -> None:
    """The station may send it for ever, and with it the end of a charge."""
    await station.send(frame(b'[2,"e","StopTransaction",{"reason":"\xe9"}]'))
    async with asyncio.timeout(10):
        assert await station.close_code() == 1007

    async def told() -> list[str]:
        rows = await db.fetch("SELECT type FROM security_events WHERE station_id = 'CP-1'")
        return [row[0] for row in rows]

    assert await eventually(told, bool) == ["MessageNotUtf8"]


async def test_a_ping_is_answered(station: RawWebSocket) -> None:
    await station.send(frame(b"x" * 125, opcode=Opcode.PING))
    assert await station.receive() == (Opcode.PONG, b"x" * 125)


@pytest.mark.parametrize("size", [0, 100], ids=["empty", "full"])
async def test_fragments_without_end_close_with_1009_and_memory_stays_bounded(
    db: Database, gateway: Pod, station: RawWebSocket, size: int
) -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fragments = itertools.repeat(frame(b" " * size, opcode=Opcode.CONT, fin=False), 1_000_000)
    await station.send(frame(b"[", fin=False))
    sending = asyncio.create_task(station.send_until_closed(fragments))
    async with asyncio.timeout(30):
        assert await station.close_code() == 1009
        sending.cancel()
        await asyncio.wait([sending])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 32 * 1024
    await register(db, "CP-2")
    async with station_client(gateway.url, "CP-2") as other:
        await other.boot()


async def test_compression_is_granted_only_if_asked_for_and_with_a_small_window(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    async with raw_websocket(gateway.url) as websocket:
        assert "Sec-WebSocket-Extensions" not in websocket.response
    async with raw_websocket(gateway.url, extensions=DEFLATE) as websocket:
        assert "server_max_window_bits=11" in websocket.response
        assert "client_max_window_bits=11" in websocket.response
        await websocket.send(frame(deflated(BOOT.encode()), rsv1=True))
        opcode, _ = await websocket.receive()
        assert opcode == Opcode.TEXT


async def test_a_decompression_bomb_closes_with_1009_and_memory_stays_bounded(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    bomb = deflated(bytes(256 * 1024 * 1024))
    assert len(bomb) < 300_000
    async with (
        start_pod(max_transaction_message_bytes=300_000) as gateway,
        raw_websocket(gateway.url, extensions=DEFLATE) as websocket,
    ):
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await websocket.send(frame(bomb, rsv1=True))
        async with asyncio.timeout(10):
            assert await websocket.close_code() == 1009
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 32 * 1024


@pytest.mark.parametrize(
    "payload",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"idTag":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"idTag":"\\ud800"}',
        '{"idTag":NaN}',
        '{"idTag":-Infinity}',
        '{"idTag":1e999}',
        '{"idTag":"a\\u0000b"}',
        '{"idTag":{"a":[]}}',
        '{"idTag":"T","idTag":[]}',
    ],
    ids=lambda payload: payload[:24],
)
async def test_hostile_json_gets_a_callerror_and_harms_no_neighbour(
    db: Database, gateway: Pod, payload: str
) -> None:
    await register(db)
    await register(db, "CP-2")
    async with (
        station_client(gateway.url) as hostile,
        station_client(gateway.url, "CP-2") as neighbour,
    ):
        await hostile.boot()
        await neighbour.boot()
        await hostile.send(f'[2,"x","Authorize",{payload}]')
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        kept, answer = await asyncio.gather(
            neighbour.call("StatusNotification", status), hostile.receive()
        )
        assert kept[0] == 3
        assert answer[:2] == [4, "x"]
        assert (await hostile.call("Heartbeat", {}))[0] == 3
    assert await db.fetchval("SELECT station_id FROM connectors") == "CP-2"
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0
