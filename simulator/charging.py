"""The words for a charge that every version of OCPP shares."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class ConnectorStatus(StrEnum):
    """Where a connector stands (1.6, 4.9); 2.0.1 folds five of these into Occupied."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    UNAVAILABLE = "Unavailable"


class StopReason(StrEnum):
    """Why a charge ended; each version has its own names for these."""

    LOCAL = "local"
    REMOTE = "remote"
    DEAUTHORIZED = "deauthorized"
    SOFT_RESET = "soft reset"
    HARD_RESET = "hard reset"
    UNLOCKED = "unlocked"


class SampleContext(StrEnum):
    """Why a reading was taken, in the names 1.6 (7.35) and 2.0.1 share."""

    BEGIN = "Transaction.Begin"
    PERIODIC = "Sample.Periodic"
    END = "Transaction.End"
    TRIGGER = "Trigger"


class MessageKind(StrEnum):
    """What a transaction-related message says (1.6, 3.7; 2.0.1 E: Started, Updated, Ended)."""

    STARTED = "started"
    METERED = "metered"
    ENDED = "ended"


class Reading(NamedTuple):
    """What a meter shows at one moment.

    Attributes:
        at: Seconds since the Unix epoch.
        energy_wh: Import register since the factory, whole watt-hours as meterStart needs them.
        power_w: Active power.
        current_a: Per phase.
        voltage_v: Phase to neutral, or the DC voltage.
        soc_percent: State of charge of the vehicle, None when there is none.
    """

    at: float
    energy_wh: int
    power_w: float
    current_a: float
    voltage_v: float
    soc_percent: float | None


@dataclass(slots=True, eq=False)
class Charge:
    """One transaction as the station knows it.

    Attributes:
        connector_id: Where, from 1.
        id_token: Whose.
        begin: Meter at the start.
        offline: Begun without a connection.
        transaction_id: Given by the CSMS in 1.6, by the station in 2.0.1; None until known.
        samples: Readings kept for the closing record, oldest first.
        end: Meter at the end, None while it runs.
        stop_reason: Why it ended, None while it runs.
    """

    connector_id: int
    id_token: str
    begin: Reading
    offline: bool
    transaction_id: int | str | None = None
    samples: list[Reading] = field(default_factory=list)
    end: Reading | None = None
    stop_reason: StopReason | None = None

    @property
    def ongoing(self) -> bool:
        """Whether it has not ended yet."""
        return self.end is None
