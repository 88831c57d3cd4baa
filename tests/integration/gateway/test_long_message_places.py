"""Long messages of many stations at once are bounded in memory, and none of them is lost."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Opcode

from shared.store.pool import Database
from shared.telemetry import metrics
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.eventually import eventually
from tests.support.long_charges import MAX_BYTES, end_16, whole
from tests.support.raw_websocket import RawWebSocket, frame, raw_websocket
from tests.support.stations import plain_client, register, station_client

LONG_BYTES = 600 * 1024
LONG = msgspec.json.encode([2, "end", "StopTransaction", end_16(whole, LONG_BYTES)])


@asynccontextmanager
async def stations(
    db: Database, pod: Pod, count: int, *, first: int = 1
) -> AsyncIterator[list[RawWebSocket]]:
    async with AsyncExitStack() as stack:
        connected = []
        for number in range(first, first + count):
            await register(db, f"CP-{number}")
            station = await stack.enter_async_context(raw_websocket(pod.url, f"CP-{number}"))
            await station.send(frame(b'[2,"b","BootNotification",%s]' % BOOT))
            await read_answer(station)
            connected.append(station)
        yield connected


BOOT = b'{"chargePointVendor":"V","chargePointModel":"M"}'


async def read_answer(station: RawWebSocket) -> list[object]:
    async with asyncio.timeout(30):
        while True:
            opcode, data = await station.receive()
            if opcode == Opcode.TEXT:
                answer: list[object] = json.loads(data)
                return answer


def unfinished(pod: Pod) -> list[int]:
    """Return how much is held of unfinished messages, by connection."""
    sockets = [connection._websocket for connection in pod.server.all()]
    return [len(each.protocol.reader.buffer) + each._fragments.size_bytes for each in sockets]


def long_ones(pod: Pod) -> int:
    """Return how many go on: who waits has stopped within a read."""
    return sum(size > MAX_BYTES + 64 * 1024 for size in unfinished(pod))


async def places(name: str, state: str) -> float:
    gauge = getattr(metrics, name)
    value: float = gauge.labels(state)._value.get()
    return value


async def waiting() -> float:
    return await places("long_messages_waiting", "unfinished")


async def none_is_taken() -> bool:
    return not any(
        [
            await places(name, state)
            for name in ("long_messages", "long_messages_waiting")
            for state in ("unfinished", "in_work")
        ]
    )


def as_one(data: bytes) -> bytes:
    return frame(data)


def in_fragments(data: bytes) -> bytes:
    size = 5_000
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(
        frame(
            piece,
            opcode=Opcode.CONT if number else Opcode.TEXT,
            fin=number == len(pieces) - 1,
        )
        for number, piece in enumerate(pieces)
    )


@pytest.mark.parametrize("sent", [as_one, in_fragments])
async def test_only_so_many_are_taken_in_at_once_and_the_others_wait(
    db: Database, start_pod: StartPod, sent: object
) -> None:
    data = sent(LONG)  # type: ignore[operator]
    async with (
        start_pod(max_unfinished_long_messages=2) as pod,
        stations(db, pod, 6) as connected,
    ):
        begun = [asyncio.create_task(station.send(data[:-100])) for station in connected]
        await eventually(waiting, lambda count: count == 4)
        await eventually(lambda: held(pod), lambda held: held == 2)
        assert sum(unfinished(pod)) < 2 * LONG_BYTES + 4 * (MAX_BYTES + 64 * 1024)
        # Nobody else waits for them.
        await register(db, "CP-9")
        async with station_client(pod.url, station_id="CP-9") as other:
            await other.boot()
            assert (await other.call("Heartbeat", {}))[0] == 3
        # Each has its turn.
        answers = []
        for task, station in zip(begun, connected, strict=True):
            answers.append(asyncio.create_task(finish(task, station, data[-100:])))
        assert await asyncio.gather(*answers) == [[3, "end", {}]] * 6
        assert await none_is_taken()
    ends = await db.fetch("SELECT DISTINCT station_id FROM dead_letters")
    assert len(ends) == 6


async def held(pod: Pod) -> int:
    return long_ones(pod)


async def finish(begun: "asyncio.Task[None]", station: RawWebSocket, rest: bytes) -> list[object]:
    await begun
    await station.send(rest)
    return await read_answer(station)


async def test_who_does_not_finish_leaves_its_place_to_who_waits(
    db: Database, start_pod: StartPod
) -> None:
    async with (
        start_pod(max_unfinished_long_messages=1, long_message_timeout_s=0.5) as pod,
        stations(db, pod, 2) as (hog, other),
    ):
        data = in_fragments(LONG)
        await hog.send(data[:-100])
        await eventually(lambda: places("long_messages", "unfinished"), bool)
        await asyncio.sleep(1.0)  # while nobody waits it may take its time
        assert len(pod.server.all()) == 2
        await other.send(data)
        assert await read_answer(other) == [3, "end", {}]
        assert await hog.close_code() == 1008
    assert await none_is_taken()


async def test_who_waits_is_not_taken_for_gone(db: Database, start_pod: StartPod) -> None:
    """No pong can be read from it meanwhile, and no load balancer may find it silent."""
    async with (
        start_pod(max_unfinished_long_messages=1, ping_interval_s=0.2, ping_timeout_s=0.8) as pod,
        stations(db, pod, 2) as (first, other),
    ):
        data = frame(LONG)
        await first.send(data[:-100])
        begun = asyncio.create_task(other.send(data[:-100]))
        await eventually(waiting, bool)
        until_s = time.monotonic() + 5
        at = len(data) - 100
        while time.monotonic() < until_s:
            await first.send(data[at : at + 1])
            at += 1
            await asyncio.sleep(0.1)
        await first.send(data[at:])
        assert await read_answer(first) == [3, "end", {}]
        await begun
        await other.send(data[-100:])
        opcodes = []
        while (received := await other.receive())[0] != Opcode.TEXT:
            opcodes.append(received[0])
        assert json.loads(received[1]) == [3, "end", {}]
        assert opcodes.count(Opcode.PONG) > 2
    assert await none_is_taken()


@pytest.mark.parametrize("state", ["has a place", "waits", "is in work"])
async def test_who_leaves_gives_its_place_back(
    db: Database, start_pod: StartPod, state: str
) -> None:
    async with (
        start_pod(max_unfinished_long_messages=1) as pod,
        stations(db, pod, 3) as (first, second, third),
    ):
        data = frame(LONG)
        match state:
            case "has a place":
                await first.send(data[:-100])
                await eventually(lambda: held(pod), bool)
                first.abort()
            case "waits":
                await first.send(data[:-100])
                begun = asyncio.create_task(second.send(data[:-100]))
                await eventually(waiting, bool)
                second.abort()
                await asyncio.gather(begun, return_exceptions=True)
                first.abort()
            case "is in work":
                await first.send(data)
                await eventually(lambda: places("long_messages", "in_work"), bool)
                first.abort()
        await third.send(data)
        assert await read_answer(third) == [3, "end", {}]
        await eventually(none_is_taken, bool)


async def test_one_station_has_one_of_them_in_work(db: Database, start_pod: StartPod) -> None:
    async with start_pod() as pod, stations(db, pod, 1) as (station,):
        most = 0.0
        messages = [
            msgspec.json.encode([2, str(number), "StopTransaction", end_16(whole, LONG_BYTES)])
            for number in range(3)
        ]
        heartbeat = b'[2,"h","Heartbeat",{}]'
        sending = asyncio.create_task(station.send(b"".join(map(frame, [*messages, heartbeat]))))
        answers = []
        while len(answers) < 4:
            answers.append((await read_answer(station))[1])
            most = max(most, await places("long_messages", "in_work"))
        await sending
        assert answers == ["0", "1", "2", "h"]
        assert most <= 1
        assert await none_is_taken()


async def test_messages_are_worked_on_one_after_the_other_in_the_order_of_their_ends(
    db: Database, start_pod: StartPod
) -> None:
    async with (
        start_pod(max_long_messages_in_work=1) as pod,
        stations(db, pod, 4) as connected,
    ):
        sending = [asyncio.create_task(station.send(frame(LONG))) for station in connected]
        answers = await asyncio.gather(*map(read_answer, connected))
        assert answers == [[3, "end", {}]] * 4
        await asyncio.gather(*sending)
        assert await none_is_taken()


async def test_a_long_message_that_is_refused_leaves_its_place(
    db: Database, start_pod: StartPod
) -> None:
    """Before anything is decoded, or after that."""
    async with (
        start_pod(max_long_messages_in_work=1, max_unfinished_long_messages=1) as pod,
        stations(db, pod, 1) as (station,),
    ):
        text = b"x" * LONG_BYTES
        for message in (
            b'[2,"1","DataTransfer",{"vendorId":"V","data":"%s"}]' % text,
            b'[2,"2","StopTransaction",{"transactionId":1,"reason":"%s"}]' % text,
            b'[2,"3","StopTransaction","%s"]' % text,
            b'[2,"4","StopTransaction",{%s' % text,
        ):
            await station.send(frame(message))
            answer = await read_answer(station)
            assert answer[:2] == [4, message[4:5].decode()]
        await station.send(frame(b'[3,"5",{"x":"%s"}]' % text))
        await station.send(frame(LONG))
        assert await read_answer(station) == [3, "end", {}]
        assert await none_is_taken()


async def test_what_is_compressed_has_the_same_bound(db: Database, start_pod: StartPod) -> None:
    """It is seen coming, unless it says nothing at all; then it is sent again."""
    await register(db)
    deflate = ClientPerMessageDeflateFactory(client_max_window_bits=11)
    async with (
        start_pod(max_unfinished_long_messages=1) as pod,
        plain_client(pod.url, extensions=[deflate]) as station,
        stations(db, pod, 1, first=2) as (hog,),
    ):
        await station.boot()
        await station.websocket.send(LONG.decode())
        assert await station.receive() == [3, "end", {}]
        await hog.send(frame(LONG)[:-100])
        await eventually(lambda: held(pod), bool)
        await station.websocket.send(
            f'[2,"x","StopTransaction",{{"transactionId":1{" " * LONG_BYTES}}}]'
        )
        with pytest.raises(ConnectionClosed) as closed:
            await station.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
    await eventually(none_is_taken, bool)
