"""N. Diagnostics: events that a station tells by itself."""

import asyncio
from typing import Any

from ocpp.v201 import call_result
from ocpp.v201.enums import Action

from gateway.handlers import Handlers
from gateway.ocpp201.variables import to_name
from gateway.routing import on
from gateway.translation import parse_time
from shared.domain.device_model import StationEvent, StationEventsReported
from shared.domain.stations import ConnectorStatus, ConnectorStatusReported

_NOTIFY_EVENT_ANSWER = call_result.NotifyEvent()


class Diagnostics(Handlers):
    """NotifyEvent."""

    __slots__ = ()

    @on(Action.notify_event)
    async def on_notify_event(
        self, *, event_data: list[dict[str, Any]], **_: object
    ) -> call_result.NotifyEvent:
        """Keep events (N07, N08); one may stand for a StatusNotification (G01.FR.03)."""
        events = [_to_event(data) for data in event_data]
        statuses = [status for event in events if (status := self._find_status(event))]
        submit = self.services.ingest.submit
        await asyncio.gather(
            submit(StationEventsReported(station_id=self.station.station_id, events=events)),
            *map(submit, statuses),
        )
        return _NOTIFY_EVENT_ANSWER

    def _find_status(self, event: StationEvent) -> ConnectorStatusReported | None:
        """Return the connector's status that an event tells, if it does."""
        name = event.name
        if (
            name.component.casefold() != "connector"
            or name.variable.casefold() != "availabilitystate"
            or name.evse_id is None
            or name.connector_id is None
            or event.actual_value not in set(ConnectorStatus)
        ):
            return None
        return ConnectorStatusReported(
            station_id=self.station.station_id,
            epoch=self.station.ownership.epoch,
            evse_id=name.evse_id,
            connector_id=name.connector_id,
            status=ConnectorStatus(event.actual_value),
            reported_status=event.actual_value,
            error_code=event.tech_code,
            info=event.tech_info,
            vendor_id=None,
            vendor_error_code=None,
            reported_at=event.occurred_at,
        )


def _to_event(data: dict[str, Any]) -> StationEvent:
    get = data.get
    return StationEvent(
        event_id=data["eventId"],
        occurred_at=parse_time(data["timestamp"]),
        trigger=data["trigger"],
        cause=get("cause"),
        name=to_name(data["component"], data["variable"]),
        actual_value=data["actualValue"],
        tech_code=get("techCode"),
        tech_info=get("techInfo"),
        cleared=get("cleared"),
        transaction_id=get("transactionId"),
        variable_monitoring_id=get("variableMonitoringId"),
        notification_type=data["eventNotificationType"],
    )
