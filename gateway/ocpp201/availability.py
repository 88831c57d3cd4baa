"""G. Availability: whether connectors can be used."""

from ocpp.v201 import call, call_result
from ocpp.v201.datatypes import EVSEType
from ocpp.v201.enums import Action, OperationalStatusEnumType

from gateway.handlers import Handlers
from gateway.routing import on, sends
from gateway.translation import format_time, parse_time
from shared.domain import commands
from shared.domain.stations.stations import ConnectorStatus, ConnectorStatusReported

_STATUS_NOTIFICATION_ANSWER = call_result.StatusNotification()


class Availability(Handlers):
    """Heartbeat, StatusNotification, ChangeAvailability."""

    __slots__ = ()

    @on(Action.heartbeat)
    def on_heartbeat(self, **_: object) -> call_result.Heartbeat:
        """Tell the time (G02). That the station lives is known from its connection."""
        return call_result.Heartbeat(current_time=format_time(self.services.now()))

    @on(Action.status_notification)
    async def on_status_notification(
        self,
        *,
        timestamp: str,
        connector_status: str,
        evse_id: int,
        connector_id: int,
        **_: object,
    ) -> call_result.StatusNotification:
        """Keep a connector's status (G01)."""
        await self.keep_status(
            ConnectorStatusReported(
                station_id=self.station.station_id,
                epoch=self.station.ownership.epoch,
                evse_id=evse_id,
                connector_id=connector_id,
                status=ConnectorStatus(connector_status),
                reported_status=connector_status,
                error_code=None,
                info=None,
                vendor_id=None,
                vendor_error_code=None,
                reported_at=parse_time(timestamp),
            )
        )
        return _STATUS_NOTIFICATION_ANSWER

    @sends(commands.ChangeAvailability)
    def change_availability(self, command: commands.ChangeAvailability) -> call.ChangeAvailability:
        """G03 for an EVSE, G04 for the station."""
        return call.ChangeAvailability(
            operational_status=OperationalStatusEnumType(command.operational_status),
            evse=None if command.evse_id is None else EVSEType(command.evse_id),
        )
