"""What a CSMS may ask of an OCPP 1.6 station (chapter 5, and the security whitepaper)."""

from typing import TYPE_CHECKING

from simulator.dialect import Answer, Refused
from simulator.errors import UnreadableMoment
from simulator.ocpp16.answers import Handler, status
from simulator.ocpp16.core import Core
from simulator.ocpp16.firmware import FirmwareManagement
from simulator.ocpp16.local_auth_list import LocalAuthList
from simulator.ocpp16.remote_trigger import EXTENDED_TRIGGERS, TRIGGERS, RemoteTrigger
from simulator.ocpp16.reservation import ReservationProfile
from simulator.ocpp16.security import Security
from simulator.ocpp16.smart_charging import SmartCharging
from simulator.rpc import Payload
from simulator.schemas import Violation, first_violation

if TYPE_CHECKING:
    from simulator.station import Station

#: What can be triggered: anything else is NotImplemented (5.17), though the schemas know no others.
_TRIGGERS = {"TriggerMessage": TRIGGERS, "ExtendedTriggerMessage": EXTENDED_TRIGGERS}

_ERROR_CODES = {
    # The spelling is the specification's (OCPP-J 1.6 errata 5.1).
    Violation.MISSING: "OccurenceConstraintViolation",
    Violation.TYPE: "TypeConstraintViolation",
    Violation.VALUE: "PropertyConstraintViolation",
    Violation.SHAPE: "FormationViolation",
}


class Commands:
    """The requests of the CSMS, of all profiles."""

    def __init__(self, station: "Station") -> None:
        profiles = (
            Core(station),
            FirmwareManagement(station),
            LocalAuthList(station),
            RemoteTrigger(station),
            ReservationProfile(station),
            Security(station),
            SmartCharging(station),
        )
        self._handlers: dict[str, Handler] = {}
        for profile in profiles:
            self._handlers |= profile.handlers

    def answer(self, action: str, payload: Payload) -> Answer:
        """Check a request and carry it out.

        Args:
            action: OCPP action.
            payload: Its payload, unchecked.

        Returns:
            The conf, or the CALLERROR that OCPP-J 1.6, table 7 asks for.
        """
        handler = self._handlers.get(action)
        if handler is None:
            return Refused("NotImplemented", f"{action[:50]} is no request to a station")
        if action in _TRIGGERS and payload.get("requestedMessage") not in _TRIGGERS[action]:
            return status("NotImplemented")
        if violation := first_violation("v16", action, payload):
            kind, problem = violation
            return Refused(_ERROR_CODES[kind], problem[:255])
        try:
            return handler(payload)
        except UnreadableMoment as error:
            return Refused("PropertyConstraintViolation", str(error))
