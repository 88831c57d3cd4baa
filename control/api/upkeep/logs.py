"""Logs of stations: asking for one, how far its upload is, and where it can be downloaded."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response, status

from control import problems
from control.api.commands.commands import IdempotencyKey
from control.api.types import Since, StationId, Until
from control.api.upkeep.files_schemas import File
from control.api.upkeep.logs_schemas import Log, LogCreate, LogDetails
from control.api.upkeep.transfers_schemas import format_optional_time
from control.errors import InvalidFieldError
from control.files.locations import LocationError
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import Services, ServicesDep
from shared.domain.commands import GetLog
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.store.stations import stations
from shared.store.upkeep import files, logs

router = APIRouter(prefix="/v1", tags=["logs"])

_RESOURCE = "logs"
# The station's own name of the file comes with the upload, or with its answer.
_NAME = "log"


@router.post(
    "/stations/{station_id}/logs",
    status_code=status.HTTP_202_ACCEPTED,
    responses=problems.responses(
        NotFoundCode.STATION,
        ConflictCode.FILE_STORAGE_NOT_SET_UP,
        ConflictCode.FILE_URLS_NOT_SET_UP,
        ConflictCode.IDEMPOTENCY_KEY_REUSED,
        problems.STATION_OFFLINE,
        problems.COMMAND_QUEUE_FULL,
    ),
)
async def create_log(
    station_id: StationId,
    body: LogCreate,
    services: ServicesDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Log:
    """Ask a station to upload a log, to us unless a location is named.

    This answers at once. What the station answers, and how far its upload is, is told by the log
    itself; once it is uploaded to us, it holds a link to download it.
    """
    if idempotency_key is not None:
        first = await logs.find_repeated(services.db, station_id, idempotency_key)
        if first is not None:
            response.headers["Location"] = f"/v1/logs/{first.log_request_id}"
            return Log.of(first)
    await stations.get(services.db, station_id)  # raises if there is no such station
    file_id, location = await _target(services, station_id, body)
    log_id, request_id = await logs.create(
        services.db,
        station_id=station_id,
        file_id=file_id,
        location=location,
        log_type=body.log_type,
        since=body.since,
        until=body.until,
        retries=body.retries,
        retry_interval_s=body.retry_interval_s,
        idempotency_key=idempotency_key,
    )
    command = GetLog(
        log_type=body.log_type,
        location=location,
        since=format_optional_time(body.since),
        until=format_optional_time(body.until),
        retries=body.retries,
        retry_interval_s=body.retry_interval_s,
        request_id=request_id,
    )
    try:
        record = await services.dispatcher.send(
            station_id, command, timeout_s=services.settings.command_timeout_s
        )
    except Exception:
        await logs.discard(services.db, log_id)
        if file_id is not None:
            await files.mark_removed(services.db, file_id)
        raise
    await logs.attach_command(services.db, log_id, record.command_id)
    response.headers["Location"] = f"/v1/logs/{log_id}"
    return Log.of(await logs.get(services.db, log_id))


async def _target(services: Services, station_id: str, body: LogCreate) -> tuple[str | None, str]:
    if body.location is None:
        file, link = await services.files.log_link(station_id, name=_NAME)
        return file.file_id, link.url
    try:
        services.files.locations.check(body.location)
    except LocationError as error:
        raise InvalidFieldError("body", "location", str(error)) from error
    return None, body.location


@router.get("/stations/{station_id}/logs", responses=problems.responses(NotFoundCode.STATION))
async def list_logs(
    *,
    station_id: StationId,
    services: ServicesDep,
    paging: PagingDep,
    since: Since = None,
    until: Until = None,
    sort: Annotated[Literal["log_request_id", "-log_request_id"], SORT] = "-log_request_id",
) -> Page[Log]:
    """List the logs asked of a station, the newest first."""
    order = Order.of(_RESOURCE, sort, usual="-log_request_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda before, limit: logs.list_before(
            services.db,
            station_id=station_id,
            before=before,
            limit=limit,
            since=since,
            until=until,
            goes_down=order.goes_down,
        ),
        key_of=lambda row: row.log_request_id,
        shown=Log.of,
        count=lambda up_to: logs.count(
            services.db, station_id=station_id, up_to=up_to, since=since, until=until
        ),
        owner=lambda: stations.get(services.db, station_id),
    )


@router.get("/logs/{log_request_id}", responses=problems.responses(NotFoundCode.LOG))
async def get_log(log_request_id: UUID, services: ServicesDep) -> LogDetails:
    """Return one log, with every step that the station told and a link to the file."""
    request = await logs.get(services.db, str(log_request_id))
    history = await logs.list_statuses(services.db, request.log_request_id)
    file = None
    if request.file_id is not None:
        found = await files.get(services.db, request.file_id)
        # A station that brought it without a name told the name before.
        name = request.file_name if found.name == _NAME else None
        file = File.of(found, services.files.operator_link(found, name=name))
    return LogDetails.with_history(request, history, file)
