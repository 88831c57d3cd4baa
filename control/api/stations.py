"""Stations: registering, finding, changing and removing them."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Response, status

from control import problems
from control.api.schemas.stations import (
    Connector,
    Station,
    StationCreate,
    StationDetails,
    StationUpdate,
    StationWithPassword,
)
from control.api.schemas.types import StationId
from control.errors import InvalidFieldError
from control.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    cut_page,
    decode_key,
    encode_cursor,
)
from control.passwords import generate_password
from control.services import Services, ServicesDep
from shared.domain.errors import NotFoundError
from shared.domain.stations import SecurityProfile
from shared.store import stations

router = APIRouter(prefix="/v1/stations", tags=["stations"])

_RESOURCE = "stations"

# After a change of one of these the station has to prove itself again.
_CHANGES_TRUST = frozenset({"password_hash", "security_profile", "registration_status"})


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(problems.CONFLICT),
)
async def create_station(
    body: StationCreate, services: ServicesDep, response: Response
) -> StationWithPassword:
    """Register a station, so that it may connect.

    With security profile 1 and no password, one is made. It is in this answer and in no other.
    """
    made: str | None = None
    if body.password is None and body.security_profile is not SecurityProfile.UNSECURED:
        made = generate_password()
    password = body.password or made
    station = await stations.create(
        services.db,
        station_id=body.station_id,
        name=body.name,
        security_profile=body.security_profile,
        password_hash=None if password is None else await services.passwords.hash(password),
        registration_status=body.registration_status,
        heartbeat_interval_s=body.heartbeat_interval_s,
    )
    response.headers["Location"] = f"/v1/stations/{quote(station.station_id, safe='')}"
    response.headers["Cache-Control"] = "no-store"
    answer = StationWithPassword.of(station, None)
    answer.password = made
    return answer


@router.get("")
async def list_stations(
    services: ServicesDep,
    online: Annotated[bool | None, Query(description="only those online, or offline")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[Station]:
    """List the stations in the order of their ids."""
    key = decode_key(_RESOURCE, cursor)
    rows, next_cursor = cut_page(
        await stations.list_after(services.db, after=key, limit=limit + 1, online=online),
        limit=limit,
        cursor_of=lambda station: encode_cursor(_RESOURCE, station.station_id),
    )
    owners = await services.connections.owners([row.station_id for row in rows if row.online])
    items = [Station.of(row, owners.get(row.station_id)) for row in rows]
    return Page(items=items, next_cursor=next_cursor)


@router.get("/{station_id}", responses=problems.responses(problems.NOT_FOUND))
async def get_station(station_id: StationId, services: ServicesDep) -> StationDetails:
    """Return one station with its connectors."""
    station = await stations.get(services.db, station_id)
    connectors = await stations.list_connectors(services.db, [station_id])
    owners = await services.connections.owners([station_id])
    answer = StationDetails.of(station, owners.get(station_id))
    answer.connectors = [Connector.model_validate(connector) for connector in connectors]
    return answer


@router.patch("/{station_id}", responses=problems.responses(problems.NOT_FOUND))
async def update_station(
    station_id: StationId, body: StationUpdate, services: ServicesDep, response: Response
) -> StationWithPassword:
    """Change a station.

    A new password, security profile or registration status closes the station's connection, so
    that it comes back under the new terms. A station that comes to need a password and has none
    gets one made, which is in this answer and in no other.
    """
    changes, made = await _changes(station_id, body, services)
    changes_trust = not _CHANGES_TRUST.isdisjoint(changes)
    if changes_trust:
        await services.connections.require_reachable(station_id)
    station = await stations.update(services.db, station_id, changes)
    if changes_trust:
        await services.connections.close(station_id)
        response.headers["Cache-Control"] = "no-store"
    owners = await services.connections.owners([station_id])
    answer = StationWithPassword.of(station, owners.get(station_id))
    answer.password = made
    return answer


async def _changes(
    station_id: str, body: StationUpdate, services: Services
) -> tuple[dict[str, Any], str | None]:
    """Return what changes in the store, and the password made for it if there is one."""
    changes = body.model_dump(exclude_unset=True)
    if "password" not in changes and "security_profile" not in changes:
        return changes, None
    (credentials,) = await stations.get_credentials(services.db, [station_id])
    if credentials is None:
        raise NotFoundError(f"there is no station {station_id!r}")
    password: str | None = changes.pop("password", None)
    made: str | None = None
    if changes.get("security_profile", credentials.security_profile) == SecurityProfile.UNSECURED:
        if password is not None:
            raise InvalidFieldError(
                "body", "password", "with security_profile 0 nothing checks a password"
            )
        changes["password_hash"] = None
    elif password is None and credentials.password_hash is None:
        made = password = generate_password()
    if password is not None:
        changes["password_hash"] = await services.passwords.hash(password)
    return changes, made


@router.delete(
    "/{station_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(problems.NOT_FOUND),
)
async def delete_station(station_id: StationId, services: ServicesDep) -> None:
    """Remove a station and close its connection. Its sessions and commands stay."""
    await services.connections.require_reachable(station_id)
    await stations.delete(services.db, station_id)
    await services.connections.close(station_id)
