"""The device model of OCPP 2.0.1: how its components and variables are found, read and set.

Which there are stands in `components`. All are views onto the station; each has the one attribute
Actual.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.rpc import Payload
from simulator.textual import Textual

if TYPE_CHECKING:
    from simulator.station import Station

_ACTUAL = "Actual"
_HIDDEN = "***"
_SECRET_VARIABLES = frozenset({"basicauthpassword"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of a component (VariableType 2.53, VariableCharacteristicsType 2.51).

    Attributes:
        name: In its usual spelling; compared without regard to case.
        instance: Tells several of the same name apart; empty for the only one.
        value: How it is read and set.
        data_type: DataEnumType.
        unit: Of the value.
        minimum: Lowest value, or None.
        maximum: Highest value, or longest text, or None.
        choices: What it can be, or hold.
    """

    name: str
    value: Textual
    instance: str = ""
    data_type: str = "string"
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def mutability(self) -> str:
        """MutabilityEnumType (3.58)."""
        if self.value.read is None:
            return "WriteOnly"
        return "ReadOnly" if self.value.write is None else "ReadWrite"

    def characteristics(self) -> Payload:
        """Return a VariableCharacteristicsType."""
        optional = {
            "unit": self.unit,
            "minLimit": self.minimum,
            "maxLimit": self.maximum,
            "valuesList": ",".join(self.choices) or None,
        }
        told = {name: value for name, value in optional.items() if value is not None}
        return {"dataType": self.data_type, "supportsMonitoring": False, **told}


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A component (ComponentType, 2.16).

    Attributes:
        name: In its usual spelling; compared without regard to case.
        variables: What it has.
        evse_id: The EVSE it belongs to, or None.
        connector_id: The connector of that EVSE it belongs to, or None.
    """

    name: str
    variables: tuple[Variable, ...]
    evse_id: int | None = None
    connector_id: int | None = None

    def as_payload(self) -> Payload:
        """Return a ComponentType."""
        payload: Payload = {"name": self.name}
        if self.evse_id is not None:
            payload["evse"] = {"id": self.evse_id}
            if self.connector_id is not None:
                payload["evse"]["connectorId"] = self.connector_id
        return payload


def get_variable(station: "Station", components: Iterable[Component], asked: Payload) -> Payload:
    """Read one variable.

    Args:
        station: Whose.
        components: What it has.
        asked: A GetVariableDataType (2.25).

    Returns:
        The GetVariableResultType (B06).
    """
    result = _echo(asked)
    variable = _find(components, asked)
    if isinstance(variable, str):
        return {"attributeStatus": variable, **result}
    if variable.value.read is None:
        status = {"attributeStatus": "Rejected", "attributeStatusInfo": {"reasonCode": "WriteOnly"}}
        return {**status, **result}  # B06.FR.09
    value = variable.value.read(station)
    return {"attributeStatus": "Accepted", "attributeValue": value, **result}


def set_variable(station: "Station", components: Iterable[Component], wanted: Payload) -> Payload:
    """Set one variable.

    Args:
        station: Whose.
        components: What it has.
        wanted: A SetVariableDataType (2.44).

    Returns:
        The SetVariableResultType (B05).
    """
    result = _echo(wanted)
    variable = _find(components, wanted)
    if isinstance(variable, str):
        return {"attributeStatus": variable, **result}
    if variable.value.write is None:
        why = "ReadOnly"  # B05.FR.09
    elif not variable.value.write(station, wanted["attributeValue"]):
        why = "InvalidValue"  # B05.FR.07, B05.FR.08
    else:
        return {"attributeStatus": "Accepted", **result}
    return {"attributeStatus": "Rejected", "attributeStatusInfo": {"reasonCode": why}, **result}


def redacted(payload: Payload) -> Payload:
    """Return a SetVariablesRequest, checked or not, without what may not be shown (A01.FR.12)."""
    wanted = payload.get("setVariableData")
    if not isinstance(wanted, list):
        # Who knows what stands in it.
        return dict.fromkeys(payload, _HIDDEN)
    return {**payload, "setVariableData": [_redacted_item(each) for each in wanted]}


def _redacted_item(wanted: object) -> object:
    match wanted:
        case {"variable": {"name": str(name)}, "attributeValue": _} if (
            name.lower() not in _SECRET_VARIABLES
        ):
            return wanted
        case dict():
            return {**wanted, "attributeValue": _HIDDEN}
        case _:
            return _HIDDEN


def _echo(asked: Payload) -> Payload:
    """Return what a result repeats (B05.FR.02, B05.FR.12, B06.FR.02, B06.FR.11)."""
    return {
        "attributeType": asked.get("attributeType", _ACTUAL),
        "component": asked["component"],
        "variable": asked["variable"],
    }


def _find(components: Iterable[Component], asked: Payload) -> Variable | str:
    """Return the variable that is asked for, or the status that says why there is none."""
    component = _find_component(components, asked["component"])
    if component is None:
        return "UnknownComponent"
    name = asked["variable"]["name"].lower()
    instance = asked["variable"].get("instance", "").lower()
    for variable in component.variables:
        if variable.name.lower() == name and variable.instance.lower() == instance:
            known = asked.get("attributeType", _ACTUAL) == _ACTUAL
            return variable if known else "NotSupportedAttributeType"
    return "UnknownVariable"


def _find_component(components: Iterable[Component], asked: Payload) -> Component | None:
    name, evse = asked["name"].lower(), asked.get("evse", {})
    if asked.get("instance"):
        return None  # No component of this station has instances.
    place = evse.get("id"), evse.get("connectorId")
    for component in components:
        if component.name.lower() == name and place == (
            component.evse_id,
            component.connector_id,
        ):
            return component
    return None
