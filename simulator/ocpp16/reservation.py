"""The Reservation profile (5.1, 5.13)."""

from typing import TYPE_CHECKING

from simulator.charging import IdToken
from simulator.dialect import Answer, RegistrationStatus
from simulator.moments import parse_moment
from simulator.ocpp16.answers import Handler, status
from simulator.reservations import Reservation, ReserveResult
from simulator.rpc import Payload

if TYPE_CHECKING:
    from simulator.station import Station

_RESULTS = {
    ReserveResult.ACCEPTED: "Accepted",
    ReserveResult.OCCUPIED: "Occupied",
    ReserveResult.UNAVAILABLE: "Unavailable",
    ReserveResult.REJECTED: "Rejected",
}


class ReservationProfile:
    """Its requests, one method each."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self.handlers: dict[str, Handler] = {
            "CancelReservation": self._cancel_reservation,
            "ReserveNow": self._reserve_now,
        }

    def _reserve_now(self, payload: Payload) -> Answer:
        """5.13; connector 0 is any of them, ReserveConnectorZeroSupported."""
        station = self._station
        parent: str | None = payload.get("parentIdTag")
        if station.registration is not RegistrationStatus.ACCEPTED:
            return status("Rejected")
        wanted = Reservation(
            reservation_id=payload["reservationId"],
            connector_id=payload["connectorId"] or None,
            id_token=IdToken(payload["idTag"]),
            group=None if parent is None else IdToken(parent),
            expires_at=parse_moment(payload["expiryDate"]),
        )
        return status(_RESULTS[station.reservations.reserve(wanted)], station.reservations.show)

    def _cancel_reservation(self, payload: Payload) -> Answer:
        """5.1."""
        reservations = self._station.reservations
        cancelled = reservations.cancel(payload["reservationId"])
        return status("Accepted" if cancelled else "Rejected", reservations.show)
