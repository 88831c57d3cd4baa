"""Reservations: an EVSE kept free for one driver."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Path, Query, Request, Response

from control import problems
from control.api.charging.reservations_schemas import Reservation, ReservationCreate
from control.api.commands.commands import IdempotencyKey
from control.api.types import Since, StationId, Until
from control.api.waiting import WAIT_MAX_S, Waiting
from control.disconnect import unless_disconnected
from control.errors import InvalidFieldError
from control.paging import SORT, Order, Page, PagingDep, numbers
from control.services import Services, ServicesDep
from shared.domain.charging.reservations import ReservationState
from shared.domain.commands import CancelReservation, Command, CommandRecord, ReserveNow
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, VoltaroError
from shared.store.charging import reservations
from shared.store.judgement import is_away
from shared.store.stations import stations
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

router = APIRouter(prefix="/v1/stations/{station_id}/reservations", tags=["reservations"])

_RESOURCE = "reservations"
_INT32_MAX = 2_147_483_647

ReservationId = Annotated[int, Path(ge=-_INT32_MAX - 1, le=_INT32_MAX)]

_NOT_YET: dict[int | str, dict[str, Any]] = {
    HTTPStatus.ACCEPTED: {
        "model": Reservation,
        "description": "The wait ended before the station answered; see the header Location",
    }
}


@router.post(
    "",
    responses={
        **_NOT_YET,
        **problems.responses(
            NotFoundCode.STATION,
            ConflictCode.IDEMPOTENCY_KEY_REUSED,
            ConflictCode.RESERVATION_IDS_EXHAUSTED,
            problems.STATION_OFFLINE,
            problems.COMMAND_QUEUE_FULL,
        ),
    },
)
async def create_reservation(
    *,
    station_id: StationId,
    body: ReservationCreate,
    services: ServicesDep,
    request: Request,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Reservation:
    """Ask a station to keep an EVSE free, and answer with what it said.

    200 when it has answered: `state` tells a yes from a no. 202 when the wait ended first. A
    station that is offline is a 409 and keeps no reservation.
    """
    asked = body.to_request()
    if asked.expires_at <= datetime.now(UTC):
        raise InvalidFieldError("body", "expires_at", "this time is over already")
    reservation_id, new = await reservations.create(
        services.db, station_id=station_id, request=asked, idempotency_key=idempotency_key
    )
    command = ReserveNow(
        reservation_id=reservation_id,
        expiry_date_time=asked.expires_at.isoformat().replace("+00:00", "Z"),
        id_token=asked.id_token,
        id_token_type=asked.id_token_type,
        group_id_token=asked.group_id_token,
        evse_id=asked.evse_id,
        connector_type=asked.connector_type,
    )
    try:
        record = await _send(services, station_id, command, body, idempotency_key)
    except VoltaroError:
        if new:
            await reservations.withdraw(
                services.db, station_id=station_id, reservation_id=reservation_id
            )
        raise
    await reservations.attach_command(
        services.db,
        station_id=station_id,
        reservation_id=reservation_id,
        command_id=record.command_id,
    )
    await _answer(services, record, body, request, response)
    response.headers["Location"] = (
        f"/v1/stations/{quote(station_id, safe='')}/reservations/{reservation_id}"
    )
    return await _get(services, station_id, reservation_id)


@router.get("", responses=problems.responses(NotFoundCode.STATION))
async def list_reservations(
    *,
    station_id: StationId,
    services: ServicesDep,
    paging: PagingDep,
    state: Annotated[ReservationState | None, Query(description="only those in it")] = None,
    since: Since = None,
    until: Until = None,
    sort: Annotated[Literal["reservation_id", "-reservation_id"], SORT] = "-reservation_id",
) -> Page[Reservation]:
    """List a station's reservations, the highest id first; by time: when they were asked for."""
    order = Order.of(_RESOURCE, sort, usual="-reservation_id", keys=numbers(1, bits=33))
    return await paging.page(
        order,
        read=lambda before, limit: reservations.list_before(
            services.db,
            station_id=station_id,
            before=before,
            limit=limit,
            state=state,
            since=since,
            until=until,
            goes_down=order.goes_down,
        ),
        key_of=lambda row: (row.reservation_id,),
        shown=Reservation.of,
        count=lambda up_to: reservations.count(
            services.db,
            station_id=station_id,
            up_to=up_to,
            state=state,
            since=since,
            until=until,
        ),
        owner=lambda: stations.get(services.db, station_id),
    )


