"""How deviations from OCPP are counted and listed, and what cannot be mended is refused."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.bus.client import open_redis
from shared.domain import commands
from shared.domain.commands import CommandState
from shared.domain.stations.quirks import Quirk
from shared.settings import ServiceSettings
from shared.store.pool import Database
from shared.store.stations import quirks
from shared.store.stations.quirks import QuirkFilter
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.asking import ask, outcome
from tests.support.eventually import eventually
from tests.support.long_charges import MAX_BYTES, end_16
from tests.support.ocpp201 import tell
from tests.support.stations import register, station_client

BOOT = {"chargePointVendor": "Odd", "chargePointModel": "M-1", "firmwareVersion": "1.0"}


async def listed(db: Database, **words: Any) -> list[Quirk]:
    return await quirks.list_after(db, after=None, limit=100, found=QuirkFilter(**words))


@pytest.fixture
async def gateway(start_pod: StartPod) -> AsyncIterator[Pod]:
    async with start_pod(quirks_interval_s=0.05) as running:
        yield running


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


async def test_quirks_are_counted_per_firmware(db: Database, gateway: Pod) -> None:
    for number, firmware in enumerate(("1.0", "1.0", "2.0")):
        station_id = await register(db, f"CP-{number}")
        async with station_client(gateway.url, station_id) as station:
            await tell(station, "BootNotification", {**BOOT, "firmwareVersion": firmware})
            for _ in range(2):
                await tell(station, "Heartbeat", {"uptime": 5})

    async def counts() -> dict[str, int]:
        found = await listed(db, vendor="Odd", model="M-1")
        return {quirk.firmware_version: quirk.count for quirk in found}

    await eventually(counts, lambda found: found == {"1.0": 4, "2.0": 2})
    (quirk,) = await listed(db, firmware_version="2.0")
    assert (quirk.action, quirk.kind, quirk.example) == ("Heartbeat", "additional_member", "uptime")
    assert quirk.first_seen_at <= quirk.last_seen_at
    assert await listed(db, vendor="Even") == []


async def test_messages_in_a_row_before_their_answers_are_a_quirk(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.send([2, "a", "BootNotification", BOOT])
        await station.send([2, "b", "Heartbeat", []])
        assert [(await station.receive())[:2] for _ in range(2)] == [[3, "a"], [3, "b"]]
        found = await eventually(lambda: listed(db), lambda found: len(found) == 2)
    assert {quirk.kind for quirk in found} == {"call_before_answer", "frame_form"}


async def test_messages_before_the_acceptance_are_a_quirk_and_refused(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        assert (await station.call("Heartbeat", {}))[2] == "SecurityError"
        (quirk,) = await eventually(lambda: listed(db), bool)
    assert (quirk.kind, quirk.vendor, quirk.last_station_id) == (
        "call_before_acceptance",
        "",
        "CP-1",
    )


async def test_what_cannot_be_mended_is_refused_and_listed(db: Database, gateway: Pod) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await tell(station, "BootNotification", BOOT)
        start = {"connectorId": 1, "idTag": "TAG", "timestamp": "2026-01-02T03:00:00Z"}
        answer = await station.call("StartTransaction", start)  # at which register?
        assert answer[2] == "OccurenceConstraintViolation"
        (quirk,) = await eventually(lambda: listed(db), bool)
    assert (quirk.kind, quirk.action) == ("refused", "StartTransaction")
    assert await db.fetchval("SELECT count(*) FROM sessions") == 0


async def test_an_answer_is_mended_like_a_message_and_kept_as_it_came(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await tell(station, "BootNotification", BOOT)
        command_id = await ask(db, redis, commands.ClearCache())
        await station.receive()
        await station.send([3, command_id, {"status": "accepted"}])
        record = await outcome(db, command_id)
        assert (record.state, record.status) == (CommandState.ACCEPTED, "Accepted")
        assert record.response == {"status": "accepted"}
        (quirk,) = await eventually(lambda: listed(db), bool)
    assert (quirk.action, quirk.kind) == ("ClearCacheResponse", "wrong_case")


async def test_a_strict_gateway_refuses_what_it_could_mend(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(tolerate_deviations=False) as gateway,
        station_client(gateway.url) as station,
    ):
        await tell(station, "BootNotification", BOOT)
        assert (await station.call("Heartbeat", {"uptime": 5}))[2] == "FormationViolation"


async def test_a_flood_of_made_up_quirks_is_bounded(db: Database, start_pod: StartPod) -> None:
    await register(db)
    async with start_pod(quirks_interval_s=0.05, max_pending_quirks=5) as gateway:
        async with station_client(gateway.url) as station:
            await tell(station, "BootNotification", BOOT)
            for number in range(200):
                await station.call("DataTransfer", {"vendorId": "V", f"x{number}": number})
        found = await eventually(lambda: listed(db), lambda found: found and found[0].count == 200)
    assert len(found) == 1


def _as_a_station_might_say_it(sample: dict[str, Any]) -> None:
    sample |= {"value": float(sample["value"]), "measurand": sample["measurand"].lower(), "x": None}


async def test_all_samples_of_a_long_charge_that_all_deviate_are_kept(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await tell(station, "BootNotification", BOOT)
        start = {"connectorId": 1, "idTag": "TAG", "meterStart": 100}
        started = await tell(
            station, "StartTransaction", {**start, "timestamp": "2026-01-02T03:00:00Z"}
        )
        end = end_16(_as_a_station_might_say_it, MAX_BYTES - 200)
        await tell(station, "StopTransaction", {**end, "transactionId": started["transactionId"]})
        found = await eventually(lambda: listed(db), bool)
    minutes = len(end["transactionData"])
    assert minutes > 300
    rows = await db.fetch("SELECT jsonb_array_length(samples) AS samples FROM meter_values")
    assert [row["samples"] for row in rows] == [10] * minutes
    assert {(quirk.action, quirk.kind, quirk.count) for quirk in found} == {
        ("StopTransaction", kind, 1)
        for kind in ("text_as_number", "wrong_case", "additional_member")
    }
