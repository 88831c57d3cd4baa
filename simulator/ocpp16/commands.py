"""What a CSMS may ask of an OCPP 1.6 station (chapter 5)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from simulator.charging import IdToken, SampleContext, StopReason
from simulator.connector import Connector
from simulator.dialect import (
    Accepted,
    Answer,
    BootReason,
    Clearance,
    Refused,
    RegistrationStatus,
    Request,
    Sequel,
)
from simulator.ocpp16.configuration import change_configuration, get_configuration
from simulator.ocpp16.readings import meter_values
from simulator.operating import charging_on, start_charging, stop_charging
from simulator.rpc import Payload
from simulator.schemas import Violation, first_violation

if TYPE_CHECKING:
    from simulator.station import Station

#: Actions of profiles this station does not have: known, so NotSupported (OCPP-J 1.6, table 7).
_OTHER_PROFILES = frozenset(
    {
        "CancelReservation",
        "CertificateSigned",
        "ClearChargingProfile",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetCompositeSchedule",
        "GetDiagnostics",
        "GetInstalledCertificateIds",
        "GetLocalListVersion",
        "GetLog",
        "InstallCertificate",
        "ReserveNow",
        "SendLocalList",
        "SetChargingProfile",
        "SignedUpdateFirmware",
        "UpdateFirmware",
    }
)

_TRIGGERS = (
    "BootNotification",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "StatusNotification",
)

_ERROR_CODES = {
    # The spelling is the specification's (OCPP-J 1.6 errata 5.1).
    Violation.MISSING: "OccurenceConstraintViolation",
    Violation.TYPE: "TypeConstraintViolation",
    Violation.VALUE: "PropertyConstraintViolation",
    Violation.SHAPE: "FormationViolation",
}


def _status(status: str, then: Sequel | None = None) -> Accepted:
    return Accepted({"status": status}, then)


def _accepted_if(then: Sequel | None) -> Accepted:
    return _status("Rejected" if then is None else "Accepted", then)


class Commands:
    """The requests of the CSMS, one method each."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self._handlers: dict[str, Callable[[Payload], Answer]] = {
            "ChangeAvailability": self._change_availability,
            "ChangeConfiguration": self._change_configuration,
            "ClearCache": self._clear_cache,
            "DataTransfer": self._data_transfer,
            "GetConfiguration": self._get_configuration,
            "RemoteStartTransaction": self._remote_start_transaction,
            "RemoteStopTransaction": self._remote_stop_transaction,
            "Reset": self._reset,
            "TriggerMessage": self._trigger_message,
            "UnlockConnector": self._unlock_connector,
        }

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
            if action in _OTHER_PROFILES:
                return Refused("NotSupported", f"this station has no {action}")
            return Refused("NotImplemented", f"{action[:50]} is no request to a station")
        if action == "TriggerMessage" and payload.get("requestedMessage") not in _TRIGGERS:
            return _status("NotImplemented")  # 5.17, although the schema knows no others.
        if violation := first_violation("v16", action, payload):
            kind, problem = violation
            return Refused(_ERROR_CODES[kind], problem[:255])
        return handler(payload)

    def _change_availability(self, payload: Payload) -> Answer:
        """5.2; connector 0 is the station with all its connectors."""
        station = self._station
        number: int = payload["connectorId"]
        operative = payload["type"] == "Operative"
        if number != 0 and number not in station.connectors:
            return _status("Rejected")
        chosen = list(station.connectors.values()) if number == 0 else [station.connectors[number]]
        scheduled = not operative and charging_on(chosen)

        def change() -> None:
            if number == 0 and station.operative != operative:
                station.operative = operative
                station.report_status()
            for connector in chosen:
                connector.change_availability(operative=operative)

        return _status("Scheduled" if scheduled else "Accepted", change)

    def _change_configuration(self, payload: Payload) -> Answer:
        """5.3; a new AuthorizationKey is used at once, on a new connection (whitepaper, A01)."""
        station = self._station
        old_password = station.password
        status = change_configuration(station, payload["key"], payload["value"])
        if station.password != old_password:
            return _status(status, station.reconnect)
        return _status(status)

    def _clear_cache(self, payload: Payload) -> Answer:
        """5.4."""
        del payload
        return _status("Accepted" if self._station.tokens.clear() else "Rejected")

    def _data_transfer(self, payload: Payload) -> Answer:
        """5.6; no vendor extension is implemented."""
        del payload
        return _status("UnknownVendorId")

    def _get_configuration(self, payload: Payload) -> Answer:
        """5.8."""
        return Accepted(get_configuration(self._station, payload.get("key", [])))

    def _remote_start_transaction(self, payload: Payload) -> Answer:
        """5.11; a charging profile is ignored, as stations without smart charging should."""
        id_token = IdToken(payload["idTag"])
        return _accepted_if(
            start_charging(self._station, id_token, connector_id=payload.get("connectorId"))
        )

    def _remote_stop_transaction(self, payload: Payload) -> Answer:
        """5.12."""
        return _accepted_if(stop_charging(self._station, payload["transactionId"]))

    def _reset(self, payload: Payload) -> Answer:
        """5.14."""
        soft = payload["type"] == "Soft"
        reason = StopReason.ORDERLY_RESET if soft else StopReason.IMMEDIATE_RESET
        return _status("Accepted", lambda: self._station.restarting.begin(reason, told=soft))

    def _unlock_connector(self, payload: Payload) -> Answer:
        """5.18; an unknown connector is NotSupported (errata 3.87)."""
        connector = self._station.connectors.get(payload["connectorId"])
        if connector is None:
            return _status("NotSupported")
        if connector.charge is not None:
            return _status("Unlocked", lambda: connector.stop(StopReason.UNLOCKED))
        return _status("Unlocked")

    # Triggers

    def _trigger_message(self, payload: Payload) -> Answer:
        """5.17; the answer goes first, then what was asked for."""
        station = self._station
        message: str = payload["requestedMessage"]
        number: int | None = payload.get("connectorId")
        accepted = station.registration is RegistrationStatus.ACCEPTED
        unknown = number not in {None, 0, *station.connectors}
        if (message == "BootNotification" and accepted) or (  # Errata 3.35.
            message in {"StatusNotification", "MeterValues"} and unknown
        ):
            return _status("Rejected")
        return _status("Accepted", lambda: self._send_triggered(message, number))

    def _send_triggered(self, message: str, number: int | None) -> None:
        station = self._station
        match message:
            case "BootNotification":
                station.boot(BootReason.TRIGGERED)
            case "Heartbeat":
                self._send(station.dialect.heartbeat())
            case "StatusNotification":
                self._report_status(number)
            case "MeterValues":
                self._report_meters(number)
            case _:  # DiagnosticsStatusNotification and FirmwareStatusNotification: 4.4, 4.5
                self._send(Request(message, {"status": "Idle"}))

    def _send(self, request: Request) -> None:
        request.clearance = Clearance.TRIGGERED
        self._station.link.call(request)

    def _report_status(self, number: int | None) -> None:
        if number in {None, 0}:
            self._station.report_status(Clearance.TRIGGERED)
        for connector in self._station.connectors.values():
            if number in {None, connector.number}:
                connector.report(Clearance.TRIGGERED)

    def _report_meters(self, number: int | None) -> None:
        # The main meter (connector 0) is the sum of all connectors, told one by one.
        for connector in self._station.connectors.values():
            if number in {None, 0, connector.number}:
                self._report_meter(connector)

    def _report_meter(self, connector: Connector) -> None:
        """Send the latest readings; they are not part of the record of the transaction."""
        station = self._station
        reading = connector.meter.read(station.context.now)
        payload: Payload = {"connectorId": connector.number}
        if connector.charge is not None and isinstance(connector.charge.transaction_id, int):
            payload["transactionId"] = connector.charge.transaction_id
        payload["meterValue"] = meter_values(
            station.context, reading, SampleContext.TRIGGER, station.settings.sampled
        )
        if payload["meterValue"]:
            station.link.call(Request("MeterValues", payload, Clearance.TRIGGERED))
