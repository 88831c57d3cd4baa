"""Who may take the place of whom, how often, and what a stopping pod owes to those it has."""

import asyncio
import json
import time
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.domain.stations.stations import Connection, SecurityProfile
from shared.store import pods
from shared.store.pool import Database
from shared.store.stations import connections, stations
from shared.store.trust import security_events
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.eventually import eventually
from tests.support.relay import relay
from tests.support.stations import register, station_client


def without_password(gateway: Pod) -> connect:
    return connect(f"{gateway.url}/CP-1", subprotocols=["ocpp1.6"], ping_interval=None)


async def test_who_brings_no_password_does_not_displace_who_is_alive_on_another_pod(
    db: Database, start_pod: StartPod
) -> None:
    await register(db, security_profile=SecurityProfile.UNSECURED)
    async with (
        start_pod(pod_name="a") as first,
        start_pod(pod_name="b") as second,
        station_client(first.url) as old,
    ):
        await old.boot()
        assert "this station is connected" in await refused(second, 409)
        assert (await old.call("Heartbeat", {}))[0] == 3
        assert (await stations.get(db, "CP-1")).epoch == 1


async def test_who_brings_no_password_gets_in_where_the_old_one_on_another_pod_is_dead(
    db: Database, start_pod: StartPod
) -> None:
    await register(db, security_profile=SecurityProfile.UNSECURED)
    async with start_pod(pod_name="a") as first, start_pod(pod_name="b") as second:
        dead = await without_password(first)
        await boot(dead)
        dead.transport.pause_reading()  # nobody answers its pings any more
        async with without_password(second) as new:
            assert (await asyncio.wait_for(boot(new), 10))[0] == 3
        dead.transport.abort()


async def test_who_brings_no_password_gets_in_where_nobody_is_though_redis_is_away(
    db: Database, redis_url: str, start_pod: StartPod
) -> None:
    await register(db, security_profile=SecurityProfile.UNSECURED)
    async with relay(redis_url) as wire, start_pod(redis_url=wire.url) as gateway:
        await wire.cut()
        async with without_password(gateway) as station:
            assert (await boot(station))[0] == 3


async def test_while_redis_is_away_nobody_displaces_who_is_on_another_pod(
    db: Database, redis_url: str, start_pod: StartPod
) -> None:
    await register(db, security_profile=SecurityProfile.UNSECURED)
    async with (
        relay(redis_url) as wire,
        start_pod(pod_name="a") as first,
        start_pod(pod_name="b", redis_url=wire.url) as second,
        without_password(first) as old,
    ):
        await boot(old)
        await wire.cut()
        assert "nobody can tell" in await refused(second, 503)
        await wire.mend()


async def test_while_a_dead_pod_has_its_lease_who_brings_no_password_is_told_so(
    db: Database, start_pod: StartPod
) -> None:
    await register(db, security_profile=SecurityProfile.UNSECURED)
    await hold_by_a_killed_pod(db, lease_s=8)
    async with start_pod(handshake_timeout_s=2) as gateway:
        said = await refused(gateway, 503)
        assert "does not answer" in said
        seconds = int(said.rpartition(" in ")[2].removesuffix(" s\n"))
        assert 4 <= seconds <= 8
        assert f"Retry-After: {seconds}" in said


async def test_who_brings_no_password_gets_in_as_soon_as_a_killed_pods_lease_is_over(
    db: Database, start_pod: StartPod
) -> None:
    await register(db, security_profile=SecurityProfile.UNSECURED)
    async with start_pod() as gateway:
        await hold_by_a_killed_pod(db, lease_s=2)
        began = time.monotonic()
        async with without_password(gateway) as station:
            assert (await boot(station))[0] == 3
        assert 1 < time.monotonic() - began < 5


async def hold_by_a_killed_pod(db: Database, *, lease_s: float) -> None:
    """Leave behind what a pod does that was killed: its lease, and a station that is online."""
    await pods.renew_lease(db, pod_id="killed", pod_name="killed", lease_s=lease_s)
    await connections.claim(
        db,
        [Connection(station_id="CP-1", connection_id="c", pod_id="killed", ocpp_version="1.6")],
    )


async def refused(gateway: Pod, status: int) -> str:
    """Try to come in without a password, and return what is said instead."""
    with pytest.raises(InvalidStatus) as found:
        await without_password(gateway)
    response = found.value.response
    assert response.status_code == status
    headers = "".join(f"{name}: {value}\n" for name, value in response.headers.raw_items())
    return headers + (response.body or b"").decode()


async def test_connections_that_displace_each_other_too_often_are_throttled_and_reported(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    limits = {"station_displacements": 3, "station_displacement_refill_s": 60}
    async with start_pod(**limits) as gateway, AsyncExitStack() as boxes:
        for _ in range(4):
            box = await boxes.enter_async_context(station_client(gateway.url))
            await box.boot()
        with pytest.raises(InvalidStatus) as refused:
            await boxes.enter_async_context(station_client(gateway.url))
        assert refused.value.response.status_code == 429
        assert 0 < int(refused.value.response.headers["Retry-After"]) <= 60
        assert b"two boxes" in (refused.value.response.body or b"")
        events = await eventually(
            lambda: security_events.list_before(db, before=None, limit=10), bool
        )
        assert [event.type for event in events] == ["FlappingIdentity"]
        # The one that holds the station keeps it.
        assert (await stations.get(db, "CP-1")).online


async def test_a_station_that_reconnects_after_its_connection_ended_is_not_throttled(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    limits = {"station_displacements": 1, "station_displacement_refill_s": 60}
    async with start_pod(**limits) as gateway:
        for _ in range(5):
            async with station_client(gateway.url) as station:
                await station.boot()
            await eventually(lambda: stations.get(db, "CP-1"), lambda found: not found.online)


async def test_a_stopping_pod_sends_stations_away_at_a_bounded_rate(
    db: Database, start_pod: StartPod
) -> None:
    station_ids = [f"CP-{number}" for number in range(20)]
    for station_id in station_ids:
        await register(db, station_id)
    closed_at: list[float] = []

    async def wait_for_close(websocket: ClientConnection) -> None:
        with pytest.raises(ConnectionClosed) as closed:
            await websocket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        closed_at.append(time.monotonic())

    async with (
        AsyncExitStack() as clients,
        asyncio.TaskGroup() as tasks,
        start_pod(drain_connections_per_s=20) as gateway,
    ):
        for station_id in station_ids:
            client = await clients.enter_async_context(station_client(gateway.url, station_id))
            await client.boot()
            tasks.create_task(wait_for_close(client.websocket))
    assert 0.8 < max(closed_at) - min(closed_at) < 5


async def boot(websocket: ClientConnection) -> list[object]:
    payload = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
    await websocket.send(json.dumps([2, "boot", "BootNotification", payload]))
    frame: list[object] = json.loads(await websocket.recv())
    return frame
