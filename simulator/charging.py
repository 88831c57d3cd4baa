"""The words for a charge that every version of OCPP shares."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

#: IdTokenEnumType of 2.0.1: the type of an RFID card, which is all that 1.6 knows.
RFID_CARD = "ISO14443"


class IdToken(NamedTuple):
    """What a driver identifies with.

    Attributes:
        value: As it was presented.
        type: Of which sort it is, in the names of 2.0.1 (IdTokenEnumType).
    """

    value: str
    type: str = RFID_CARD


class ConnectorStatus(StrEnum):
    """Where a connector stands (1.6, 4.9).

    2.0.1 tells this in two ways: as the status of the connector, where all from PREPARING to
    FINISHING are Occupied, and as the charging state of a transaction.
    """

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"


class StopReason(StrEnum):
    """Why a charge ended; each version has its own names for these."""

    LOCAL = "local"
    REMOTE = "remote"
    DEAUTHORIZED = "deauthorized"
    ORDERLY_RESET = "orderly reset"
    IMMEDIATE_RESET = "immediate reset"
    UNLOCKED = "unlocked"


class Loss(StrEnum):
    """Why a reservation ended that nobody has used, in the names of 2.0.1."""

    EXPIRED = "Expired"
    REMOVED = "Removed"


class SampleContext(StrEnum):
    """Why a reading was taken, in the names 1.6 (7.35) and 2.0.1 share."""

    BEGIN = "Transaction.Begin"
    PERIODIC = "Sample.Periodic"
    END = "Transaction.End"
    CLOCK = "Sample.Clock"
    TRIGGER = "Trigger"


class MessageKind(StrEnum):
    """What a transaction-related message says.

    1.6 (3.7) has one message each for the first three. 2.0.1 (E) says Updated for what is neither
    the start nor the end.
    """

    STARTED = "started"
    METERED = "metered"
    STATE_CHANGED = "state changed"
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
        remote_start_id: Of the request that started it, if it was one that 2.0.1 numbers.
        reservation_id: Of the reservation that it has used, if there was one.
        transaction_id: Given by the CSMS in 1.6, by the station in 2.0.1; None until known.
        messages: How many transaction-related messages there have been; 2.0.1 counts them.
        samples: Readings kept for the closing record, oldest first.
        end: Meter at the end, None while it runs.
        stop_reason: Why it ended, None while it runs.
    """

    connector_id: int
    id_token: IdToken
    begin: Reading
    offline: bool
    remote_start_id: int | None = None
    reservation_id: int | None = None
    transaction_id: int | str | None = None
    messages: int = 0
    samples: list[Reading] = field(default_factory=list)
    end: Reading | None = None
    stop_reason: StopReason | None = None

    @property
    def ongoing(self) -> bool:
        """Whether it has not ended yet."""
        return self.end is None
