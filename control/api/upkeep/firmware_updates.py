"""Firmware updates: asking a station for one, and how far it is."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response, status

from control import problems
from control.api.commands.commands import IdempotencyKey
from control.api.types import Since, StationId, Until
from control.api.upkeep.firmware_updates_schemas import (
    FirmwareUpdate,
    FirmwareUpdateCreate,
    FirmwareUpdateDetails,
)
from control.api.upkeep.transfers_schemas import (
    LOCATION_MAX_LENGTH,
    format_optional_time,
    format_time,
)
from control.errors import InvalidFieldError
from control.files.locations import LocationError
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import Services, ServicesDep
from shared.domain.commands import UpdateFirmware
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError
from shared.store.stations import stations
from shared.store.upkeep import files, firmware

router = APIRouter(prefix="/v1", tags=["firmware updates"])

_RESOURCE = "firmware-updates"


@router.post(
    "/stations/{station_id}/firmware-updates",
    status_code=status.HTTP_202_ACCEPTED,
    responses=problems.responses(
        NotFoundCode.FILE,
        NotFoundCode.STATION,
        ConflictCode.FILE_NOT_FIRMWARE,
        ConflictCode.FILE_URL_TOO_LONG,
        ConflictCode.FILE_URLS_NOT_SET_UP,
        ConflictCode.IDEMPOTENCY_KEY_REUSED,
        problems.STATION_OFFLINE,
        problems.COMMAND_QUEUE_FULL,
    ),
)
async def create_firmware_update(
    station_id: StationId,
    body: FirmwareUpdateCreate,
    services: ServicesDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> FirmwareUpdate:
    """Ask a station to update its firmware, from a file that was uploaded here or from elsewhere.

    This answers at once. What the station answers, and how far it is, is told by the update itself;
    the command is at `/v1/commands/{command_id}`. With `signing_certificate` and `signature` the
    station verifies the firmware (OCPP 1.6: SignedUpdateFirmware).
    """
    if idempotency_key is not None:
        first = await firmware.find_repeated(services.db, station_id, idempotency_key)
        if first is not None:
            response.headers["Location"] = f"/v1/firmware-updates/{first.firmware_update_id}"
            return FirmwareUpdate.of(first)
    retrieve_at = body.retrieve_at or datetime.now(UTC)
    location = await _location(services, body, retrieve_at)
    update_id, request_id = await firmware.create(
        services.db,
        station_id=station_id,
        file_id=None if body.file_id is None else str(body.file_id),
        location=location,
        retrieve_at=retrieve_at,
        install_at=body.install_at,
        retries=body.retries,
        retry_interval_s=body.retry_interval_s,
        signing_certificate=body.signing_certificate,
        signature=body.signature,
        idempotency_key=idempotency_key,
    )
    command = UpdateFirmware(
        location=location,
        retrieve_at=format_time(retrieve_at),
        install_at=format_optional_time(body.install_at),
        retries=body.retries,
        retry_interval_s=body.retry_interval_s,
        signing_certificate=body.signing_certificate,
        signature=body.signature,
        request_id=request_id,
    )
    try:
        record = await services.dispatcher.send(
            station_id, command, timeout_s=services.settings.command_timeout_s
        )
    except Exception:
        await firmware.discard(services.db, update_id)
        raise
    await firmware.attach_command(services.db, update_id, record.command_id)
    response.headers["Location"] = f"/v1/firmware-updates/{update_id}"
    return FirmwareUpdate.of(await firmware.get(services.db, update_id))


async def _location(services: Services, body: FirmwareUpdateCreate, retrieve_at: datetime) -> str:
    if body.file_id is not None:
        file = await files.get(services.db, str(body.file_id))
        begins_at = max(retrieve_at, body.install_at or retrieve_at)
        url = services.files.firmware_link(file, retrieve_at=begins_at).url
        if len(url) > LOCATION_MAX_LENGTH:
            raise ConflictError(
                f"our URL would have {len(url)} characters, and OCPP allows {LOCATION_MAX_LENGTH}: "
                "give the file a shorter name, or VOLTARO_PUBLIC_URL a shorter path",
                code=ConflictCode.FILE_URL_TOO_LONG,
            )
        return url
    assert body.location is not None  # noqa: S101 - the schema has seen to it
    try:
        services.files.locations.check(body.location)
    except LocationError as error:
        raise InvalidFieldError("body", "location", str(error)) from error
    return body.location


@router.get(
    "/stations/{station_id}/firmware-updates", responses=problems.responses(NotFoundCode.STATION)
)
async def list_firmware_updates(
    *,
    station_id: StationId,
    services: ServicesDep,
    paging: PagingDep,
    since: Since = None,
    until: Until = None,
    sort: Annotated[
        Literal["firmware_update_id", "-firmware_update_id"], SORT
    ] = "-firmware_update_id",
) -> Page[FirmwareUpdate]:
    """List a station's firmware updates, the newest first: the first tells how the station stands.

    Those that it told of without having been asked by us are among them.
    """
    order = Order.of(_RESOURCE, sort, usual="-firmware_update_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda before, limit: firmware.list_before(
            services.db,
            station_id=station_id,
            before=before,
            limit=limit,
            since=since,
            until=until,
            goes_down=order.goes_down,
        ),
        key_of=lambda row: row.firmware_update_id,
        shown=FirmwareUpdate.of,
        count=lambda up_to: firmware.count(
            services.db, station_id=station_id, up_to=up_to, since=since, until=until
        ),
        owner=lambda: stations.get(services.db, station_id),
    )


@router.get(
    "/firmware-updates/{firmware_update_id}",
    responses=problems.responses(NotFoundCode.FIRMWARE_UPDATE),
)
async def get_firmware_update(
    firmware_update_id: UUID, services: ServicesDep
) -> FirmwareUpdateDetails:
    """Return one firmware update, with every step that the station told."""
    update = await firmware.get(services.db, str(firmware_update_id))
    history = await firmware.list_statuses(services.db, update.firmware_update_id)
    return FirmwareUpdateDetails.with_history(update, history)
