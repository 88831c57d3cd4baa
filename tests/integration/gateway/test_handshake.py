"""What a station gets at the door."""

import asyncio
import os
import sys
import threading
import time

import pytest
from argon2 import PasswordHasher
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.domain.stations.stations import RegistrationStatus, SecurityProfile
from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.eventually import eventually
from tests.support.stations import PASSWORD, basic_auth, register, station_client


async def refusal(url: str, headers: dict[str, str] | None = None) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, subprotocols=["ocpp1.6"], additional_headers=headers)
    return refused.value


@pytest.mark.parametrize(
    ("station_id", "user_name", "password"),
    [("CP-1", "CP-1", "wrong"), ("NOBODY", "NOBODY", PASSWORD), ("CP-1", "CP-2", PASSWORD)],
    ids=["wrong password", "unknown station", "another user name"],
)
async def test_all_who_may_not_come_in_get_the_same_401(
    db: Database, gateway: Pod, station_id: str, user_name: str, password: str
) -> None:
    await register(db)
    refused = await refusal(f"{gateway.url}/{station_id}", basic_auth(user_name, password))
    assert refused.response.status_code == 401
    assert refused.response.headers["WWW-Authenticate"].startswith("Basic ")
    assert b"unknown station, wrong password" in (refused.response.body or b"")


async def test_a_station_without_password_gets_401(db: Database, gateway: Pod) -> None:
    await register(db)
    assert (await refusal(f"{gateway.url}/CP-1")).response.status_code == 401
    garbage = {"Authorization": "Basic %%%"}
    assert (await refusal(f"{gateway.url}/CP-1", garbage)).response.status_code == 401


@pytest.mark.parametrize(
    "station_id", ["a%2Fb", "..", "a:b", "a%00b", "x" * 49, "", "/", "a/b", "%2FCP-1", "%C3%A9"]
)
async def test_an_impossible_station_id_gets_400(gateway: Pod, station_id: str) -> None:
    refused = await refusal(f"{gateway.url}/{station_id}", basic_auth("x"))
    assert refused.response.status_code == 400


@pytest.mark.parametrize(
    "path",
    ["/elsewhere/CP-1", "/ocpp", "//ocpp", "/ocppx/CP-1", "/OCPP/CP-1", "/x//ocpp/CP-1", "/"],
)
async def test_another_path_gets_404(gateway: Pod, path: str) -> None:
    url = gateway.url.removesuffix("/ocpp") + path
    assert (await refusal(url)).response.status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/ocpp//CP-1",
        "/ocpp///CP-1",
        "//ocpp/CP-1",
        "//ocpp//CP-1",
        "/ocpp//CP%2D1",
        "/ocpp//CP-1?a=b",
    ],
)
async def test_a_base_url_may_end_in_a_slash(db: Database, gateway: Pod, path: str) -> None:
    await register(db)
    base_url = gateway.url.removesuffix("/ocpp")
    async with connect(
        base_url + path, subprotocols=["ocpp1.6"], additional_headers=basic_auth("CP-1")
    ) as websocket:
        assert websocket.subprotocol == "ocpp1.6"


async def test_an_unsecured_station_comes_in_only_if_registered_so(
    db: Database, gateway: Pod
) -> None:
    await register(db, security_profile=SecurityProfile.UNSECURED)
    async with connect(f"{gateway.url}/CP-1", subprotocols=["ocpp1.6"]) as websocket:
        assert websocket.subprotocol == "ocpp1.6"


