"""The end of a long charge is taken whole, and what is too long is told, not only closed."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support import ocpp16
from tests.support.eventually import eventually
from tests.support.long_charges import LONGEST_BYTES, end_16, end_201, whole
from tests.support.stations import StationClient, plain_client, register, station_client
from tests.support.turns import watching

KIB = 1024
LONG_BYTES = 492 * KIB
"""Eight hours with ten values a minute."""
BOOT_201 = {"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M"}}


def as_it_is(frame: bytes) -> str:
    return frame.decode()


def in_fragments(frame: bytes) -> list[str]:
    text = frame.decode()
    return [text[start : start + 10_000] for start in range(0, len(text), 10_000)]


async def answered(station: StationClient, message: str | list[str]) -> Any:
    await station.websocket.send(message)
    async with asyncio.timeout(30):
        return await station.receive()


async def kept_values(db: Database) -> int:
    count: int = await db.fetchval("SELECT count(*) FROM meter_values")
    return count


@pytest.mark.parametrize("size_bytes", [LONG_BYTES, LONGEST_BYTES])
@pytest.mark.parametrize("sent", [as_it_is, in_fragments])
async def test_the_end_of_a_long_charge_is_kept_whole(
    db: Database, gateway: Pod, size_bytes: int, sent: Callable[[bytes], str | list[str]]
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        _, transaction_id = await ocpp16.start(station, "TAG")
        end = end_16(whole, size_bytes) | {"transactionId": transaction_id}
        frame = msgspec.json.encode([2, "end", "StopTransaction", end])
        assert await answered(station, sent(frame)) == [3, "end", {}]
    assert await kept_values(db) == len(end["transactionData"])
    ended = await db.fetchrow("SELECT ended_by, meter_stop_wh FROM sessions")
    assert tuple(ended) == ("station", end["meterStop"])


async def test_the_end_of_a_long_charge_may_be_compressed(db: Database, gateway: Pod) -> None:
    await register(db)
    end = end_16(whole, LONGEST_BYTES)
    deflate = ClientPerMessageDeflateFactory(client_max_window_bits=11)
    async with plain_client(gateway.url, extensions=[deflate]) as station:
        await station.boot()
        frame = msgspec.json.encode([2, "end", "StopTransaction", end]).decode()
        assert await answered(station, frame) == [3, "end", {}]
    assert await kept_values(db) == len(end["transactionData"])


@pytest.mark.parametrize("size_bytes", [LONG_BYTES, LONGEST_BYTES])
async def test_a_long_transaction_event_is_kept_whole(
    db: Database, gateway: Pod, size_bytes: int
) -> None:
    await register(db)
    event = end_201(whole, size_bytes)
    async with station_client(gateway.url, subprotocol="ocpp2.0.1") as station:
        await station.call("BootNotification", BOOT_201)
        frame = msgspec.json.encode([2, "end", "TransactionEvent", event]).decode()
        assert await answered(station, frame) == [3, "end", {}]
    assert await kept_values(db) == len(event["meterValue"])


async def test_long_meter_values_are_kept_whole(db: Database, gateway: Pod) -> None:
    await register(db)
    values = end_16(whole, LONG_BYTES)["transactionData"]
    async with station_client(gateway.url) as station:
        await station.boot()
        frame = msgspec.json.encode(
            [2, "v", "MeterValues", {"connectorId": 1, "meterValue": values}]
        )
        assert await answered(station, frame.decode()) == [3, "v", {}]
    assert await kept_values(db) == len(values)


@pytest.mark.parametrize(
    ("subprotocol", "code"), [("ocpp1.6", "FormationViolation"), ("ocpp2.0.1", "FormatViolation")]
)
async def test_what_is_as_long_and_tells_of_no_transaction_is_refused_with_its_size(
    db: Database, gateway: Pod, subprotocol: str, code: str
) -> None:
    await register(db)
    async with station_client(gateway.url, subprotocol=subprotocol) as station:
        if subprotocol == "ocpp1.6":
            await station.boot()
        else:
            await station.call("BootNotification", BOOT_201)
        frame = f'[2,"d","DataTransfer",{{"vendorId":"V","data":"{"x" * 300_000}"}}]'
        answer = await answered(station, frame)
        assert answer[:3] == [4, "d", code]
        assert str(len(frame)) in answer[3]
        assert str(256 * KIB) in answer[3]
        # An answer that nobody waits for gets none, and the connection goes on.
        await station.send(f'[3,"a",{{"x":"{"x" * 300_000}"}}]')
        assert await station.call("Heartbeat", {})


async def test_what_is_longer_than_any_message_is_told_to_the_operator(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod(max_transaction_message_bytes=300_000) as gateway:
        async with plain_client(gateway.url) as station:
            await station.boot()
            end = msgspec.json.encode([2, "e", "StopTransaction", end_16(whole, LONG_BYTES)])
            with pytest.raises(ConnectionClosed) as closed:
                await answered(station, end.decode())
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009

        async def told() -> list[tuple[str, str]]:
            rows = await db.fetch("SELECT type, tech_info FROM security_events")
            return [tuple(row) for row in rows]

        ((type_, text),) = await eventually(told, bool)
    assert type_ == "MessageTooLong"
    assert str(len(end)) in text
    assert "300000" in text
    assert "VOLTARO_MAX_TRANSACTION_MESSAGE_BYTES" in text


async def test_the_longest_end_of_a_charge_takes_many_turns(db: Database, gateway: Pod) -> None:
    """What cannot be divided is its decoding."""
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        _, transaction_id = await ocpp16.start(station, "TAG")
        end = end_16(whole, LONGEST_BYTES) | {"transactionId": transaction_id}
        frame = msgspec.json.encode([2, "end", "StopTransaction", end]).decode()
        async with watching() as turn:
            processor_s = time.thread_time()
            assert await answered(station, frame) == [3, "end", {}]
            processor_s = time.thread_time() - processor_s
    assert turn.longest_s < processor_s / 4
