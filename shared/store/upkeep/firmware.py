"""Firmware updates and how far they are."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from shared.domain.commands import CommandState
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.domain.upkeep.firmware import (
    FIRMWARE_WORDS,
    FirmwareStatusReported,
    FirmwareUpdate,
    FirmwareUpdateAnswered,
)
from shared.domain.upkeep.progress import ReportedStatus
from shared.store.pool import Connection, Database
from shared.store.upkeep import progress, progress_steps
from shared.store.upkeep.progress import Tables

_TABLES = Tables(
    requests="firmware_updates",
    steps="firmware_statuses",
    key="firmware_update_id",
    command="UpdateFirmware",
    words=FIRMWARE_WORDS,
    action="CASE WHEN request.signing_certificate IS NULL THEN 'UpdateFirmware' "
    "ELSE 'SignedUpdateFirmware' END",
    due_at="request.retrieve_at",
    told={
        "action": "text",
        "location": "text",
        "retrieve_at": "timestamptz",
        "install_at": "timestamptz",
        "retries": "integer",
        "retry_interval_s": "integer",
        "signing_certificate": "text",
        "signature": "text",
        "answer_status": "text",
    },
)


def _firmware_update(record: asyncpg.Record) -> FirmwareUpdate:
    state = record["command_state"]
    return FirmwareUpdate(**{**record, "command_state": state and CommandState(state)})


async def write_answers(
    connection: Connection, facts: Sequence[FirmwareUpdateAnswered]
) -> list[None]:
    """Keep what stations answered to requests for an update."""
    return await progress.write_answers(connection, _TABLES, facts)


async def write_statuses(
    connection: Connection, facts: Sequence[FirmwareStatusReported]
) -> list[None]:
    """Keep how far updates are."""
    return await progress_steps.write(connection, _TABLES, facts)


async def create(
    db: Database,
    *,
    station_id: str,
    file_id: str | None,
    location: str,
    retrieve_at: datetime,
    install_at: datetime | None,
    retries: int | None,
    retry_interval_s: int | None,
    signing_certificate: str | None,
    signature: str | None,
    idempotency_key: str | None = None,
) -> tuple[str, int]:
    """Keep an update before the station is asked for it.

    Returns:
        Its id, and the request id to send.

    Raises:
        NotFoundError: there is no such station.
        ConflictError: the idempotency key was used meanwhile.
    """
    record = await progress.create(
        db,
        _TABLES,
        {
            "station_id": station_id,
            "file_id": file_id,
            "location": location,
            "retrieve_at": retrieve_at,
            "install_at": install_at,
            "retries": retries,
            "retry_interval_s": retry_interval_s,
            "idempotency_key": idempotency_key,
            "signing_certificate": signing_certificate,
            "signature": signature,
        },
    )
    return record["key"], record["request_id"]


async def find_repeated(
    db: Database, station_id: str, idempotency_key: str
) -> FirmwareUpdate | None:
    """Return the update that was asked for with this key before, or None if there is none."""
    key = await progress.find_repeated(db, _TABLES, station_id, idempotency_key)
    return None if key is None else await get(db, key)


async def attach_command(db: Database, firmware_update_id: str, command_id: str) -> None:
    """Keep which command carries an update."""
    await progress.attach_command(db, _TABLES, firmware_update_id, command_id)


async def discard(db: Database, firmware_update_id: str) -> None:
    """Forget an update that could not be sent."""
    await progress.discard(db, _TABLES, firmware_update_id)


async def get(db: Database, firmware_update_id: str) -> FirmwareUpdate:
    """Return one update.

    Raises:
        NotFoundError: there is none.
    """
    record = await progress.find(db, _TABLES, firmware_update_id)
    if record is None:
        raise NotFoundError(
            f"there is no firmware update {firmware_update_id}", code=NotFoundCode.FIRMWARE_UPDATE
        )
    return _firmware_update(record)


async def list_before(
    db: Database,
    *,
    station_id: str,
    before: str | None,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    goes_down: bool = True,
) -> list[FirmwareUpdate]:
    """Return up to `limit` updates of a station, the newest first, from behind `before` on."""
    records = await progress.list_before(
        db,
        _TABLES,
        station_id=station_id,
        before=before,
        limit=limit,
        since=since,
        until=until,
        goes_down=goes_down,
    )
    return [_firmware_update(record) for record in records]


async def count(
    db: Database,
    *,
    station_id: str,
    up_to: int,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many updates of a station there are, counting no further than `up_to`."""
    return await progress.count(
        db, _TABLES, station_id=station_id, up_to=up_to, since=since, until=until
    )


async def list_statuses(db: Database, firmware_update_id: str) -> list[ReportedStatus]:
    """Return what the station told of an update, in order."""
    return await progress.list_steps(db, _TABLES, firmware_update_id)
