"""Commands: asking a station for something, and what became of it."""

from http import HTTPStatus
from time import perf_counter
from typing import Annotated, Literal
from uuid import UUID

import structlog
from fastapi import APIRouter, Body, Header, Query, Request, Response
from pydantic import StringConstraints

from control import problems
from control.api.commands.schemas import (
    OPENAPI_EXAMPLES,
    WAIT_MAX_S,
    AnyCommandRequest,
    Command,
    IfOffline,
    RemoteStop,
    SetChargingProfile,
)
from control.api.types import Since, StationId, Until
from control.api.waiting import TIMEOUT_MAX_S
from control.disconnect import unless_disconnected
from control.errors import InvalidFieldError
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import Services, ServicesDep
from shared.domain.commands import CommandRecord, CommandState, QueuedReason
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.store.charging import charging_profiles
from shared.store.commands import command_lists, commands
from shared.store.judgement import is_away
from shared.store.sessions import sessions
from shared.store.stations import stations
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

router = APIRouter(prefix="/v1", tags=["commands"])

_RESOURCE = "commands"

IdempotencyKey = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[!-~]+$")] | None,
    Header(
        alias="Idempotency-Key",
        description="chosen by the caller: the same key for the same station gives the first "
        "command back and sends nothing. Without one, a call that is tried again is a new command",
    ),
]


@router.post(
    "/stations/{station_id}/commands",
    responses={
        HTTPStatus.ACCEPTED: {
            "model": Command,
            "description": "The wait ended before the command did; see the header Location",
        },
        **problems.responses(
            NotFoundCode.SESSION,
            NotFoundCode.STATION,
            NotFoundCode.TRANSACTION,
            ConflictCode.IDEMPOTENCY_KEY_REUSED,
            problems.STATION_OFFLINE,
            ConflictCode.TRANSACTION_AT_ANOTHER_EVSE,
            ConflictCode.TRANSACTION_ENDED,
            problems.COMMAND_QUEUE_FULL,
        ),
    },
)
async def create_command(
    *,
    station_id: StationId,
    body: Annotated[AnyCommandRequest, Body(openapi_examples=OPENAPI_EXAMPLES)],
    services: ServicesDep,
    request: Request,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Command:
    """Ask a station for something, and answer with what the station said.

    200 when the command has ended, whichever way: its `state` tells a yes from a no, an error or a
    missing answer. 202 when the wait ended first. A station that is offline is a 409 and keeps no
    command, unless `if_offline` says that it waits; one that was online a moment ago is waited for.
    429 means that as many commands wait for the station as may.
    """
    began = perf_counter()
    if isinstance(body, RemoteStop) and body.session_id is not None:
        body.transaction_id = await _transaction_id(services, station_id, str(body.session_id))
    if isinstance(body, SetChargingProfile):
        await _require_transaction(services, station_id, body, idempotency_key)
    timeout_s = _timeout_s(services, body)
    command = body.to_command()
    services.files.locations.check_command(command)
    record = await services.dispatcher.send(
        station_id,
        command,
        timeout_s=timeout_s,
        idempotency_key=idempotency_key,
        wait_for_station=body.if_offline is IfOffline.WAIT,
    )
    wait_s = _wait_s(services, body, record, timeout_s)
    if not record.state.final:
        try:
            record = await unless_disconnected(
                request, services.dispatcher.wait(record.command_id, wait_s=wait_s)
            )
        except Exception as error:
            if not is_away(error):
                raise
            # The command is on its way: a 503 would have it asked for again.
            log.warning("the outcome of a command cannot be read now", error=describe_error(error))
    metrics.command_wait_seconds.labels(record.type, record.state).observe(perf_counter() - began)
    if not record.state.final:
        response.status_code = HTTPStatus.ACCEPTED
    response.headers["Location"] = f"/v1/commands/{record.command_id}"
    return Command.of(record)


def _timeout_s(services: Services, body: AnyCommandRequest) -> float:
    """Return the deadline of a command.

    Raises:
        InvalidFieldError: it is one for commands that wait for their station.
    """
    waits = body.if_offline is IfOffline.WAIT
    if body.timeout_s is not None:
        if body.timeout_s > TIMEOUT_MAX_S and not waits:
            raise InvalidFieldError(
                "body",
                f"{body.type}.timeout_s",
                f"more than {TIMEOUT_MAX_S:g} seconds are for commands that wait for their "
                "station: say if_offline = wait",
            )
        return body.timeout_s
    if waits:
        return services.settings.command_batch_timeout_s
    return services.settings.command_timeout_s


def _wait_s(
    services: Services, body: AnyCommandRequest, record: CommandRecord, timeout_s: float
) -> float:
    """Return how long the call waits: not for a station that is away, unless it says so."""
    if body.wait_s is not None:
        return body.wait_s
    if body.if_offline is IfOffline.WAIT:
        if record.queued_reason is QueuedReason.STATION_OFFLINE:
            return 0.0
        timeout_s = min(timeout_s, services.settings.command_timeout_s)
    return timeout_s + services.settings.command_wait_grace_s


async def _transaction_id(services: Services, station_id: str, session_id: str) -> str:
    session = await sessions.get(services.db, session_id)
    if session.station_id != station_id:
        raise NotFoundError(
            f"there is no session {session_id} of station {station_id!r}", code=NotFoundCode.SESSION
        )
    return session.transaction_id


async def _require_transaction(
    services: Services, station_id: str, body: SetChargingProfile, idempotency_key: str | None
) -> None:
    """Refuse a profile of a transaction that does not go on, unless it was asked for before."""
    transaction_id = body.charging_profile.transaction_id
    if transaction_id is None:
        return
    if idempotency_key is not None and await commands.find_repeated(
        services.db,
        station_id=station_id,
        command=body.to_command(),
        idempotency_key=idempotency_key,
    ):
        return
    await charging_profiles.require_transaction(
        services.db,
        station_id=station_id,
        evse_id=body.evse_id,
        transaction_id=transaction_id,
    )


@router.get("/stations/{station_id}/commands", responses=problems.responses(NotFoundCode.STATION))
async def list_station_commands(
    *,
    station_id: StationId,
    services: ServicesDep,
    paging: PagingDep,
    since: Since = None,
    until: Until = None,
    sort: Annotated[Literal["command_id", "-command_id"], SORT] = "-command_id",
) -> Page[Command]:
    """List a station's commands as they were made, the newest first."""
    order = Order.of(_RESOURCE, sort, usual="-command_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda before, limit: command_lists.list_of_station(
            services.db,
            station_id=station_id,
            before=before,
            limit=limit,
            since=since,
            until=until,
            goes_down=order.goes_down,
        ),
        key_of=lambda record: record.command_id,
        shown=Command.of,
        count=lambda up_to: command_lists.count_of_station(
            services.db, up_to=up_to, station_id=station_id, since=since, until=until
        ),
        owner=lambda: stations.get(services.db, station_id),
    )


