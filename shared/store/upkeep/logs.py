"""Logs asked of stations and how far their upload is."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from shared.domain.commands import CommandState, LogType
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.domain.upkeep.logs import LOG_WORDS, LogRequest, LogRequestAnswered, LogStatusReported
from shared.domain.upkeep.progress import ReportedStatus
from shared.store.pool import Connection, Database
from shared.store.upkeep import progress, progress_steps
from shared.store.upkeep.progress import Tables

_TABLES = Tables(
    requests="log_requests",
    steps="log_statuses",
    key="log_request_id",
    command="GetLog",
    words=LOG_WORDS,
    action="CASE WHEN request.log_type = 'DiagnosticsLog' THEN 'GetDiagnostics' ELSE 'GetLog' END",
    due_at="NULL::timestamptz",
    told={
        "action": "text",
        "log_type": "text",
        "location": "text",
        "since": "timestamptz",
        "until": "timestamptz",
        "retries": "integer",
        "retry_interval_s": "integer",
        "file_name": "text",
        "answer_status": "text",
    },
)


def _log_request(record: asyncpg.Record) -> LogRequest:
    state, log_type = record["command_state"], record["log_type"]
    return LogRequest(
        **{
            **record,
            "command_state": state and CommandState(state),
            "log_type": log_type and LogType(log_type),
        }
    )


async def write_answers(connection: Connection, facts: Sequence[LogRequestAnswered]) -> list[None]:
    """Keep what stations answered to requests for a log."""
    return await progress.write_answers(connection, _TABLES, facts)


async def write_statuses(connection: Connection, facts: Sequence[LogStatusReported]) -> list[None]:
    """Keep how far uploads are."""
    return await progress_steps.write(connection, _TABLES, facts)


async def create(
    db: Database,
    *,
    station_id: str,
    file_id: str | None,
    location: str,
    log_type: LogType,
    since: datetime | None,
    until: datetime | None,
    retries: int | None,
    retry_interval_s: int | None,
    idempotency_key: str | None = None,
) -> tuple[str, int]:
    """Keep a request before the station is asked.

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
            "log_type": log_type,
            "since": since,
            "until": until,
            "retries": retries,
            "retry_interval_s": retry_interval_s,
            "idempotency_key": idempotency_key,
        },
    )
    return record["key"], record["request_id"]


async def find_repeated(db: Database, station_id: str, idempotency_key: str) -> LogRequest | None:
    """Return the request that was asked for with this key before, or None if there is none."""
    key = await progress.find_repeated(db, _TABLES, station_id, idempotency_key)
    return None if key is None else await get(db, key)


async def attach_command(db: Database, log_request_id: str, command_id: str) -> None:
    """Keep which command carries a request."""
    await progress.attach_command(db, _TABLES, log_request_id, command_id)


async def discard(db: Database, log_request_id: str) -> None:
    """Forget a request that could not be sent."""
    await progress.discard(db, _TABLES, log_request_id)


async def get(db: Database, log_request_id: str) -> LogRequest:
    """Return one request.

    Raises:
        NotFoundError: there is none.
    """
    record = await progress.find(db, _TABLES, log_request_id)
    if record is None:
        raise NotFoundError(f"there is no log request {log_request_id}", code=NotFoundCode.LOG)
    return _log_request(record)


async def list_before(
    db: Database,
    *,
    station_id: str,
    before: str | None,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    goes_down: bool = True,
) -> list[LogRequest]:
    """Return up to `limit` requests to a station, the newest first, from behind `before` on."""
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
    return [_log_request(record) for record in records]


async def count(
    db: Database,
    *,
    station_id: str,
    up_to: int,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many requests to a station there are, counting no further than `up_to`."""
    return await progress.count(
        db, _TABLES, station_id=station_id, up_to=up_to, since=since, until=until
    )


async def list_statuses(db: Database, log_request_id: str) -> list[ReportedStatus]:
    """Return what the station told of an upload, in order."""
    return await progress.list_steps(db, _TABLES, log_request_id)
