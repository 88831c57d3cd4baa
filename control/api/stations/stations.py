"""Stations: registering, finding, changing and removing them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Query, Response, status

from control import problems
from control.api.stations.criteria_schemas import StationCriteria
from control.api.stations.stations_schemas import (
    Connector,
    Station,
    StationCreate,
    StationDetails,
    StationUpdate,
    StationWithPassword,
)
from control.api.types import StationId
from control.errors import InvalidFieldError
from control.paging import (
    DEFAULT_LIMIT,
    SORT,
    TEXTS,
    Cursor,
    Limit,
    Order,
    Page,
    Paging,
    PagingDep,
    WantsTotal,
    numbers,
)
from control.passwords import generate_password
from control.services import Services, ServicesDep
from control.stations.registration import register
from shared.bus.ownership import Route
from shared.domain.commands import MessageTrigger, TriggerMessage
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import CommandQueueFullError, NotFoundError, UnavailableError
from shared.domain.stations import stations as domain
from shared.domain.stations.stations import Credentials, RegistrationStatus, SecurityProfile
from shared.store import station_removal
from shared.store.sessions import dead_letters
from shared.store.stations import stations

log = structlog.get_logger()

router = APIRouter(prefix="/v1/stations", tags=["stations"])

_RESOURCE = "stations"
_CONNECTORS = "connectors"


class StationsAsked(StationCriteria):
    """Which stations are listed."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor = None
    sort: Annotated[
        Literal["station_id", "-station_id"], Query(description="`-`: from the last one up")
    ] = "station_id"
    total: WantsTotal = False


# After a change of one of these the station has to prove itself again.
_CHANGES_TRUST = frozenset({"password_hash", "security_profile", "registration_status"})


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(ConflictCode.CERTIFICATE_NAME_TAKEN, ConflictCode.STATION_EXISTS),
)
async def create_station(
    body: StationCreate, services: ServicesDep, response: Response
) -> StationWithPassword:
    """Register a station, so that it may connect.

    With security profile 1 or 2 and no password, one is made. It is in this answer and in no other.
    """
    return await register(services, body.station_id, body, response)


@router.get("")
async def list_stations(
    services: ServicesDep, asked: Annotated[StationsAsked, Query()]
) -> Page[Station]:
    """List the stations in the order of their ids, by all that a batch of commands goes by."""
    found = asked.to_domain()
    order = Order.of(_RESOURCE, asked.sort, usual="station_id", keys=TEXTS)
    owners: dict[str, Route] = {}

    async def read(after: str | None, limit: int) -> Sequence[domain.Station]:
        rows = await stations.list_after(
            services.db, after=after, limit=limit, found=found, goes_down=order.goes_down
        )
        online = [row.station_id for row in rows if row.online]
        owners.update(await services.connections.owners(online))
        return rows

    return await Paging(limit=asked.limit, cursor=asked.cursor, total=asked.total).page(
        order,
        read=read,
        key_of=lambda station: station.station_id,
        shown=lambda station: Station.of(station, owners.get(station.station_id)),
        count=lambda up_to: stations.count(services.db, found, up_to=up_to),
    )


@router.get("/{station_id}", responses=problems.responses(NotFoundCode.STATION))
async def get_station(station_id: StationId, services: ServicesDep) -> StationDetails:
    """Return one station with its connectors; those beyond the first 100 are listed apart."""
    station = await stations.get(services.db, station_id)
    connectors = await _connectors(services, station_id, Paging(), "evse_id")
    owners = await services.connections.owners([station_id])
    answer = StationDetails.of(station, owners.get(station_id))
    answer.connectors, answer.connectors_next_cursor = connectors.items, connectors.next_cursor
    answer.open_dead_letters = await dead_letters.count_open(services.db, station_id)
    return answer


@router.get("/{station_id}/connectors", responses=problems.responses(NotFoundCode.STATION))
async def list_station_connectors(
    station_id: StationId,
    services: ServicesDep,
    paging: PagingDep,
    sort: Annotated[Literal["evse_id", "-evse_id"], SORT] = "evse_id",
) -> Page[Connector]:
    """List a station's connectors in the order of EVSE and connector, with their last status."""
    return await _connectors(services, station_id, paging, sort)