async def test_without_common_subprotocol_the_handshake_ends_and_the_socket_is_closed(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    async with connect(
        f"{gateway.url}/CP-1",
        subprotocols=["ocpp0.9"],
        additional_headers=basic_auth("CP-1"),
    ) as websocket:
        assert websocket.subprotocol is None
        with pytest.raises(ConnectionClosed, match="no common subprotocol"):
            await websocket.recv()


async def test_before_its_boot_was_accepted_a_station_may_say_nothing_else(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        assert (await station.call("Heartbeat", {}))[:3] == [4, "1", "SecurityError"]
        assert (await station.receive())[2] == "TriggerMessage"  # which asks it to boot
        await station.boot()
        assert (await station.call("Heartbeat", {}))[0] == 3


async def test_acceptance_outlives_the_connection(db: Database, gateway: Pod) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
    async with station_client(gateway.url) as station:
        assert (await station.call("Heartbeat", {}))[0] == 3


@pytest.mark.parametrize("status", [RegistrationStatus.PENDING, RegistrationStatus.REJECTED])
async def test_a_station_that_is_not_accepted_is_told_when_to_boot_again(
    db: Database, gateway: Pod, status: RegistrationStatus
) -> None:
    await register(db, registration_status=status)
    async with station_client(gateway.url) as station:
        answer = await station.boot()
        assert (answer["status"], answer["interval"]) == (status, 60)
        assert (await station.call("Heartbeat", {}))[2] == "SecurityError"


async def test_a_message_that_is_too_long_closes_with_1009(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    limits = {"max_message_bytes": 1000, "max_transaction_message_bytes": 1000}
    async with start_pod(**limits) as gateway, station_client(gateway.url) as station:
        with pytest.raises(ConnectionClosed) as closed:
            await station.call("DataTransfer", {"vendorId": "x" * 2000})
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_a_full_pod_says_503_and_when_to_come_back(db: Database, start_pod: StartPod) -> None:
    await register(db)
    await register(db, "CP-2")
    async with start_pod(max_connections=1) as gateway, station_client(gateway.url):
        refused = await refusal(f"{gateway.url}/CP-2", basic_auth("CP-2"))
        assert refused.response.status_code == 503
        assert int(refused.response.headers["Retry-After"]) > 0


async def test_a_password_that_cannot_be_checked_in_time_gets_503_and_not_silence(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    slow = PasswordHasher(time_cost=20, memory_cost=65_536, parallelism=1).hash(PASSWORD)
    await db.execute("UPDATE stations SET password_hash = $1", slow)
    async with start_pod(handshake_timeout_s=0.1) as gateway:
        refused = await refusal(f"{gateway.url}/CP-1", basic_auth("CP-1"))
        assert refused.response.status_code == 503
        assert int(refused.response.headers["Retry-After"]) > 0


async def test_a_station_that_floods_is_closed_and_the_others_are_not(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    await register(db, "CP-2")
    async with (
        start_pod(max_queued_calls=4) as gateway,
        station_client(gateway.url) as flooder,
        station_client(gateway.url, "CP-2") as other,
    ):
        await flooder.boot()
        await other.boot()
        with pytest.raises(ConnectionClosed, match="wait for the answer"):
            await asyncio.gather(
                *(flooder.send([2, str(n), "Authorize", {"idTag": "T"}]) for n in range(200)),
                _read_all(flooder),
            )
        assert (await other.call("Heartbeat", {}))[0] == 3


async def _read_all(station: object) -> None:
    while True:
        await station.receive()  # type: ignore[attr-defined]


async def test_the_best_version_that_both_speak_is_picked(db: Database, gateway: Pod) -> None:
    await register(db)
    for offered, picked in (
        (["ocpp1.6", "ocpp2.0.1"], "ocpp2.0.1"),
        (["ocpp1.5", "ocpp1.6"], "ocpp1.6"),
    ):
        async with connect(
            f"{gateway.url}/CP-1", subprotocols=offered, additional_headers=basic_auth("CP-1")
        ) as websocket:
            assert websocket.subprotocol == picked


@pytest.mark.parametrize(
    ("station_id", "user_name"), [("CP-1", "CP-1"), ("CP-1", "CP-2"), ("NOBODY", "NOBODY")]
)
async def test_a_refusal_tells_nothing_apart_in_header_or_body(
    db: Database, gateway: Pod, station_id: str, user_name: str
) -> None:
    await register(db)
    first = await refusal(f"{gateway.url}/NOBODY-2", basic_auth("NOBODY-2", "wrong"))
    this = await refusal(f"{gateway.url}/{station_id}", basic_auth(user_name, "wrong"))
    assert this.response.body == first.response.body
    assert dict(this.response.headers.raw_items()).keys() == (
        dict(first.response.headers.raw_items()).keys()
    )


async def test_an_unknown_station_takes_as_long_as_a_wrong_password(
    db: Database, start_pod: StartPod
) -> None:
    """By the work that is done: a password is hashed in both cases, with the same parameters."""
    await register(db)
    costly = PasswordHasher(time_cost=4, memory_cost=65_536, parallelism=1).hash(PASSWORD)
    await db.execute("UPDATE stations SET password_hash = $1", costly)
    async with start_pod() as gateway:
        await refusal(f"{gateway.url}/CP-1", basic_auth("CP-1", "wrong"))  # its hash is known now
        seconds: dict[str, float] = {}
        for station_id in ("CP-1", "NOBODY"):
            times = []
            for _ in range(3):
                started_at = time.perf_counter()
                await refusal(f"{gateway.url}/{station_id}", basic_auth(station_id, "wrong"))
                times.append(time.perf_counter() - started_at)
            seconds[station_id] = min(times)
        assert seconds["NOBODY"] > 0.3 * seconds["CP-1"]


async def test_ids_that_cannot_be_are_stored_nowhere(db: Database, start_pod: StartPod) -> None:
    async with start_pod(unknown_stations_interval_s=0.05) as gateway:
        for station_id in ("a%2Fb", "..", "a:b", "a%00b", "a%0Ab", "x" * 49, "%F0%9F%94%8C"):
            refused = await refusal(f"{gateway.url}/{station_id}", basic_auth("x"))
            assert refused.response.status_code == 400
        await refusal(f"{gateway.url}/" + "x" * 48, basic_auth("x"))
        await eventually(lambda: _ids(db), lambda ids: ids == ["x" * 48])


async def _ids(db: Database) -> list[str]:
    return [r["station_id"] for r in await db.fetch("SELECT station_id FROM unknown_stations")]


async def test_too_many_failures_get_429_and_a_password_that_was_right_does_not(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod(station_failures=2, station_failure_refill_s=30) as gateway:
        async with station_client(gateway.url):
            pass
        for station_id in ("CP-1", "NOBODY"):
            url = f"{gateway.url}/{station_id}"
            codes = [
                (await refusal(url, basic_auth(station_id, "wrong"))).response.status_code
                for _ in range(3)
            ]
            assert codes == [401, 401, 429]
        refused = await refusal(f"{gateway.url}/CP-1", basic_auth("CP-1", "wrong"))
        assert 0 < int(refused.response.headers["Retry-After"]) <= 30
        async with station_client(gateway.url) as station:
            await station.boot()


async def test_an_address_that_fails_too_often_gets_429_without_any_hashing(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    costly = PasswordHasher(time_cost=20, memory_cost=65_536, parallelism=1).hash(PASSWORD)
    await db.execute("UPDATE stations SET password_hash = $1", costly)
    async with start_pod(address_failures=3, address_failure_refill_s=60) as gateway:
        scanner = {"X-Forwarded-For": "203.0.113.7"}
        for number in range(3):
            refused = await refusal(f"{gateway.url}/CP-{number + 2}", scanner)
            assert refused.response.status_code == 401
        started_at = time.perf_counter()
        refused = await refusal(f"{gateway.url}/CP-1", scanner | basic_auth("CP-1", "guess"))
        assert refused.response.status_code == 429
        assert time.perf_counter() - started_at < 0.3
        other = {"X-Forwarded-For": "203.0.113.8"} | basic_auth("CP-1", "guess")
        assert (await refusal(f"{gateway.url}/CP-1", other)).response.status_code == 401


async def test_headers_may_have_8_kilobytes_in_all(db: Database, gateway: Pod) -> None:
    await register(db)
    for headers in ({"X-Long": "x" * 9000}, {f"X-{n}": "x" * 900 for n in range(10)}):
        refused = await refusal(f"{gateway.url}/CP-1", headers | basic_auth("CP-1"))
        assert refused.response.status_code == 431


async def test_a_slow_handshake_is_closed(start_pod: StartPod) -> None:
    async with start_pod(handshake_timeout_s=0.3) as gateway:
        host, port = gateway.url.removeprefix("ws://").removesuffix("/ocpp").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /ocpp/CP-1 HTTP/1.1\r\nHost: x\r\n")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own there")
async def test_hashing_gives_way_to_the_event_loop(db: Database, gateway: Pod) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        niceness = {
            thread.name.partition("_")[0]: os.getpriority(os.PRIO_PROCESS, thread.native_id or 0)
            for thread in threading.enumerate()
        }
    lowest_priority = 19  # sched(7)
    assert niceness["hashing"] == min(niceness["MainThread"] + 10, lowest_priority)
    assert niceness["hashing"] > niceness["MainThread"] or niceness["MainThread"] == lowest_priority
