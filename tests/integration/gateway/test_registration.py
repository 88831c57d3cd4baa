"""Known, pending, rejected and unknown stations (OCPP 1.6 §4.2, OCPP 2.0.1 B01 to B03)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from shared.bus.client import open_redis
from shared.domain import commands
from shared.domain.commands import CommandState, MessageTrigger
from shared.domain.stations.stations import RegistrationStatus, UnknownStation
from shared.settings import ServiceSettings
from shared.store.pool import Database
from shared.store.stations import stations, unknown_stations
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.asking import ask, outcome
from tests.support.eventually import eventually
from tests.support.ocpp201 import BOOT, tell
from tests.support.stations import basic_auth, register, station_client

BOOT16 = {"chargePointVendor": "V", "chargePointModel": "M"}
RAW_STOP = {
    "ocpp1.6": commands.Call(action="RemoteStopTransaction", payload={"transactionId": 1}),
    "ocpp2.0.1": commands.Call(action="RequestStopTransaction", payload={"transactionId": "T"}),
}


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


async def knock(url: str, station_id: str, **headers: str) -> int:
    try:
        async with connect(
            f"{url}/{station_id}",
            subprotocols=["ocpp2.0.1", "ocpp1.6"],
            additional_headers=basic_auth(station_id) | headers,
            user_agent_header="VendorX/2.4.1",
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def inbox(db: Database) -> list[UnknownStation]:
    return await unknown_stations.list_after(db, after=None, limit=1000)


async def test_an_unknown_station_is_refused_and_listed(db: Database, start_pod: StartPod) -> None:
    async with start_pod(unknown_stations_interval_s=0.05) as gateway:
        for _ in range(3):
            forwarded = {"X-Forwarded-For": "203.0.113.7"}
            assert await knock(gateway.url, "CP-NEW", **forwarded) == 401
        (seen,) = await eventually(lambda: inbox(db), lambda found: found and found[0].attempts > 2)
        assert (seen.station_id, seen.address) == ("CP-NEW", "203.0.113.7")
        assert (seen.user_agent, seen.subprotocols) == ("VendorX/2.4.1", ("ocpp2.0.1", "ocpp1.6"))
        assert (seen.attempts, seen.first_seen_at < seen.last_seen_at) == (3, True)
        await register(db, "CP-NEW")
        assert await inbox(db) == []
        assert await knock(gateway.url, "CP-NEW") == 101


async def test_a_known_station_with_a_wrong_password_is_not_listed(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod(unknown_stations_interval_s=0.05) as gateway:
        assert await knock(gateway.url, "CP-1", **basic_auth("CP-1", "wrong")) == 401
        assert await knock(gateway.url, "CP-2") == 401
        seen = await eventually(lambda: inbox(db), bool)
        assert [station.station_id for station in seen] == ["CP-2"]


async def test_a_scan_of_ids_neither_fills_the_inbox_nor_drives_out_a_real_station(
    db: Database, start_pod: StartPod
) -> None:
    async with start_pod(unknown_stations_interval_s=0.05, max_unknown_stations=20) as gateway:
        for _ in range(2):
            await knock(gateway.url, "CP-REAL")
        await eventually(lambda: inbox(db), lambda found: bool(found) and found[0].attempts == 2)
        for first in range(0, 100, 10):
            await asyncio.gather(
                *(knock(gateway.url, f"SCAN-{n}") for n in range(first, first + 10))
            )
        await asyncio.sleep(0.3)
        ids = [station.station_id for station in await inbox(db)]
        assert len(ids) <= 20
        assert "CP-REAL" in ids


@pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1"])
async def test_a_pending_station_is_worked_on_and_then_accepted_without_losing_its_connection(
    db: Database, redis: Redis, gateway: Pod, subprotocol: str
) -> None:
    boot = BOOT if subprotocol == "ocpp2.0.1" else BOOT16
    await register(db, registration_status=RegistrationStatus.PENDING)
    async with station_client(gateway.url, subprotocol=subprotocol) as station:
        assert (await tell(station, "BootNotification", boot))["status"] == "Pending"
        for command in (commands.RemoteStart(id_token="T", evse_id=1), RAW_STOP[subprotocol]):
            refused = await outcome(db, await ask(db, redis, command))
            assert refused.state is CommandState.FAILED
            assert refused.error_code == "StationNotAccepted"
            assert "set its registration_status to Accepted" in str(refused.error_description)

        change = commands.ChangeConfiguration(key="AlignedDataCtrlr.Interval", value="900")
        command_id = await ask(db, redis, change)
        (_, message_id, action, _) = await station.receive()
        assert action in {"ChangeConfiguration", "SetVariables"}
        await station.send([4, message_id, "NotSupported", "", {}])
        await outcome(db, command_id)

        accepted = {"registration_status": RegistrationStatus.ACCEPTED}
        await stations.update(db, "CP-1", accepted)
        trigger = commands.TriggerMessage(requested_message=MessageTrigger.BOOT_NOTIFICATION)
        command_id = await ask(db, redis, trigger)
        (_, message_id, action, _) = await station.receive()
        assert action == "TriggerMessage"
        await station.send([3, message_id, {"status": "Accepted"}])
        answer = await tell(station, "BootNotification", boot)
        assert (answer["status"], answer["interval"]) == ("Accepted", 300)
        assert (await station.call("Heartbeat", {}))[0] == 3
        assert await db.fetchval("SELECT booted_at FROM stations") is not None


@pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1"])
async def test_of_a_rejected_station_nothing_is_asked(
    db: Database, redis: Redis, gateway: Pod, subprotocol: str
) -> None:
    await register(db, registration_status=RegistrationStatus.REJECTED)
    async with station_client(gateway.url, subprotocol=subprotocol) as station:
        boot = BOOT if subprotocol == "ocpp2.0.1" else BOOT16
        assert (await tell(station, "BootNotification", boot))["status"] == "Rejected"
        trigger = commands.TriggerMessage(requested_message=MessageTrigger.HEARTBEAT)
        refused = await outcome(db, await ask(db, redis, trigger))
        assert (refused.state, refused.error_code) == (CommandState.FAILED, "StationNotAccepted")
        assert "'CP-1' is Rejected" in str(refused.error_description)
        assert await db.fetchval("SELECT booted_at FROM stations") is None


async def test_intervals_vary_so_that_a_fleet_does_not_march_in_step(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(interval_jitter=0.2, heartbeat_interval_s=1000) as gateway,
        station_client(gateway.url) as station,
    ):
        intervals = {(await station.boot())["interval"] for _ in range(20)}
    assert len(intervals) > 5
    assert all(800 <= interval <= 1200 for interval in intervals)
