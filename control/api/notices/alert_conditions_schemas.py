"""What makes an alert, in the words of the API: one schema for each kind."""

from typing import Annotated, Any, Literal

from pydantic import Field

from control.api.types import RequestBody
from shared.domain.notices import alerts as domain
from shared.domain.notices.alerts import AlertKind, HealingStep

_DAY_S = 86_400
_MONTH_S = 30 * _DAY_S
_KIND = "kind"

_Duration = Annotated[float, Field(ge=0, le=_MONTH_S)]
_Window = Annotated[
    float, Field(ge=60, le=_DAY_S, description="what happened so long ago or later counts")
]


class SelfHealing(RequestBody):
    """What is done about an alert by itself. The steps stand in the alert."""

    steps: Annotated[
        list[HealingStep],
        Field(
            min_length=1,
            max_length=len(HealingStep),
            description="taken in this order, whatever order they are named in: ask the station "
            "for its status, restart it when nobody charges there, open a ticket by the event "
            "ticket.opened",
        ),
    ] = Field(default=list(HealingStep))
    wait_s: Annotated[float, Field(ge=30, le=_DAY_S)] = Field(
        default=120, description="before the first step, and from each to the next"
    )
    max_resets_per_day: Annotated[int, Field(ge=1, le=24)] = Field(
        default=2, description="of one station in 24 hours, by all rules together"
    )


class StationOffline(RequestBody):
    """A station has been offline for long. One that never came is none."""

    kind: Literal[AlertKind.STATION_OFFLINE]
    longer_than_s: _Duration = 900


class ConnectorFaulted(RequestBody):
    """A connector, or the station as such, is faulted."""

    kind: Literal[AlertKind.CONNECTOR_FAULTED]
    longer_than_s: _Duration = 120
    self_healing: SelfHealing | None = None


class StuckSession(RequestBody):
    """A session does not end, or takes no energy although its station tells its meter."""

    kind: Literal[AlertKind.STUCK_SESSION]
    longer_than_s: Annotated[float, Field(ge=60, le=_MONTH_S)] = Field(
        default=7 * _DAY_S, description="so long after its start it is, whatever it takes"
    )
    no_energy_for_s: Annotated[float, Field(ge=60, le=_DAY_S)] | None = Field(
        default=None, description="or if it took less than `less_than_wh` in this time"
    )
    less_than_wh: Annotated[float, Field(gt=0, le=1_000_000)] = 100


class NoSuccessfulStart(RequestBody):
    """A station is online, and no session has begun there for long."""

    kind: Literal[AlertKind.NO_SUCCESSFUL_START]
    for_s: Annotated[float, Field(ge=3600, le=_MONTH_S)] = 7 * _DAY_S


class CallErrors(RequestBody):
    """Many of the messages to and from a station end otherwise than in a CALLRESULT."""

    kind: Literal[AlertKind.CALL_ERRORS]
    more_than_percent: Annotated[float, Field(ge=0, lt=100)] = 20
    at_least_failures: Annotated[int, Field(ge=1, le=100_000)] = 10
    within_s: _Window = 900


class CertificateExpiring(RequestBody):
    """A client certificate expires, and there is none that lasts longer."""

    kind: Literal[AlertKind.CERTIFICATE_EXPIRING]
    within_s: Annotated[float, Field(ge=3600, le=365 * _DAY_S)] = Field(
        default=14 * _DAY_S, description="it expires so soon"
    )


class Flapping(RequestBody):
    """A station connects again and again."""

    kind: Literal[AlertKind.FLAPPING]
    more_than: Annotated[int, Field(ge=1, le=100_000, description="connections")] = 10
    within_s: _Window = 3600


class UnknownCommandOutcome(RequestBody):
    """A command was sent and not answered, and may have been carried out: somebody has to look."""

    kind: Literal[AlertKind.UNKNOWN_COMMAND_OUTCOME]
    within_s: Annotated[float, Field(ge=60, le=_MONTH_S)] = Field(
        default=_DAY_S, description="for so long it is an alert"
    )


class DiskSpace(RequestBody):
    """A disk that the worker sees is nearly full. Of the default organization alone."""

    kind: Literal[AlertKind.DISK_SPACE]
    free_below_percent: Annotated[float, Field(gt=0, le=100)] = 10


class Partitions(RequestBody):
    """A table has no partitions for the days to come. Of the default organization alone."""

    kind: Literal[AlertKind.PARTITIONS]
    days_ahead_below: Annotated[int, Field(ge=1, le=60)] = Field(
        default=2, description="days that have one, today included"
    )


Condition = Annotated[
    StationOffline
    | ConnectorFaulted
    | StuckSession
    | NoSuccessfulStart
    | CallErrors
    | CertificateExpiring
    | Flapping
    | UnknownCommandOutcome
    | DiskSpace
    | Partitions,
    Field(discriminator=_KIND, description="what makes an alert"),
]


def stored_condition(condition: RequestBody) -> dict[str, Any]:
    """Return what a condition says, by the columns of a rule."""
    parameters = condition.model_dump(exclude={_KIND, "self_healing"}, exclude_none=True)
    healing: SelfHealing | None = getattr(condition, "self_healing", None)
    return {
        "kind": getattr(condition, _KIND),
        "parameters": parameters,
        "self_healing": healing
        and domain.SelfHealing(
            steps=tuple(step for step in HealingStep if step in healing.steps),
            wait_s=healing.wait_s,
            max_resets_per_day=healing.max_resets_per_day,
        ),
    }


def shown_condition(rule: domain.AlertRule) -> dict[str, Any]:
    """Return the condition of a rule."""
    healing = rule.self_healing
    condition: dict[str, Any] = {_KIND: rule.kind, **rule.parameters}
    if healing is not None:
        condition["self_healing"] = {
            "steps": list(healing.steps),
            "wait_s": healing.wait_s,
            "max_resets_per_day": healing.max_resets_per_day,
        }
    return condition
