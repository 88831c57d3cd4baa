"""What an operator may ask of a station, whatever version asks it.

Each function checks a request and returns what follows the answer, or None if it is refused.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from simulator.charging import IdToken, StopReason
from simulator.connector import Connector
from simulator.dialect import RegistrationStatus, Sequel

if TYPE_CHECKING:
    from simulator.station import Station


def start_charging(
    station: "Station",
    id_token: IdToken,
    *,
    connector_id: int | None,
    remote_start_id: int | None = None,
) -> Sequel | None:
    """Let somebody charge who is not at the station (1.6, 5.11; 2.0.1: F01, F02).

    Args:
        station: Where.
        id_token: Whose token.
        connector_id: On which connector; None for any that is free.
        remote_start_id: What the CSMS calls this request, if it says so.
    """
    connector = _startable(station, connector_id)
    if connector is None or station.registration is not RegistrationStatus.ACCEPTED:
        return None
    authorized = not station.settings.authorizes_remote_starts

    def start() -> None:
        # A slow answer leaves time for somebody else to come first.
        if connector.ready:
            connector.arrive(id_token, authorized=authorized, remote_start_id=remote_start_id)

    return start


def stop_charging(station: "Station", transaction_id: int | str) -> Sequel | None:
    """End a transaction from afar (1.6, 5.12; 2.0.1: F03)."""
    connector = find_charging(station, transaction_id)
    if connector is None or station.registration is not RegistrationStatus.ACCEPTED:
        return None

    def stop() -> None:
        # Likewise, it may have ended by itself meanwhile.
        if connector.charge is not None and connector.charge.transaction_id == transaction_id:
            connector.stop(StopReason.REMOTE)

    return stop


def find_charging(station: "Station", transaction_id: int | str) -> Connector | None:
    """Return where a transaction goes on."""
    for connector in station.connectors.values():
        charge = connector.charge
        if charge is not None and charge.transaction_id == transaction_id:
            return connector
    return None


def charging_on(connectors: Iterable[Connector]) -> bool:
    """Return whether any of these has to finish a charge first."""
    return any(connector.charge is not None for connector in connectors)


def _startable(station: "Station", number: int | None) -> Connector | None:
    if number is None:
        return next((each for each in station.connectors.values() if each.ready), None)
    connector = station.connectors.get(number)
    return connector if connector is not None and connector.ready else None