@router.get("/{reservation_id}", responses=problems.responses(NotFoundCode.RESERVATION))
async def get_reservation(
    station_id: StationId, reservation_id: ReservationId, services: ServicesDep
) -> Reservation:
    """Return one reservation, with the session that used it."""
    return await _get(services, station_id, reservation_id)


@router.post(
    "/{reservation_id}/cancel",
    responses={
        **_NOT_YET,
        **problems.responses(
            NotFoundCode.RESERVATION,
            NotFoundCode.STATION,
            ConflictCode.RESERVATION_OVER,
            problems.STATION_OFFLINE,
            problems.COMMAND_QUEUE_FULL,
        ),
    },
)
async def cancel_reservation(
    *,
    station_id: StationId,
    reservation_id: ReservationId,
    services: ServicesDep,
    request: Request,
    response: Response,
    wait_s: Annotated[
        float | None,
        Query(ge=0, le=WAIT_MAX_S, description="how long to wait for the station"),
    ] = None,
) -> Reservation:
    """Ask a station to give up a reservation, and answer with what became of that.

    200 when the station has answered, 202 when the wait ended first. A station that has no such
    reservation any more says Rejected, and the reservation is `removed`.
    """
    found = await reservations.get(
        services.db, station_id=station_id, reservation_id=reservation_id
    )
    if not found.state.open:
        raise ConflictError(
            f"reservation {reservation_id} of station {station_id!r} is over: {found.state}",
            code=ConflictCode.RESERVATION_OVER,
        )
    waiting = Waiting(wait_s=wait_s)
    command = CancelReservation(reservation_id=reservation_id)
    record = await _send(services, station_id, command, waiting, None)
    await _answer(services, record, waiting, request, response)
    response.headers["Location"] = f"/v1/commands/{record.command_id}"
    return await _get(services, station_id, reservation_id)


async def _send(
    services: Services,
    station_id: str,
    command: Command,
    waiting: Waiting,
    idempotency_key: str | None,
) -> CommandRecord:
    timeout_s = services.settings.command_timeout_s
    return await services.dispatcher.send(
        station_id,
        command,
        timeout_s=timeout_s if waiting.timeout_s is None else waiting.timeout_s,
        idempotency_key=idempotency_key,
    )


async def _answer(
    services: Services,
    record: CommandRecord,
    waiting: Waiting,
    request: Request,
    response: Response,
) -> None:
    """Wait for the station, and say 202 if that ends first."""
    settings = services.settings
    timeout_s = settings.command_timeout_s if waiting.timeout_s is None else waiting.timeout_s
    wait_s = timeout_s + settings.command_wait_grace_s if waiting.wait_s is None else waiting.wait_s
    try:
        if not record.state.final:
            record = await unless_disconnected(
                request, services.dispatcher.wait(record.command_id, wait_s=wait_s)
            )
    except Exception as error:
        if not is_away(error):
            raise
        # The command is on its way: a 503 would have it asked for again.
        log.warning("the outcome of a command cannot be read now", error=describe_error(error))
    if not record.state.final:
        response.status_code = HTTPStatus.ACCEPTED


async def _get(services: Services, station_id: str, reservation_id: int) -> Reservation:
    return Reservation.of(
        await reservations.get(services.db, station_id=station_id, reservation_id=reservation_id)
    )
