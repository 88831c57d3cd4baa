"""TriggerMessage (F06): the answer goes first, then what was asked for."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from simulator.charging import SampleContext
from simulator.connector import Connector
from simulator.dialect import (
    Accepted,
    Answer,
    BootReason,
    Clearance,
    RegistrationStatus,
    Request,
    Sequel,
)
from simulator.ocpp201.readings import meter_values
from simulator.ocpp201.transactions import CONNECTOR_ID, TransactionEvents
from simulator.rpc import Payload

if TYPE_CHECKING:
    from simulator.station import Station


class Triggers:
    """What a station sends when it is asked to."""

    def __init__(self, station: "Station", events: TransactionEvents) -> None:
        self._station = station
        self._events = events

    def answer(self, request: Payload) -> Answer:
        """Answer a TriggerMessageRequest."""
        message: str = request["requestedMessage"]
        then: Sequel | None
        match message:
            case "BootNotification":
                then = self._boot()
            case "Heartbeat":
                then = self._sends(self._station.dialect.heartbeat())
            case "LogStatusNotification" | "FirmwareStatusNotification":
                then = self._sends(Request(message, {"status": "Idle"}))  # F06.FR.15, F06.FR.16
            case "StatusNotification":
                then = self._statuses(request.get("evse"))
            case "MeterValues":
                then = self._meters(request.get("evse"))
            case "TransactionEvent":
                then = self._transactions(request.get("evse"))
            case _:  # Of functional blocks this station does not have (F06.FR.08).
                return Accepted({"status": "NotImplemented"})
        return Accepted({"status": "Rejected" if then is None else "Accepted"}, then)

    def _boot(self) -> Sequel | None:
        if self._station.registration is RegistrationStatus.ACCEPTED:
            return None  # F06.FR.17
        return lambda: self._station.boot(BootReason.TRIGGERED)

    def _statuses(self, evse: Payload | None) -> Sequel | None:
        # Told of one connector, so one has to be named (F06.FR.12).
        if evse is None or "connectorId" not in evse:
            return None
        chosen = self._chosen(evse)

        def report() -> None:
            for connector in chosen:
                connector.report(Clearance.TRIGGERED)

        return report if chosen else None

    def _meters(self, evse: Payload | None) -> Sequel | None:
        chosen = self._chosen(evse)
        if not chosen or not self._station.settings.measured_outside:
            return None
        return lambda: self._report_meters(chosen)

    def _report_meters(self, chosen: Iterable[Connector]) -> None:
        station = self._station
        measurands = station.settings.measured_outside  # F06.FR.06
        for connector in chosen:
            reading = connector.meter.read(station.context.now)
            values = meter_values(station.context, reading, SampleContext.TRIGGER, measurands)
            if values:  # None if it is only about the vehicle, and there is none.
                payload: Payload = {"evseId": connector.number, "meterValue": values}
                station.link.call(Request("MeterValues", payload, Clearance.TRIGGERED))

    def _transactions(self, evse: Payload | None) -> Sequel | None:
        chosen = [each for each in self._chosen(evse) if each.charge is not None]

        def report() -> None:
            now = self._station.context.now
            for connector in chosen:
                charge = connector.charge
                if charge is not None:  # It may have ended while the answer was held back.
                    reading = connector.meter.read(now)
                    event = self._events.triggered(charge, reading, connector.status)
                    self._station.link.queue(event)

        return report if chosen else None

    def _chosen(self, evse: Payload | None) -> list[Connector]:
        """Return the connectors of an EVSEType, or all if there is none (F06.FR.11)."""
        connectors = self._station.connectors
        if evse is None:
            return list(connectors.values())
        known = evse["id"] in connectors and evse.get("connectorId", CONNECTOR_ID) == CONNECTOR_ID
        return [connectors[evse["id"]]] if known else []

    def _sends(self, request: Request) -> Sequel:
        request.clearance = Clearance.TRIGGERED
        return lambda: self._station.link.call(request)
