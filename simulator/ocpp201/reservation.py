"""Reservations (H)."""

from typing import TYPE_CHECKING

from simulator.dialect import Answer, RegistrationStatus
from simulator.moments import parse_moment
from simulator.ocpp201.answers import Handler, id_token, status
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


class ReservationBlock:
    """Its requests, one method each."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self.handlers: dict[str, Handler] = {
            "CancelReservation": self._cancel_reservation,
            "ReserveNow": self._reserve_now,
        }

    def _reserve_now(self, payload: Payload) -> Answer:
        """H01; without an EVSE any will do, as all connectors are of one type."""
        station = self._station
        group: Payload | None = payload.get("groupIdToken")
        if station.registration is not RegistrationStatus.ACCEPTED:
            return status("Rejected")
        wanted = Reservation(
            reservation_id=payload["id"],
            connector_id=payload.get("evseId"),
            id_token=id_token(payload["idToken"]),
            group=None if group is None else id_token(group),
            expires_at=parse_moment(payload["expiryDateTime"]),
        )
        return status(_RESULTS[station.reservations.reserve(wanted)], station.reservations.show)

    def _cancel_reservation(self, payload: Payload) -> Answer:
        """H02."""
        reservations = self._station.reservations
        cancelled = reservations.cancel(payload["reservationId"])
        return status("Accepted" if cancelled else "Rejected", reservations.show)
