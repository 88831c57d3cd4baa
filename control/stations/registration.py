"""Registering a station, whether its id was typed or taken from the inbox."""

from urllib.parse import quote

from fastapi import Response

from control.api.stations.stations_schemas import StationTerms, StationWithPassword
from control.passwords import generate_password
from control.services import Services
from shared.store.stations import stations


async def register(
    services: Services, station_id: str, terms: StationTerms, response: Response
) -> StationWithPassword:
    """Register a station, and return it with the password that was made for it, if one was.

    Args:
        services: what routes stand on.
        station_id: a checked one.
        terms: how.
        response: told where the station is, and not to be cached.

    Raises:
        ConflictError: it is registered already, or another one's certificates are called so.
    """
    made: str | None = None
    if terms.password is None and terms.security_profile.uses_password:
        made = generate_password()
    password = terms.password or made
    station = await stations.create(
        services.db,
        station_id=station_id,
        name=terms.name,
        security_profile=terms.security_profile,
        password_hash=None if password is None else await services.passwords.hash(password),
        registration_status=terms.registration_status,
        heartbeat_interval_s=terms.heartbeat_interval_s,
        certificate_serial_number=terms.certificate_serial_number,
        organization_id=terms.organization_id,
    )
    response.headers["Location"] = f"/v1/stations/{quote(station.station_id, safe='')}"
    response.headers["Cache-Control"] = "no-store"
    answer = StationWithPassword.of(station, None)
    answer.password = made
    return answer
