"""What stations tell about themselves: variables of components, and events (OCPP 2.0.1 part 1 §4).

A station is made of components: itself, its EVSEs, connectors, controllers. Each has variables, and
each variable up to four attributes, such as its actual value and the highest it may be set to.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentVariable:
    """Names a variable of a component; EVSE and connector are None for one of the whole station."""

    component: str
    component_instance: str | None = None
    evse_id: int | None = None
    connector_id: int | None = None
    variable: str
    variable_instance: str | None = None

    @property
    def key(self) -> str:
        """The name as in a command's key, without the EVSE."""
        component_instance = f"[{self.component_instance}]" if self.component_instance else ""
        instance = f"[{self.variable_instance}]" if self.variable_instance else ""
        return f"{self.component}{component_instance}.{self.variable}{instance}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableAttribute:
    """One attribute of a variable with what describes it (B07, B08).

    `value` is None where the station has none, or may not tell it.
    """

    name: ComponentVariable
    type: str
    value: str | None
    mutability: str
    persistent: bool
    constant: bool
    unit: str | None
    data_type: str | None
    min_limit: Decimal | None
    max_limit: Decimal | None
    values_list: str | None
    supports_monitoring: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariablesReported:
    """The station told a part of its variables (NotifyReport), because `request_id` asked it to."""

    station_id: str
    epoch: int
    request_id: int
    generated_at: datetime
    attributes: list[VariableAttribute]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableValue:
    """What one attribute of a variable is; `value` is None where it may not be kept."""

    name: ComponentVariable
    type: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableValuesTold:
    """The station told values that it was asked for (B06), or took new ones (B05).

    What else is to be known of a variable is reported. `taken` are new ones: of a variable that was
    never told it is not known whether its value may be kept, so that it is not.
    """

    station_id: str
    epoch: int
    told_at: datetime
    taken: bool
    values: list[VariableValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class StationEvent:
    """A variable changed or crossed a limit (EventDataType); `cause` is another event's id."""

    event_id: int
    occurred_at: datetime
    trigger: str
    cause: int | None
    name: ComponentVariable
    actual_value: str
    tech_code: str | None
    tech_info: str | None
    cleared: bool | None
    transaction_id: str | None
    variable_monitoring_id: int | None
    notification_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StationEventsReported:
    """The station told of events (NotifyEvent, N07)."""

    station_id: str
    events: list[StationEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEventReported:
    """Something happened that concerns the station's security (A04)."""

    station_id: str
    type: str
    occurred_at: datetime
    tech_info: str | None
