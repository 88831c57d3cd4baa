"""Firmware updates and logs through a real pod: what is asked, answered and told afterwards."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from shared.bus.client import open_redis
from shared.domain import commands
from shared.domain.commands import CommandState, LogType
from shared.domain.upkeep.firmware import (
    FirmwareStatusReported,
    FirmwareUpdate,
    FirmwareUpdateAnswered,
)
from shared.domain.upkeep.logs import LogRequest
from shared.domain.upkeep.progress import TransferState
from shared.settings import ServiceSettings
from shared.store import facts
from shared.store.pool import Database
from shared.store.upkeep import firmware, logs
from tests.integration.gateway.conftest import Pod
from tests.support.asking import ask, outcome
from tests.support.ocpp201 import booted_station
from tests.support.stations import StationClient, register, station_client

NOW = "2026-01-02T03:04:05Z"
URL = "https://files.example.com/cs.bin"
SIGNED = {"signing_certificate": "PEM", "signature": "c2ln"}


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with station_client(gateway.url) as client:
        await client.boot()
        yield client


async def tell(station: StationClient, action: str, **payload: Any) -> None:
    frame = await station.call(action, payload)
    assert frame[0] == 3
    assert frame[2] == {}


async def updates(db: Database) -> list[FirmwareUpdate]:
    return await firmware.list_before(db, station_id="CP-1", before=None, limit=10)


async def requests(db: Database) -> list[LogRequest]:
    return await logs.list_before(db, station_id="CP-1", before=None, limit=10)


async def history(db: Database, update: FirmwareUpdate) -> list[str]:
    steps = await firmware.list_statuses(db, update.firmware_update_id)
    return [step.status for step in steps]


async def test_plain_firmware_is_asked_for_and_followed_to_its_end(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command_id = await ask(
        db, redis, commands.UpdateFirmware(location=URL, retrieve_at=NOW, retries=3)
    )
    assert await station.receive() == [
        2, command_id, "UpdateFirmware", {"location": URL, "retrieveDate": NOW, "retries": 3}
    ]  # fmt: skip
    await station.send([3, command_id, {}])
    assert (await outcome(db, command_id)).state is CommandState.ANSWERED
    (update,) = await updates(db)
    assert (update.command_id, update.location, update.retries) == (command_id, URL, 3)
    assert update.state is TransferState.ACCEPTED
    for status in ("Downloading", "Downloading", "Downloaded", "Installing"):
        await tell(station, "FirmwareStatusNotification", status=status)
    (update,) = await updates(db)
    assert (update.state, update.status) == (TransferState.IN_PROGRESS, "Installing")
    await tell(station, "FirmwareStatusNotification", status="Installed")
    await tell(station, "FirmwareStatusNotification", status="Idle")
    (update,) = await updates(db)
    assert (update.state, update.status) == (TransferState.SUCCEEDED, "Installed")
    assert await history(db, update) == [
        "Downloading", "Downloaded", "Installing", "Installed", "Idle"
    ]  # fmt: skip


async def test_signed_firmware_is_followed_by_its_request_id(
    db: Database, redis: Redis, station: StationClient
) -> None:
    ids = []
    for request_id in (41, 42):
        ids.append(
            await ask(
                db,
                redis,
                commands.UpdateFirmware(
                    location=URL,
                    retrieve_at=NOW,
                    install_at="2026-01-03T00:00:00Z",
                    request_id=request_id,
                    **SIGNED,
                ),
            )
        )
        frame = await station.receive()
        assert frame[2:] == [
            "SignedUpdateFirmware",
            {
                "requestId": request_id,
                "firmware": {
                    "location": URL,
                    "retrieveDateTime": NOW,
                    "installDateTime": "2026-01-03T00:00:00Z",
                    "signingCertificate": "PEM",
                    "signature": "c2ln",
                },
            },
        ]
        await station.send([3, ids[-1], {"status": "Accepted"}])
        await outcome(db, ids[-1])
    # Of the older one, though the newer one is known.
    await tell(station, "SignedFirmwareStatusNotification", status="InvalidSignature", requestId=41)
    newer, older = await updates(db)
    assert (older.request_id, older.state) == (41, TransferState.FAILED)
    assert (newer.request_id, newer.state) == (42, TransferState.ACCEPTED)


@pytest.mark.parametrize("status", ["Rejected", "InvalidCertificate", "RevokedCertificate"])
async def test_a_station_may_refuse_signed_firmware(
    db: Database, redis: Redis, station: StationClient, status: str
) -> None:
    command_id = await ask(
        db, redis, commands.UpdateFirmware(location=URL, retrieve_at=NOW, **SIGNED)
    )
    await station.receive()
    await station.send([3, command_id, {"status": status}])
    assert (await outcome(db, command_id)).state is CommandState.REJECTED
    (update,) = await updates(db)
    assert (update.state, update.answer_status) == (TransferState.REFUSED, status)


async def test_an_update_that_nobody_asked_for_is_kept_all_the_same(
    db: Database, station: StationClient
) -> None:
    await tell(station, "FirmwareStatusNotification", status="Idle")
    assert await updates(db) == []
    await tell(station, "FirmwareStatusNotification", status="Downloading")
    await tell(station, "FirmwareStatusNotification", status="Installed")
    await tell(station, "FirmwareStatusNotification", status="Downloading")
    newer, older = await updates(db)
    assert (older.state, older.location, older.command_id) == (TransferState.SUCCEEDED, None, None)
    assert newer.state is TransferState.IN_PROGRESS


async def test_a_raw_call_is_kept_like_a_command(
    db: Database, redis: Redis, station: StationClient
) -> None:
    payload = {"requestId": 7, "firmware": {"location": URL, "retrieveDateTime": NOW,
               "signingCertificate": "PEM", "signature": "c2ln"}}  # fmt: skip
    call = commands.Call(action="SignedUpdateFirmware", payload=payload)
    command_id = await ask(db, redis, call)
    await station.receive()
    # Its progress may be faster than its answer is kept.
    await tell(station, "SignedFirmwareStatusNotification", status="Downloading", requestId=7)
    await station.send([3, command_id, {"status": "Accepted"}])
    await outcome(db, command_id)
    (update,) = await updates(db)
    assert (update.request_id, update.command_id) == (7, command_id)
    assert (update.answer_status, update.status) == ("Accepted", "Downloading")


async def test_the_name_of_the_diagnostics_is_kept(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command = commands.GetLog(
        log_type=LogType.DIAGNOSTICS_LOG, location=URL, since=NOW, retry_interval_s=60
    )
    command_id = await ask(db, redis, command)
    assert (await station.receive())[2:] == [
        "GetDiagnostics", {"location": URL, "startTime": NOW, "retryInterval": 60}
    ]  # fmt: skip
    await station.send([3, command_id, {"fileName": "diag.zip"}])
    await outcome(db, command_id)
    (request,) = await requests(db)
    assert (request.file_name, request.state) == ("diag.zip", TransferState.ACCEPTED)
    await tell(station, "DiagnosticsStatusNotification", status="Uploading")
    await tell(station, "DiagnosticsStatusNotification", status="UploadFailed")
    (request,) = await requests(db)
    assert (request.state, request.status) == (TransferState.FAILED, "UploadFailure")
    await tell(station, "DiagnosticsStatusNotification", status="Uploaded")
    (request,) = await requests(db)
    assert request.state is TransferState.SUCCEEDED


async def test_a_station_without_diagnostics_has_refused(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command_id = await ask(
        db, redis, commands.GetLog(log_type=LogType.DIAGNOSTICS_LOG, location=URL)
    )
    await station.receive()
    await station.send([3, command_id, {}])
    await outcome(db, command_id)
    (request,) = await requests(db)
    assert (request.file_name, request.state) == (None, TransferState.REFUSED)


async def test_the_security_log_has_its_own_message(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command = commands.GetLog(log_type=LogType.SECURITY_LOG, location=URL, request_id=9, until=NOW)
    command_id = await ask(db, redis, command)
    assert (await station.receive())[2:] == [
        "GetLog",
        {
            "logType": "SecurityLog",
            "requestId": 9,
            "log": {"remoteLocation": URL, "latestTimestamp": NOW},
        },
    ]
    await station.send([3, command_id, {"status": "Accepted", "filename": "security.log"}])
    await outcome(db, command_id)
    await tell(station, "LogStatusNotification", status="Uploading", requestId=9)
    await tell(station, "LogStatusNotification", status="PermissionDenied", requestId=9)
    (request,) = await requests(db)
    assert (request.state, request.file_name) == (TransferState.FAILED, "security.log")
    steps = await logs.list_statuses(db, request.log_request_id)
    assert [step.status for step in steps] == ["Uploading", "PermissionDenied"]


async def test_other_stations_with_the_same_request_id_are_not_mixed_up(
    db: Database, gateway: Pod, station: StationClient
) -> None:
    await register(db, "CP-2")
    async with station_client(gateway.url, "CP-2") as other:
        await other.boot()
        await tell(other, "SignedFirmwareStatusNotification", status="Installed", requestId=1)
        await tell(station, "SignedFirmwareStatusNotification", status="Downloading", requestId=1)
    (update,) = await updates(db)
    assert update.status == "Downloading"


async def test_a_station_of_2_0_1_is_followed_the_same_way(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db)
    async with booted_station(gateway.url) as station:
        update_id = await ask(
            db, redis, commands.UpdateFirmware(location=URL, retrieve_at=NOW, request_id=3)
        )
        assert (await station.receive())[2:] == [
            "UpdateFirmware",
            {"requestId": 3, "firmware": {"location": URL, "retrieveDateTime": NOW}},
        ]
        await station.send([3, update_id, {"status": "Accepted"}])
        await outcome(db, update_id)
        await tell(station, "FirmwareStatusNotification", status="InstallRebooting", requestId=3)
        log_id = await ask(
            db,
            redis,
            commands.GetLog(log_type=LogType.DIAGNOSTICS_LOG, location=URL, request_id=4),
        )
        assert (await station.receive())[2:] == [
            "GetLog",
            {"logType": "DiagnosticsLog", "requestId": 4, "log": {"remoteLocation": URL}},
        ]
        await station.send([3, log_id, {"status": "AcceptedCanceled", "filename": "a.log"}])
        await outcome(db, log_id)
        await tell(station, "LogStatusNotification", status="Uploaded", requestId=4)
    (update,) = await updates(db)
    assert (update.state, update.status) == (TransferState.IN_PROGRESS, "InstallRebooting")
    (request,) = await requests(db)
    assert (request.state, request.file_name) == (TransferState.SUCCEEDED, "a.log")


async def test_a_batch_that_is_written_again_changes_nothing(db: Database) -> None:
    await register(db)
    at = datetime(2026, 1, 2, tzinfo=UTC)
    batch: list[facts.Fact] = [
        FirmwareUpdateAnswered(
            station_id="CP-1",
            command_id=str(UUID(int=number)),
            request_id=request_id,
            location=URL,
            retrieve_at=at,
            install_at=None,
            retries=None,
            retry_interval_s=None,
            signing_certificate=None,
            signature=None,
            answer_status="Accepted",
        )
        for number, request_id in ((1, None), (2, 70))
    ]
    batch += [
        FirmwareStatusReported(
            station_id="CP-1",
            request_id=request_id,
            status=status,
            reported_at=at + timedelta(seconds=second),
        )
        for second, (status, request_id) in enumerate(
            [("Downloading", 70), ("Downloaded", None), ("DownloadFailed", 71), ("Installed", 70)]
        )
    ]
    await facts.write(db, batch)
    first = await updates(db)
    assert {(update.request_id, update.status) for update in first if update.request_id >= 70} == {
        (70, "Installed"),
        (71, "DownloadFailed"),
    }
    assert len(first) == 3
    await facts.write(db, batch)
    assert await updates(db) == first
    assert [len(await history(db, update)) for update in first] == [
        {70: 3, 71: 1}.get(update.request_id, 0) for update in first
    ]
