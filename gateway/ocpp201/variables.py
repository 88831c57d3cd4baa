"""How components and variables are written: in OCPP 2.0.1, in the domain, and in a command's key.

A key of `GetConfiguration` and `ChangeConfiguration` is written like this::

    OCPPCommCtrlr.HeartbeatInterval          variable of a component
    DeviceDataCtrlr.ItemsPerMessage[GetReport]   instance of a variable
    TokenReader[Left].Enabled                instance of a component
    EVSE(2).Power                            component of EVSE 2
    Connector(2,1).AvailabilityState         component of connector 1 of EVSE 2
    EVSE(2).Power/MaxSet                     another attribute than Actual
"""

import re
from typing import Any

from ocpp.v201.datatypes import ComponentType, EVSEType, VariableType
from ocpp.v201.enums import AttributeEnumType

from gateway.errors import CannotBeSaidError
from shared.domain.stations.device_model import ComponentVariable

# None of ( ) [ ] / may occur in an identifierString (part 2 §2.1.4), so the parts are unambiguous.
# A point may, but no standard component has one: whatever is behind the first is the variable.
_KEY = re.compile(
    r"""
    (?P<component> [^.()\[\]/]+ )
    (?: \( (?P<evse_id> [0-9]{1,9} ) (?: , (?P<connector_id> [0-9]{1,9} ) )? \) )?
    (?: \[ (?P<component_instance> [^\[\]]+ ) \] )?
    \.
    (?P<variable> [^()\[\]/]+ )
    (?: \[ (?P<variable_instance> [^\[\]]+ ) \] )?
    (?: / (?P<attribute> [A-Za-z]+ ) )?
    """,
    re.VERBOSE,
)


def parse_key(key: str) -> tuple[ComponentType, VariableType, AttributeEnumType | None]:
    """Read the key of a command.

    Returns:
        Component, variable, and the attribute; None for the default, Actual.

    Raises:
        CannotBeSaidError: it is not written so; the message says how.
    """
    found = _KEY.fullmatch(key)
    if found is None:
        raise CannotBeSaidError(
            f"OCPP 2.0.1 has no key {key!r}: write Component.Variable, such as "
            "OCPPCommCtrlr.HeartbeatInterval, EVSE(1).Power or "
            "DeviceDataCtrlr.ItemsPerMessage[GetReport]"
        )
    evse_id, connector_id = found["evse_id"], found["connector_id"]
    attribute = found["attribute"]
    if attribute is not None and attribute not in set(AttributeEnumType):
        raise CannotBeSaidError(
            f"{key!r} asks for the attribute {attribute!r}: there are Actual, Target, MinSet and "
            "MaxSet"
        )
    return (
        ComponentType(
            name=found["component"],
            instance=found["component_instance"],
            evse=EVSEType(int(evse_id), connector_id and int(connector_id)) if evse_id else None,
        ),
        VariableType(name=found["variable"], instance=found["variable_instance"]),
        AttributeEnumType(attribute) if attribute else None,
    )


def to_name(component: dict[str, Any], variable: dict[str, Any]) -> ComponentVariable:
    """Translate ComponentType and VariableType; an empty instance is none (B06.FR.15)."""
    evse = component.get("evse", {})
    return ComponentVariable(
        component=component["name"],
        component_instance=component.get("instance") or None,
        evse_id=evse.get("id"),
        connector_id=evse.get("connectorId"),
        variable=variable["name"],
        variable_instance=variable.get("instance") or None,
    )
