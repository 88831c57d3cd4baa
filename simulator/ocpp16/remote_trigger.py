"""TriggerMessage (5.17) and ExtendedTriggerMessage (whitepaper, 5.5): the answer goes first."""

from typing import TYPE_CHECKING

from simulator.charging import SampleContext
from simulator.connector import Connector
from simulator.dialect import Answer, BootReason, Clearance, RegistrationStatus, Request
from simulator.ocpp16.answers import Handler, status
from simulator.ocpp16.firmware import firmware_status_now, log_status_now
from simulator.ocpp16.readings import meter_values
from simulator.rpc import Payload

if TYPE_CHECKING:
    from simulator.station import Station

TRIGGERS = (
    "BootNotification",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "StatusNotification",
)
EXTENDED_TRIGGERS = (
    "BootNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "SignChargePointCertificate",
    "StatusNotification",
)


class RemoteTrigger:
    """Both requests, and what they make the station send."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self.handlers: dict[str, Handler] = {
            "ExtendedTriggerMessage": self._extended_trigger_message,
            "TriggerMessage": self._trigger_message,
        }

    def _trigger_message(self, payload: Payload) -> Answer:
        """5.17."""
        return self._answer(payload, extended=False)

    def _extended_trigger_message(self, payload: Payload) -> Answer:
        """Whitepaper, 5.5."""
        return self._answer(payload, extended=True)

    def _answer(self, payload: Payload, *, extended: bool) -> Answer:
        station = self._station
        message: str = payload["requestedMessage"]
        number: int | None = payload.get("connectorId")
        accepted = station.registration is RegistrationStatus.ACCEPTED
        unknown = number not in {None, 0, *station.connectors}
        if (message == "BootNotification" and accepted) or (  # Errata 3.35.
            message in {"StatusNotification", "MeterValues"} and unknown
        ):
            return status("Rejected")
        return status("Accepted", lambda: self._send_triggered(message, number, extended=extended))

    def _send_triggered(self, message: str, number: int | None, *, extended: bool) -> None:
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
            case "SignChargePointCertificate":
                csr = station.keys.make_signing_request(station.settings.cpo_name)
                self._send(station.dialect.sign_certificate(csr))
            case "FirmwareStatusNotification":
                self._send(firmware_status_now(station, signed=extended))
            case _:  # LogStatusNotification and DiagnosticsStatusNotification
                self._send(log_status_now(station, diagnostics=not extended))

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
