"""The Reservation profile of OCPP 1.6."""

from collections.abc import Iterator
from datetime import datetime

from ocpp.v16 import call
from ocpp.v16.enums import Action, CancelReservationStatus, ChargePointStatus

from gateway.errors import CannotBeSaidError
from gateway.handlers import Handlers
from gateway.routing import AnsweredCall, answered, sends
from gateway.translation import format_time, parse_time
from shared.domain import commands
from shared.domain.charging.reservations import (
    ReservationAnswered,
    ReservationEnded,
    ReservationRequest,
    ReservationState,
)
from shared.store.facts import Fact

# A station says no more than that when it ends the reservations of a connector (§5.13).
ENDS_RESERVATIONS = frozenset({ChargePointStatus.faulted, ChargePointStatus.unavailable})


class Reservation(Handlers):
    """ReserveNow, CancelReservation."""

    __slots__ = ()

    @sends(commands.ReserveNow)
    def reserve_now(self, command: commands.ReserveNow) -> call.ReserveNow:
        """§5.13; connector 0 leaves the choice to the station."""
        if command.connector_type is not None:
            raise CannotBeSaidError(
                "OCPP 1.6 cannot reserve a type of connector: name an EVSE instead"
            )
        return call.ReserveNow(
            connector_id=command.evse_id or 0,
            expiry_date=format_time(datetime.fromisoformat(command.expiry_date_time)),
            id_tag=command.id_token,
            reservation_id=command.reservation_id,
            parent_id_tag=command.group_id_token,
        )

    @answered(Action.reserve_now)
    def reservation_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep whether the station will hold a connector (§6.38)."""
        request = exchange.request
        yield ReservationAnswered(
            station_id=self.station.station_id,
            reservation_id=request["reservationId"],
            request=ReservationRequest(
                expires_at=parse_time(request["expiryDate"], "expiryDate"),
                id_token=request["idTag"],
                group_id_token=request.get("parentIdTag"),
                evse_id=request["connectorId"] or None,
            ),
            status=exchange.answer["status"],
            command_id=exchange.command_id,
        )

    @sends(commands.CancelReservation)
    def cancel_reservation(self, command: commands.CancelReservation) -> call.CancelReservation:
        """§5.1."""
        return call.CancelReservation(reservation_id=command.reservation_id)

    @answered(Action.cancel_reservation)
    def cancellation_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """End a reservation. `Rejected` means that the station has none of this id (§5.1)."""
        status = exchange.answer["status"]
        cancelled = status == CancelReservationStatus.accepted
        yield ReservationEnded(
            station_id=self.station.station_id,
            reservation_id=exchange.request["reservationId"],
            state=ReservationState.CANCELLED if cancelled else ReservationState.REMOVED,
            status=status,
        )
