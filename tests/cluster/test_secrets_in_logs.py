"""What all processes write in a full run, faults included, holds no secret."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from simulator.backoff import ReconnectPolicy
from simulator.profile import OcppVersion, StationProfile
from simulator.running import run_station
from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster

SECRET_NAME = re.compile(r"KEY|SECRET|TOKEN|PASSWORD", re.IGNORECASE)
MIN_LENGTH = 12


def marked() -> str:
    """Return a secret that occurs nowhere else; digits of a key, so that every station takes it."""
    return (uuid4().hex + uuid4().hex)[:40].upper()


def spellings(secret: bytes) -> set[str]:
    """Return as what a secret may turn up in a log."""
    text = secret.decode("latin-1")
    found = {text, repr(secret)[2:-1], secret.hex(), secret.hex().upper()}
    found |= {secret.decode(errors=errors) for errors in ("replace", "backslashreplace")}
    found.add(ascii(secret.decode(errors="surrogateescape"))[1:-1])
    found.add(base64.b64encode(secret).decode())
    return {each for each in found if len(each) >= MIN_LENGTH}


def secrets_of_processes(cluster: Cluster) -> set[str]:
    """Return what the processes were told that nobody else may know."""
    found: set[str] = set()
    for pid in cluster.pids.values():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except FileNotFoundError:  # killed, and its successor is not in the report yet
            continue
        for name, _, value in (each.decode().partition("=") for each in environment):
            if not name.startswith("VOLTARO_"):
                continue
            if SECRET_NAME.search(name):
                found.update(value.split(","))
            if "://" in value and (password := urlsplit(value).password):
                found.add(password)
    return {each for each in found if len(each) >= MIN_LENGTH}


async def hashes_in(database_url: str) -> set[str]:
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            """
            SELECT split_part(hash, '$', 6) AS digest
            FROM stations
            CROSS JOIN LATERAL (VALUES (password_hash), (new_password_hash)) AS its (hash)
            WHERE hash IS NOT NULL
            """
        )
    finally:
        await connection.close()
    return {row["digest"] for row in rows}


async def try_to_come_in(cluster: Cluster, station_id: str, *passwords: bytes) -> None:
    """Bring passwords, each in an Authorization header of its own."""
    headers = [
        (
            "Authorization",
            "Basic " + base64.b64encode(station_id.encode() + b":" + password).decode(),
        )
        for password in passwords
    ]
    try:
        async with asyncio.timeout(5):
            async with connect(
                f"{cluster.ocpp_url}/{station_id}",
                subprotocols=["ocpp1.6"],
                additional_headers=headers,
            ) as websocket:
                await websocket.send('[2,"1","Heartbeat",{}]')
                await websocket.recv()
    except (OSError, WebSocketException, TimeoutError):
        pass  # most may not, and while servers are down none can


async def post(cluster: Cluster, path: str, **body: object) -> httpx.Response | None:
    try:
        return await cluster.api.post(path, json=body)
    except httpx.TransportError:
        return None


@dataclass(frozen=True)
class Marked:
    """What must not be seen: secrets that a run shows to every process which could tell them."""

    passwords: dict[str, str]
    new_passwords: dict[str, str]
    vendor_secret: str = field(default_factory=marked)
    refused: str = field(default_factory=marked)
    raw: bytes = field(default_factory=lambda: b"\xff\xfe" + marked().encode()[:18])

    def spellings(self) -> set[str]:
        digits = (*self.passwords.values(), *self.new_passwords.values(), self.refused)
        secrets = [self.raw, *map(bytes.fromhex, digits), *map(str.encode, digits)]
        secrets.append(self.vendor_secret.encode())
        return set().union(*map(spellings, secrets))


async def misbehave(cluster: Cluster, shown: Marked) -> None:
    """Show the secrets to the door and to the API, in ways that make errors."""
    for station_id, password in shown.passwords.items():
        await try_to_come_in(cluster, station_id, shown.raw)
        await try_to_come_in(cluster, station_id, shown.refused.encode())
        await try_to_come_in(cluster, station_id, shown.refused.encode(), shown.raw)
        await try_to_come_in(cluster, station_id, password.encode())
    await post(cluster, "/v1/stations", station_id="S-3", password=[shown.refused])
    await post(cluster, "/v1/stations", station_id="S 4", password=shown.refused)
    for key, value in ((1, shown.refused), ("VendorPassword", shown.vendor_secret)):
        await post(
            cluster,
            "/v1/stations/S-16/commands",
            type="ChangeConfiguration",
            key=key,
            value=value,
        )


async def change_password(cluster: Cluster, station_id: str, key: str, password: str) -> None:
    answer = await post(
        cluster,
        f"/v1/stations/{station_id}/commands",
        type="ChangeConfiguration",
        key=key,
        value=password,
    )
    assert answer is not None
    assert answer.json()["state"] == "accepted", answer.text


async def online(cluster: Cluster, station_id: str) -> None:
    def is_back(answer: httpx.Response | None) -> bool:
        return bool(answer and answer.status_code == 200 and answer.json()["online"])

    async def look() -> httpx.Response | None:
        try:
            return await cluster.api.get(f"/v1/stations/{station_id}")
        except httpx.TransportError:
            return None

    await eventually(look, is_back, timeout_s=60)


@asynccontextmanager
async def stations(cluster: Cluster, passwords: dict[str, str]) -> AsyncIterator[None]:
    versions = {"S-16": OcppVersion.V1_6, "S-201": OcppVersion.V2_0_1}
    async with AsyncExitStack() as running:
        for station_id, password in passwords.items():
            answer = await post(cluster, "/v1/stations", station_id=station_id, password=password)
            assert answer is not None
            assert answer.status_code == 201
            profile = StationProfile(
                station_id=station_id,
                version=versions[station_id],
                reset_delay_s=0.1,
                reconnect=ReconnectPolicy(minimum_s=0.2, maximum_s=1),
            )
            await running.enter_async_context(
                run_station(profile, url=cluster.ocpp_url, password=password)
            )
            await online(cluster, station_id)
        yield


async def test_no_process_writes_a_secret_into_its_log(cluster: Cluster) -> None:
    keys = {"S-16": "AuthorizationKey", "S-201": "SecurityCtrlr.BasicAuthPassword"}
    shown = Marked({each: marked() for each in keys}, {each: marked() for each in keys})
    async with stations(cluster, shown.passwords):
        for station_id, key in keys.items():
            await change_password(cluster, station_id, key, shown.new_passwords[station_id])
        await misbehave(cluster, shown)
        for killed in ("postgres", "redis", "gateway-1"):
            cluster.kill(killed)
            await misbehave(cluster, shown)
        for station_id in keys:
            await online(cluster, station_id)
        hashes = await hashes_in(cluster.database_url)
    forbidden = shown.spellings() | hashes | secrets_of_processes(cluster) | {cluster.api_key}
    logs = {path.name: path.read_text(errors="replace") for path in cluster.data.glob("logs/*")}
    logs["up"] = cluster.messages()
    found = {(name, each) for name, text in logs.items() for each in forbidden if each in text}
    assert found == set()
    # They have been written, by those that were shown these secrets.
    assert "S-16" in logs["gateway-1.log"] + logs["gateway-2.log"]
    assert len(logs) >= 7
    assert len(hashes) == 2
