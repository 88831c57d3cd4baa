"""Commands to many stations: asking, following, cancelling."""

import hashlib
import json
from dataclasses import asdict
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response, status

from control import problems
from control.api.commands.batches_schemas import CommandBatch, CommandBatchCreate
from control.api.commands.commands import IdempotencyKey
from control.api.commands.schemas import Command
from control.api.types import Since, Until
from control.errors import InvalidFieldError
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain import commands as domain
from shared.domain.commands import CommandState, command_params
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import InvalidInputError
from shared.domain.stations.stations import StationFilter
from shared.store.commands import batches, command_lists

router = APIRouter(prefix="/v1/command-batches", tags=["command batches"])

_RESOURCE = "command-batches"
_COMMANDS_RESOURCE = "batch-commands"


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    responses=problems.responses(ConflictCode.IDEMPOTENCY_KEY_REUSED),
)
async def create_command_batch(
    body: CommandBatchCreate,
    services: ServicesDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> CommandBatch:
    """Ask many stations for the same, by a list of them or by what they have in common.

    All are asked or none: a station of a list that is not registered is a 422 that names it. The
    commands go out at a pace of `max_per_s`, to stations that are online now; the others get theirs
    when they come online, until the deadline. The header Location tells where to follow it.
    """
    settings = services.settings
    command = body.command.to_command()
    services.files.locations.check_command(command)
    stations = body.stations()
    timeout_s = settings.command_batch_timeout_s if body.timeout_s is None else body.timeout_s
    max_per_s = settings.command_batch_max_per_s if body.max_per_s is None else body.max_per_s
    try:
        batch, _ = await batches.create(
            services.db,
            command=command,
            stations=stations,
            timeout_s=timeout_s,
            max_per_s=max_per_s,
            max_stations=settings.command_batch_max_stations,
            request_digest=_digest(command, stations, timeout_s=timeout_s, max_per_s=max_per_s),
            idempotency_key=idempotency_key,
            password_hash=await services.passwords.hash_of(command),
        )
    except InvalidInputError as error:
        field = "filter" if body.station_ids is None else "station_ids"
        raise InvalidFieldError("body", field, str(error)) from error
    response.headers["Location"] = f"/v1/command-batches/{batch.batch_id}"
    return CommandBatch.of(await batches.get(services.db, batch.batch_id))


def _digest(
    command: domain.Command,
    stations: list[str] | StationFilter,
    *,
    timeout_s: float,
    max_per_s: float,
) -> str:
    """Return what tells this request from others under the same idempotency key."""
    asked = {
        "type": type(command).__name__,
        "params": command_params(command),
        "stations": asdict(stations) if isinstance(stations, StationFilter) else stations,
        "timeout_s": timeout_s,
        "max_per_s": max_per_s,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@router.get("")
async def list_command_batches(
    services: ServicesDep,
    paging: PagingDep,
    since: Since = None,
    until: Until = None,
    sort: Annotated[Literal["batch_id", "-batch_id"], SORT] = "-batch_id",
) -> Page[CommandBatch]:
    """List the batches as they were made with how far they are, the newest first."""
    order = Order.of(_RESOURCE, sort, usual="-batch_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda before, limit: batches.list_before(
            services.db,
            before=before,
            limit=limit,
            since=since,
            until=until,
            goes_down=order.goes_down,
        ),
        key_of=lambda found: found.batch.batch_id,
        shown=CommandBatch.of,
        count=lambda up_to: batches.count(services.db, up_to=up_to, since=since, until=until),
    )


@router.get("/{batch_id}", responses=problems.responses(NotFoundCode.COMMAND_BATCH))
async def get_command_batch(batch_id: UUID, services: ServicesDep) -> CommandBatch:
    """Return one batch and how far it is."""
    return CommandBatch.of(await batches.get(services.db, str(batch_id)))


@router.get("/{batch_id}/commands", responses=problems.responses(NotFoundCode.COMMAND_BATCH))
async def list_batch_commands(
    *,
    batch_id: UUID,
    services: ServicesDep,
    paging: PagingDep,
    state: Annotated[CommandState | None, Query(description="only those in this state")] = None,
    sort: Annotated[Literal["command_id", "-command_id"], SORT] = "command_id",
) -> Page[Command]:
    """List the commands of a batch, one per station: what became of each."""
    order = Order.of(_COMMANDS_RESOURCE, sort, usual="command_id", keys=UUIDS)
    batch = str(batch_id)
    return await paging.page(
        order,
        read=lambda after, limit: command_lists.list_of_batch(
            services.db, batch, state=state, after=after, limit=limit, goes_down=order.goes_down
        ),
        key_of=lambda record: record.command_id,
        shown=Command.of,
        count=lambda up_to: command_lists.count_of_batch(
            services.db, batch, state=state, up_to=up_to
        ),
        owner=lambda: batches.get(services.db, batch),
    )


@router.post("/{batch_id}/cancel", responses=problems.responses(NotFoundCode.COMMAND_BATCH))
async def cancel_command_batch(batch_id: UUID, services: ServicesDep) -> CommandBatch:
    """Cancel what has not been sent yet. What is on the wire cannot be called back."""
    return CommandBatch.of(await batches.cancel(services.db, str(batch_id)))