@router.get("/commands/{command_id}", responses=problems.responses(NotFoundCode.COMMAND))
async def get_command(
    command_id: UUID,
    services: ServicesDep,
    request: Request,
    wait_s: Annotated[
        float, Query(ge=0, le=WAIT_MAX_S, description="how long to wait for the command to end")
    ] = 0,
) -> Command:
    """Return one command, at once or when it has ended."""
    waiting = services.dispatcher.wait(str(command_id), wait_s=wait_s)
    return Command.of(await unless_disconnected(request, waiting))


@router.post(
    "/commands/{command_id}/cancel",
    responses=problems.responses(NotFoundCode.COMMAND, ConflictCode.COMMAND_NOT_CANCELLABLE),
)
async def cancel_command(command_id: UUID, services: ServicesDep) -> Command:
    """Cancel a command that has not been sent yet. What is on the wire cannot be called back."""
    key = str(command_id)
    if await commands.cancel(services.db, key):
        services.outcomes.wake(key)
    record = await commands.get(services.db, key)
    if record.state is not CommandState.CANCELLED:
        raise ConflictError(_not_cancelled(record), code=ConflictCode.COMMAND_NOT_CANCELLABLE)
    return Command.of(record)


def _not_cancelled(record: CommandRecord) -> str:
    if record.state is CommandState.SENT:
        return f"command {record.command_id} has been sent to its station already"
    return f"command {record.command_id} has ended already: {record.state}"
