"""What an operator may ask of a station, whatever version asks it.

Each function checks a request and returns what follows the answer, or None if it is refused.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from simulator.charging import ConnectorStatus, IdToken, StopReason
from simulator.charging_profiles import ChargingProfile
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
    profile: ChargingProfile | None = None,
) -> Sequel | None:
    """Let somebody charge who is not at the station (1.6, 5.11; 2.0.1: F01, F02).

    Args:
        station: Where.
        id_token: Whose token.
        connector_id: On which connector; None for any that is free.
        remote_start_id: What the CSMS calls this request, if it says so.
        profile: For this charge, without a flaw; where it holds is known only when it begins.
    """
    connector = _startable(station, id_token, connector_id)
    if connector is None or station.registration is not RegistrationStatus.ACCEPTED:
        return None
    authorized = not station.settings.authorizes_remote_starts

    def install() -> None:
        if profile is not None:
            station.limiting.install(replace(profile, connector_id=connector.number))
            station.limiting.apply()

    def start() -> None:
        # A slow answer leaves time for somebody else to come first.
        if connector.ready:
            connector.arrive(
                id_token,
                authorized=authorized,
                remote_start_id=remote_start_id,
                on_begun=install,
            )

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


def _startable(station: "Station", id_token: IdToken, number: int | None) -> Connector | None:
    """Return where a token may charge, first of all where a place is kept for it."""
    known = station.tokens.find(id_token)
    group = None if known is None else known.group
    open_to_it = [
        each
        for each in station.connectors.values()
        if number in {None, each.number}
        and each.ready
        and station.reservations.may_admit(each.number, id_token, group)
    ]
    return max(open_to_it, key=lambda each: each.status is ConnectorStatus.RESERVED, default=None)
