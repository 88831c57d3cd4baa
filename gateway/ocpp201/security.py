"""A. Security."""

from ocpp.v201 import call_result
from ocpp.v201.enums import Action

from gateway.handlers import Handlers
from gateway.routing import on
from gateway.translation import parse_time
from shared.domain.device_model import SecurityEventReported

_SECURITY_EVENT_NOTIFICATION_ANSWER = call_result.SecurityEventNotification()


class Security(Handlers):
    """SecurityEventNotification."""

    __slots__ = ()

    @on(Action.security_event_notification)
    async def on_security_event_notification(
        self,
        *,
        type: str,  # noqa: A002 - so it is called in the payload
        timestamp: str,
        tech_info: str | None = None,
        **_: object,
    ) -> call_result.SecurityEventNotification:
        """Keep a security event (A04)."""
        await self.services.ingest.submit(
            SecurityEventReported(
                station_id=self.station.station_id,
                type=type,
                occurred_at=parse_time(timestamp),
                tech_info=tech_info,
            )
        )
        return _SECURITY_EVENT_NOTIFICATION_ANSWER
