"""What a station tells of a request that it does not name: never told of another one."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.bus.client import open_redis
from shared.domain import commands
from shared.domain.commands import CommandState, LogType
from shared.domain.upkeep.firmware import FirmwareStatusReported
from shared.domain.upkeep.logs import LogRequest, LogStatusReported
from shared.domain.upkeep.progress import TransferState
from shared.settings import ServiceSettings
from shared.store import facts
from shared.store.pool import Database
from shared.store.upkeep import firmware, logs
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.asking import ask, outcome
from tests.support.ocpp201 import booted_station
from tests.support.stations import StationClient, register, station_client

NOW = "2026-01-02T03:04:05Z"
URL = "https://files.example.com/cs.bin"
DIAGNOSTICS = commands.GetLog(log_type=LogType.DIAGNOSTICS_LOG, location=URL)
FIRMWARE = commands.UpdateFirmware(location=URL, retrieve_at=NOW)
SIGNED = commands.UpdateFirmware(
    location=URL, retrieve_at=NOW, signing_certificate="PEM", signature="c2ln", request_id=41
)
FILE = {"fileName": "diag.zip"}


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
    assert (frame[0], frame[2]) == (3, {})


async def asked(
    db: Database,
    redis: Redis,
    station: StationClient,
    command: commands.Command,
    *answer: Any,
) -> None:
    """Ask a station something, which it answers so: with a type and what follows the message id."""
    command_id = await ask(db, redis, command)
    await station.receive()
    if answer:
        await station.send([answer[0], command_id, *answer[1:]])
    await outcome(db, command_id)


async def log_states(db: Database) -> list[TransferState]:
    """Return how the logs stand, the first one first."""
    found = await logs.list_before(db, station_id="CP-1", before=None, limit=10)
    return [request.state for request in reversed(found)]


async def update_states(db: Database) -> list[TransferState]:
    found = await firmware.list_before(db, station_id="CP-1", before=None, limit=10)
    return [update.state for update in reversed(found)]


async def history(db: Database, request: LogRequest) -> list[tuple[str, bool]]:
    steps = await logs.list_statuses(db, request.log_request_id)
    return [(step.status, step.ambiguous) for step in steps]


async def test_what_was_refused_makes_no_progress(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await asked(db, redis, station, DIAGNOSTICS, 3, FILE)
    await asked(db, redis, station, DIAGNOSTICS, 3, {})
    await tell(station, "DiagnosticsStatusNotification", status="Uploading")
    assert await log_states(db) == [TransferState.IN_PROGRESS, TransferState.REFUSED]
    _, request_id = await logs.create(
        db,
        station_id="CP-1",
        file_id=None,
        location=URL,
        log_type=LogType.DIAGNOSTICS_LOG,
        since=None,
        until=None,
        retries=None,
        retry_interval_s=None,
    )
    refused = commands.GetLog(log_type=LogType.DIAGNOSTICS_LOG, location=URL, request_id=request_id)
    await asked(db, redis, station, refused, 4, "NotSupported", "", {})
    await tell(station, "DiagnosticsStatusNotification", status="Uploaded")
    assert (await log_states(db))[0] is TransferState.SUCCEEDED
    (newest, *_) = await logs.list_before(db, station_id="CP-1", before=None, limit=10)
    assert (newest.request_id, newest.status) == (request_id, None)


async def test_what_was_not_answered_makes_no_progress_while_something_was_accepted(
    db: Database, redis: Redis, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod(call_timeout_s=0.3) as pod, station_client(pod.url) as station:
        await station.boot()
        ids = []
        for answer in ((3, {}), ()):
            key, request_id = await firmware.create(
                db,
                station_id="CP-1",
                file_id=None,
                location=URL,
                retrieve_at=datetime.now(UTC),
                install_at=None,
                retries=None,
                retry_interval_s=None,
                signing_certificate=None,
                signature=None,
            )
            command = commands.UpdateFirmware(location=URL, retrieve_at=NOW, request_id=request_id)
            command_id = await ask(db, redis, command)
            await firmware.attach_command(db, key, command_id)
            await station.receive()
            if answer:
                await station.send([answer[0], command_id, *answer[1:]])
            await outcome(db, command_id)
            ids.append(key)
        assert await update_states(db) == [TransferState.ACCEPTED, TransferState.UNANSWERED]
        await tell(station, "FirmwareStatusNotification", status="Downloading")
        await tell(station, "FirmwareStatusNotification", status="Installed")
        assert await update_states(db) == [TransferState.SUCCEEDED, TransferState.UNANSWERED]
        # And now it can only be the other one, which it has understood after all.
        await tell(station, "FirmwareStatusNotification", status="Downloading")
    assert await update_states(db) == [TransferState.SUCCEEDED, TransferState.IN_PROGRESS]


async def test_diagnostics_and_the_logs_of_the_whitepaper_are_told_apart(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await asked(db, redis, station, DIAGNOSTICS, 3, FILE)
    raw = {"logType": "DiagnosticsLog", "requestId": 9, "log": {"remoteLocation": URL}}
    get_log = commands.Call(action="GetLog", payload=raw)
    await asked(db, redis, station, get_log, 3, {"status": "Accepted", "filename": "a.log"})
    await tell(station, "LogStatusNotification", status="Uploading")
    await tell(station, "DiagnosticsStatusNotification", status="UploadFailed")
    assert await log_states(db) == [TransferState.FAILED, TransferState.IN_PROGRESS]
    await tell(station, "DiagnosticsStatusNotification", status="Uploaded")
    await tell(station, "LogStatusNotification", status="PermissionDenied", requestId=-1)
    await tell(station, "LogStatusNotification", status="Idle")
    assert await log_states(db) == [TransferState.SUCCEEDED, TransferState.FAILED]
    newer, older = await logs.list_before(db, station_id="CP-1", before=None, limit=10)
    assert await history(db, newer) == [
        ("Uploading", False), ("PermissionDenied", False), ("Idle", False)
    ]  # fmt: skip
    assert await history(db, older) == [("UploadFailure", False), ("Uploaded", False)]


async def test_plain_and_signed_updates_are_told_apart(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await asked(db, redis, station, FIRMWARE, 3, {})
    await asked(db, redis, station, SIGNED, 3, {"status": "Accepted"})
    (_, plain) = await firmware.list_before(db, station_id="CP-1", before=None, limit=10)
    await tell(station, "FirmwareStatusNotification", status="Downloading")
    assert await update_states(db) == [TransferState.IN_PROGRESS, TransferState.ACCEPTED]
    # The id that only we know of the plain one is no name for it.
    await tell(
        station,
        "SignedFirmwareStatusNotification",
        status="InvalidSignature",
        requestId=plain.request_id,
    )
    assert await update_states(db) == [TransferState.IN_PROGRESS, TransferState.FAILED]
    await tell(station, "FirmwareStatusNotification", status="Installed")
    assert await update_states(db) == [TransferState.SUCCEEDED, TransferState.FAILED]


async def test_what_can_be_of_two_requests_is_told_of_both_as_ambiguous(
    db: Database, redis: Redis, station: StationClient
) -> None:
    for _ in range(2):
        await asked(db, redis, station, DIAGNOSTICS, 3, FILE)
    await tell(station, "DiagnosticsStatusNotification", status="Uploading")
    assert await log_states(db) == [TransferState.AMBIGUOUS] * 2
    await tell(station, "DiagnosticsStatusNotification", status="Uploaded")
    assert await log_states(db) == [TransferState.AMBIGUOUS] * 2
    requests = await logs.list_before(db, station_id="CP-1", before=None, limit=10)
    for request in requests:
        assert request.status == "Uploaded"
        assert await history(db, request) == [("Uploading", True), ("Uploaded", True)]
    await asked(db, redis, station, DIAGNOSTICS, 3, FILE)
    await tell(station, "DiagnosticsStatusNotification", status="Uploading")
    assert await log_states(db) == [*[TransferState.AMBIGUOUS] * 2, TransferState.IN_PROGRESS]


async def test_a_late_word_of_the_earlier_update_is_not_of_the_later_one(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await asked(db, redis, station, FIRMWARE, 3, {})
    await tell(station, "FirmwareStatusNotification", status="Installing")
    await asked(db, redis, station, FIRMWARE, 3, {})
    await tell(station, "FirmwareStatusNotification", status="Installed")
    assert await update_states(db) == [TransferState.SUCCEEDED, TransferState.ACCEPTED]
    await tell(station, "FirmwareStatusNotification", status="Downloading")
    await tell(station, "FirmwareStatusNotification", status="Idle")
    assert await update_states(db) == [TransferState.SUCCEEDED, TransferState.IN_PROGRESS]


async def test_idle_is_of_no_request_of_another_message(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await asked(db, redis, station, DIAGNOSTICS, 3, FILE)
    await tell(station, "LogStatusNotification", status="Idle")
    (request,) = await logs.list_before(db, station_id="CP-1", before=None, limit=10)
    assert await history(db, request) == []


@pytest.mark.parametrize("unnamed", [{}, {"requestId": -1}])
async def test_2_0_1_without_a_request_id(
    db: Database, redis: Redis, gateway: Pod, unnamed: dict[str, int]
) -> None:
    await register(db)
    async with booted_station(gateway.url) as station:
        for request_id, answer in ((3, "Accepted"), (4, "Rejected")):
            command = commands.UpdateFirmware(location=URL, retrieve_at=NOW, request_id=request_id)
            await asked(db, redis, station, command, 3, {"status": answer})
        await tell(station, "FirmwareStatusNotification", status="Downloading", **unnamed)
        await tell(station, "FirmwareStatusNotification", status="Idle", **unnamed)
        assert await update_states(db) == [TransferState.IN_PROGRESS, TransferState.REFUSED]
        # The second one ends the first, which says so.
        for request_id, answer in ((5, "Accepted"), (6, "AcceptedCanceled")):
            await asked(
                db,
                redis,
                station,
                commands.GetLog(log_type=LogType.SECURITY_LOG, location=URL, request_id=request_id),
                3,
                {"status": answer, "filename": "a.log"},
            )
        await tell(station, "LogStatusNotification", status="AcceptedCanceled", **unnamed)
        await tell(station, "LogStatusNotification", status="Uploading", **unnamed)
        await tell(station, "LogStatusNotification", status="Uploaded", **unnamed)
        # Whoever names a request is believed, also late.
        await tell(station, "LogStatusNotification", status="UploadFailure", requestId=5)
    assert await log_states(db) == [TransferState.FAILED, TransferState.SUCCEEDED]


async def test_a_request_whose_command_is_not_attached_yet_is_found(
    db: Database, redis: Redis, station: StationClient
) -> None:
    _, request_id = await logs.create(
        db,
        station_id="CP-1",
        file_id=None,
        location=URL,
        log_type=LogType.DIAGNOSTICS_LOG,
        since=None,
        until=None,
        retries=None,
        retry_interval_s=None,
    )
    command_id = await ask(
        db,
        redis,
        commands.GetLog(log_type=LogType.DIAGNOSTICS_LOG, location=URL, request_id=request_id),
    )
    await station.receive()
    # Faster than its own answer.
    await tell(station, "DiagnosticsStatusNotification", status="Uploading")
    await station.send([3, command_id, FILE])
    assert (await outcome(db, command_id)).state is CommandState.ANSWERED
    assert await log_states(db) == [TransferState.IN_PROGRESS]


async def test_unnamed_progress_that_is_written_again_changes_nothing(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await asked(db, redis, station, FIRMWARE, 3, {})
    await asked(db, redis, station, FIRMWARE, 3, {})
    await asked(db, redis, station, DIAGNOSTICS, 3, FILE)
    at = datetime.now(UTC)
    batch: list[facts.Fact] = [
        FirmwareStatusReported(
            station_id="CP-1",
            request_id=None,
            action="UpdateFirmware",
            status=status,
            reported_at=at + timedelta(seconds=second),
        )
        for second, status in enumerate(("Downloading", "Downloaded", "Installed"))
    ]
    batch += [
        LogStatusReported(
            station_id="CP-1",
            request_id=None,
            action="GetDiagnostics",
            status=status,
            reported_at=at + timedelta(seconds=second),
        )
        for second, status in enumerate(("Uploading", "Uploaded", "Uploading"))
    ]

    async def everything() -> list[Any]:
        return [
            await db.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")  # noqa: S608 - our own tables
            for table in ("firmware_updates", "firmware_statuses", "log_requests", "log_statuses")
        ]

    await facts.write(db, batch)
    first = await everything()
    assert await update_states(db) == [TransferState.AMBIGUOUS] * 2
    # What was told after the end is of an upload that nobody asked for.
    assert await log_states(db) == [TransferState.SUCCEEDED, TransferState.IN_PROGRESS]
    for part in (batch, batch[:2], batch[4:]):
        await facts.write(db, part)
        assert await everything() == first
