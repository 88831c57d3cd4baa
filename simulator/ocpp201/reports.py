"""GetBaseReport, and the NotifyReports that follow it (B07)."""

from typing import TYPE_CHECKING

from simulator.dialect import Accepted, Clearance, Request
from simulator.ocpp201.components import components
from simulator.ocpp201.device_model import Component, Variable
from simulator.rpc import Payload

if TYPE_CHECKING:
    from simulator.station import Station

#: Variables per NotifyReport. Real stations have little memory, so reports come in many parts.
PART_SIZE = 20

#: What tells whether the station can be used, and what is wrong with it (B07.FR.09).
_CONDITION = {"AvailabilityState", "Problem"}


def base_report(station: "Station", request: Payload) -> Accepted:
    """Answer a GetBaseReportRequest; all three reports are there.

    The parts follow one another, each when the one before it is confirmed. A station that is not
    accepted yet reports as well (B02.FR.02).
    """
    data = _report_data(station, request["reportBase"])

    def report() -> None:
        generated_at = station.context.timestamp()
        for number, begin in enumerate(range(0, len(data), PART_SIZE)):
            payload: Payload = {
                "requestId": request["requestId"],
                "generatedAt": generated_at,
                "seqNo": number,  # B07.FR.10
                "tbc": begin + PART_SIZE < len(data),
                "reportData": data[begin : begin + PART_SIZE],
            }
            station.link.call(Request("NotifyReport", payload, Clearance.TRIGGERED))

    return Accepted({"status": "Accepted"}, report)


def _report_data(station: "Station", base: str) -> list[Payload]:
    """Return a list of ReportDataType (2.38)."""
    return [
        _entry(station, component, variable)
        for component in components(station)
        for variable in component.variables
        if _belongs(variable, base)
    ]


def _belongs(variable: Variable, base: str) -> bool:
    match base:
        case "ConfigurationInventory":
            return variable.mutability != "ReadOnly"  # B07.FR.07: what can be set.
        case "SummaryInventory":
            return variable.name in _CONDITION
        case _:
            return True


def _entry(station: "Station", component: Component, variable: Variable) -> Payload:
    attribute: Payload = {
        "type": "Actual",
        "mutability": variable.mutability,
        "persistent": variable.value.write is not None,
        "constant": False,
    }
    if variable.value.read is not None:
        attribute["value"] = variable.value.read(station)
    named: Payload = {"name": variable.name}
    if variable.instance:
        named["instance"] = variable.instance
    return {
        "component": component.as_payload(),
        "variable": named,
        "variableAttribute": [attribute],
        "variableCharacteristics": variable.characteristics(),
    }
