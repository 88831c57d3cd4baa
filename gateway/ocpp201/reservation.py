"""H. Reservation."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from ocpp.v201 import call, call_result
from ocpp.v201.datatypes import IdTokenType
from ocpp.v201.enums import (
    Action,
    CancelReservationStatusEnumType,
    ConnectorEnumType,
    IdTokenEnumType,
)

from gateway.errors import CannotBeSaidError
from gateway.handlers import Handlers
from gateway.ocpp201.authorization import find_type
from gateway.routing import AnsweredCall, answered, on, sends
from gateway.translation import format_time, parse_time
from shared.domain import commands
from shared.domain.access import tokens
from shared.domain.charging.reservations import (
    ReservationAnswered,
    ReservationEnded,
    ReservationRequest,
    ReservationState,
    ReservationUpdateStatus,
)
from shared.store.facts import Fact

_STATES: dict[str, ReservationState] = {
    ReservationUpdateStatus.EXPIRED: ReservationState.EXPIRED,
    ReservationUpdateStatus.REMOVED: ReservationState.REMOVED,
    # Of 2.1: it was used, but no transaction was started.
    "NoTransaction": ReservationState.REMOVED,
}
_STATUS_UPDATE_ANSWER = call_result.ReservationStatusUpdate()


class Reservation(Handlers):
    """ReserveNow, CancelReservation, ReservationStatusUpdate."""

    __slots__ = ()

    async def complete(self, command: commands.Command) -> commands.Command:
        """Find out the type of the token to reserve for, unless the command tells it."""
        if isinstance(command, commands.ReserveNow) and command.id_token_type is None:
            type_ = await find_type(self, command.id_token)
            command = replace(command, id_token_type=type_)
        return await super().complete(command)

    @sends(commands.ReserveNow)
    def reserve_now(self, command: commands.ReserveNow) -> call.ReserveNow:
        """H01; a group's token is of the type Central, as in our authorizations."""
        if command.connector_type not in {None, *ConnectorEnumType}:
            raise CannotBeSaidError(
                f"OCPP 2.0.1 has no connector type {command.connector_type!r}: see "
                "ConnectorEnumType, such as cCCS2 or sType2"
            )
        type_ = command.id_token_type or tokens.IdTokenType.ISO14443
        group = command.group_id_token
        return call.ReserveNow(
            id=command.reservation_id,
            expiry_date_time=format_time(datetime.fromisoformat(command.expiry_date_time)),
            id_token=IdTokenType(command.id_token, IdTokenEnumType(type_)),
            connector_type=command.connector_type and ConnectorEnumType(command.connector_type),
            evse_id=command.evse_id,
            group_id_token=IdTokenType(group, IdTokenEnumType.central) if group else None,
        )

    @answered(Action.reserve_now)
    def reservation_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep whether the station will hold an EVSE (H01)."""
        request = exchange.request
        yield ReservationAnswered(
            station_id=self.station.station_id,
            reservation_id=request["id"],
            request=ReservationRequest(
                expires_at=parse_time(request["expiryDateTime"], "expiryDateTime"),
                id_token=request["idToken"]["idToken"],
                id_token_type=tokens.IdTokenType(request["idToken"]["type"]),
                group_id_token=request.get("groupIdToken", {}).get("idToken"),
                evse_id=request.get("evseId"),
                connector_type=request.get("connectorType"),
            ),
            status=exchange.answer["status"],
            command_id=exchange.command_id,
        )

    @sends(commands.CancelReservation)
    def cancel_reservation(self, command: commands.CancelReservation) -> call.CancelReservation:
        """H02."""
        return call.CancelReservation(reservation_id=command.reservation_id)

    @answered(Action.cancel_reservation)
    def cancellation_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """End a reservation. `Rejected` means that the station has none of this id (H02.FR.01)."""
        status = exchange.answer["status"]
        cancelled = status == CancelReservationStatusEnumType.accepted
        yield ReservationEnded(
            station_id=self.station.station_id,
            reservation_id=exchange.request["reservationId"],
            state=ReservationState.CANCELLED if cancelled else ReservationState.REMOVED,
            status=status,
        )

    @on(Action.reservation_status_update)
    async def on_reservation_status_update(
        self, *, reservation_id: int, reservation_update_status: str, **_: object
    ) -> call_result.ReservationStatusUpdate:
        """End a reservation that nobody used or that the station gave up (H04, H01.FR.16)."""
        await self.services.ingest.submit(
            ReservationEnded(
                station_id=self.station.station_id,
                reservation_id=reservation_id,
                state=_STATES[reservation_update_status],
                status=reservation_update_status,
            )
        )
        return _STATUS_UPDATE_ANSWER
