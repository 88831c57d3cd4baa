"""Asks a station to boot that speaks without having done so (OCPP 1.6 §4.2, 2.0.1 B01.FR.10).

Whatever else it says is refused until it has, and some stations send a BootNotification after a
power cycle only: they would be refused for weeks. What it said is not lost by that: a station says
again what was answered with an error, or has kept it.
"""

import asyncio
import math
import time
from uuid import uuid4

import structlog

from gateway.answer_frames import CallResult
from gateway.errors import ConnectionLostError, TooLateError
from gateway.handlers import Handlers
from gateway.outgoing_calls import OutgoingCalls
from gateway.routing import Protocol
from shared.domain.commands import MessageTrigger, TriggerMessage

log = structlog.get_logger()

_ACCEPTED = "Accepted"


class BootRequests:
    """Asks one station, over one connection.

    It is not asked again before the time after which a station boots again that was not accepted.

    Args:
        handlers: of the connection.
        protocol: the version that both speak.
        calls: to the station.
    """

    __slots__ = (
        "_again_at_s",
        "_asking",
        "_calls",
        "_interval_s",
        "_message",
        "_station_id",
        "_timeout_s",
    )

    def __init__(self, handlers: Handlers, protocol: Protocol, calls: OutgoingCalls) -> None:
        settings = handlers.services.settings
        self._station_id = handlers.station.station_id
        self._calls = calls
        self._message = protocol.encode_command(
            handlers, TriggerMessage(requested_message=MessageTrigger.BOOT_NOTIFICATION)
        )
        self._interval_s = settings.boot_retry_interval_s
        self._timeout_s = settings.call_timeout_s
        self._asking: asyncio.Task[None] | None = None
        self._again_at_s = 0.0

    def make(self) -> None:
        """Ask at once, unless it was asked a short while ago or has said that it does not do it."""
        if self._asking is not None or time.monotonic() < self._again_at_s:
            return
        self._asking = asyncio.create_task(self._make())

    async def stop(self) -> None:
        """Ask no more: the connection has ended."""
        self._again_at_s = math.inf
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _make(self) -> None:
        self._again_at_s = time.monotonic() + self._interval_s
        log.info("a station that has not booted is asked to", station_id=self._station_id)
        action, payload = self._message
        try:
            answer = await self._calls.call(
                str(uuid4()),
                action,
                payload,
                send_by_s=self._again_at_s,
                timeout_s=self._timeout_s,
            )
        except (ConnectionLostError, TooLateError, TimeoutError):
            return
        finally:
            self._asking = None
        if not isinstance(answer, CallResult) or answer.payload.get("status") != _ACCEPTED:
            # It has no triggers, or not this one: somebody has to restart it.
            self._again_at_s = math.inf
            log.warning(
                "a station has not booted, is refused everything else, and cannot be asked to: "
                "restart it",
                station_id=self._station_id,
                outcome=answer.outcome,
            )
