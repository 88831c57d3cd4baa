"""N. Diagnostics: events that a station tells by itself, and the logs it uploads."""

import asyncio
import secrets
from collections.abc import Awaitable, Iterable
from datetime import datetime
from typing import Any

from ocpp.v201 import call, call_result
from ocpp.v201.datatypes import LogParametersType
from ocpp.v201.enums import Action, LogEnumType

from gateway.handlers import Handlers
from gateway.ocpp201.variables import to_name
from gateway.quotas import Quota
from gateway.routing import AnsweredCall, answered, on, sends
from gateway.translation import named_request, parse_item_time, parse_time
from shared.domain import commands
from shared.domain.commands import LogType
from shared.domain.redaction import REDACTED, shown_value
from shared.domain.stations.device_model import StationEvent, StationEventsReported
from shared.domain.stations.stations import ConnectorStatus, ConnectorStatusReported
from shared.domain.upkeep.logs import LogRequestAnswered, LogStatusReported

_NOTIFY_EVENT_ANSWER = call_result.NotifyEvent()
_LOG_STATUS_NOTIFICATION_ANSWER = call_result.LogStatusNotification()


class Diagnostics(Handlers):
    """NotifyEvent, LogStatusNotification, GetLog."""

    __slots__ = ()

    @on(Action.notify_event)
    async def on_notify_event(
        self, *, event_data: list[dict[str, Any]], **_: object
    ) -> call_result.NotifyEvent:
        """Keep events (N07, N08); one may stand for a StatusNotification (G01.FR.03).

        One whose time is none is dropped and counted.
        """
        events = [
            _to_event(data, occurred_at)
            for data in event_data
            if (occurred_at := parse_item_time(data["timestamp"], "eventData"))
        ]
        statuses = [status for event in events if (status := self._find_status(event))]
        waits: list[Awaitable[object]] = [self.keep_status(status) for status in statuses]
        if kept := events[: self.grant(Quota.EVENTS, len(events))]:
            fact = StationEventsReported(station_id=self.station.station_id, events=kept)
            waits.append(self.services.ingest.submit(fact))
        await asyncio.gather(*waits)
        return _NOTIFY_EVENT_ANSWER

    @on(Action.log_status_notification)
    async def on_log_status_notification(
        self, *, status: str, request_id: int | None = None, **_: object
    ) -> call_result.LogStatusNotification:
        """Keep how far an upload is (N01.FR.07)."""
        if self.grant(Quota.TRANSFER_STEPS):
            await self.services.ingest.submit(
                LogStatusReported(
                    station_id=self.station.station_id,
                    request_id=named_request(request_id),
                    status=status,
                    reported_at=self.services.now(),
                )
            )
        return _LOG_STATUS_NOTIFICATION_ANSWER

    @sends(commands.GetLog)
    def get_log(self, command: commands.GetLog) -> call.GetLog:
        """N01."""
        request_id = command.request_id
        return call.GetLog(
            log=LogParametersType(
                remote_location=command.location,
                oldest_timestamp=command.since,
                latest_timestamp=command.until,
            ),
            log_type=LogEnumType(command.log_type),
            request_id=secrets.randbits(31) if request_id is None else request_id,
            retries=command.retries,
            retry_interval=command.retry_interval_s,
        )

    @answered(Action.get_log)
    def get_log_answered(self, call: AnsweredCall) -> Iterable[LogRequestAnswered]:
        """Keep what was asked and answered."""
        log: dict[str, Any] = call.request["log"]
        since, until = log.get("oldestTimestamp"), log.get("latestTimestamp")
        yield LogRequestAnswered(
            station_id=self.station.station_id,
            command_id=call.command_id,
            request_id=call.request["requestId"],
            action=Action.get_log,
            log_type=LogType(call.request["logType"]),
            location=log["remoteLocation"],
            since=parse_time(since, "oldestTimestamp") if since else None,
            until=parse_time(until, "latestTimestamp") if until else None,
            retries=call.request.get("retries"),
            retry_interval_s=call.request.get("retryInterval"),
            file_name=call.answer.get("filename") or None,
            answer_status=call.answer["status"],
        )

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


def _to_event(data: dict[str, Any], occurred_at: datetime) -> StationEvent:
    get = data.get
    name = to_name(data["component"], data["variable"])
    value = shown_value(name.key, data["actualValue"])
    return StationEvent(
        event_id=data["eventId"],
        occurred_at=occurred_at,
        trigger=data["trigger"],
        cause=get("cause"),
        name=name,
        actual_value=REDACTED if value is None else value,
        tech_code=get("techCode"),
        tech_info=shown_value(name.key, get("techInfo")),
        cleared=get("cleared"),
        transaction_id=get("transactionId"),
        variable_monitoring_id=get("variableMonitoringId"),
        notification_type=data["eventNotificationType"],
    )