async def _connectors(
    services: Services, station_id: str, paging: Paging, sort: str
) -> Page[Connector]:
    order = Order.of(_CONNECTORS, sort, usual="evse_id", keys=numbers(2, bits=32))
    return await paging.page(
        order,
        read=lambda after, limit: stations.list_connectors_after(
            services.db, station_id, after=after, limit=limit, goes_down=order.goes_down
        ),
        key_of=lambda row: (row.evse_id, row.connector_id),
        shown=Connector.model_validate,
        count=lambda up_to: stations.count_connectors(services.db, station_id, up_to=up_to),
        owner=lambda: stations.get(services.db, station_id),
    )


@router.patch(
    "/{station_id}",
    responses=problems.responses(
        NotFoundCode.STATION, ConflictCode.CERTIFICATE_NAME_TAKEN, ConflictCode.STATION_EXISTS
    ),
)
async def update_station(
    station_id: StationId, body: StationUpdate, services: ServicesDep, response: Response
) -> StationWithPassword:
    """Change a station.

    A new password, security profile or registration status closes the station's connection, so
    that it comes back under the new terms. Only a Pending station that is accepted stays connected,
    as OCPP 2.0.1 demands (B02.FR.06), and is asked to boot once more. A station that comes to need
    a password and has none gets one made, which is in this answer and in no other.
    """
    (before,) = await stations.get_credentials(services.db, [station_id])
    if before is None:
        raise NotFoundError(f"there is no station {station_id!r}", code=NotFoundCode.STATION)
    changes, made = await _changes(before, body, services)
    changes_trust = not _CHANGES_TRUST.isdisjoint(changes)
    may_stay = (
        before.registration_status is RegistrationStatus.PENDING
        and changes.get("registration_status") == RegistrationStatus.ACCEPTED
        and _CHANGES_TRUST.intersection(changes) == {"registration_status"}
    )
    if changes_trust and not may_stay:
        await services.connections.require_reachable(station_id)
    station = await stations.update(services.db, station_id, changes)
    if not {"location_id", "organization_id"}.isdisjoint(changes):
        await services.authorization.rules_changed()
    if may_stay:
        await _ask_to_boot(station_id, services)
    elif changes_trust:
        await services.connections.close(station_id)
        response.headers["Cache-Control"] = "no-store"
    owners = await services.connections.owners([station_id])
    answer = StationWithPassword.of(station, owners.get(station_id))
    answer.password = made
    return answer


async def _ask_to_boot(station_id: str, services: Services) -> None:
    """Ask a station to boot now; one that is not asked does so after its interval."""
    try:
        await services.dispatcher.send(
            station_id,
            TriggerMessage(requested_message=MessageTrigger.BOOT_NOTIFICATION),
            timeout_s=services.settings.command_timeout_s,
        )
    except (CommandQueueFullError, UnavailableError) as error:
        log.info("an accepted station was not asked to boot", error=str(error))


async def _changes(
    credentials: Credentials, body: StationUpdate, services: Services
) -> tuple[dict[str, Any], str | None]:
    """Return what changes in the store, and the password made for it if there is one."""
    changes = body.model_dump(exclude_unset=True)
    if "password" not in changes and "security_profile" not in changes:
        return changes, None
    password: str | None = changes.pop("password", None)
    made: str | None = None
    profile = SecurityProfile(changes.get("security_profile", credentials.security_profile))
    if not profile.uses_password:
        if password is not None:
            raise InvalidFieldError(
                "body", "password", "with security_profile 0 or 3 nothing checks a password"
            )
        changes["password_hash"] = None
    elif password is None and not (credentials.password_hash or credentials.new_password_hash):
        made = password = generate_password()
    if password is not None:
        changes["password_hash"] = await services.passwords.hash(password)
    return changes, made


@router.delete(
    "/{station_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.STATION),
)
async def delete_station(station_id: StationId, services: ServicesDep) -> None:
    """Remove a station and close its connection.

    Its sessions and commands stay. What is still queued for it is cancelled, so that it never
    reaches another box that is registered under its id.
    """
    await services.connections.require_reachable(station_id)
    owner = await station_removal.delete(services.db, station_id)
    await services.connections.close_deleted(station_id, owner)
    # Who may charge there stood with its location, which pods remember by its id.
    await services.authorization.rules_changed()
