"""What stations say of their transactions, which is what sessions are made of."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.sessions.meter_values import MeterValue, import_registers

# Ranks below keep the events' order within 33 bits, because a sequence number has 32.
_UNCERTAIN = 2**33
# The register at the end is read when that is told, and may be stamped then. What is stamped later
# was taken after the charge, perhaps during another one.
_AFTER_END = timedelta(minutes=5)


def is_certain(rank: int | None) -> bool:
    """Tell whether a register was told as that of the start or end, and does not stand for it."""
    return rank is not None and rank < _UNCERTAIN // 2


class TransactionIdIssuer(StrEnum):
    """Who made the transaction's id. It is unique per station either way."""

    CSMS = "csms"
    """OCPP 1.6: we answer StartTransaction with it."""
    STATION = "station"
    """OCPP 2.0.1: the station makes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStarted:
    """A charge began, and we are asked for the transaction's id.

    The same station, EVSE, time, token and register mean the same transaction, however often it
    is told (OCPP-J 1.6 errata 3.1: a retry may carry a new message id).
    """

    station_id: str
    evse_id: int
    connector_id: int
    ocpp_version: str
    id_token: str
    authorization_status: AuthorizationStatus
    started_at: datetime
    meter_start_wh: Decimal
    reservation_id: int | None = None
    free: bool = False
    """Nobody had to be authorized there: the location was free for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionEnded:
    """A charge ended. The first telling stands; what a second one says is kept beside it.

    `transaction_id` is as told, which need not be one of the station's: some send 0 or -1 when they
    never got the answer to their start.
    """

    station_id: str
    transaction_id: str
    ended_at: datetime
    meter_stop_wh: Decimal
    stopped_reason: str
    id_token: str | None = None
    meter_values: list[MeterValue] = field(default_factory=list)


class TransactionEventType(StrEnum):
    """TransactionEventEnumType."""

    STARTED = "Started"
    UPDATED = "Updated"
    ENDED = "Ended"


@dataclass(slots=True)
class RankedRegister:
    """A register that may be a session's first or last one: the lowest rank is.

    Not frozen, as `TransactionEventReported` below.
    """

    energy_wh: Decimal
    rank: int


@dataclass(slots=True, kw_only=True)
class TransactionEventReported:
    """Something happened in a transaction whose id the station made (OCPP 2.0.1 part 2 E).

    A session is what its events say together, in whatever order and however often they are told.
    Most of it is told once: the EVSE, the token, the reservation. Unlike the other facts it is not
    frozen, because there are as many of them as meter values.
    """

    station_id: str
    transaction_id: str
    ocpp_version: str
    event_type: TransactionEventType
    seq_no: int
    occurred_at: datetime
    trigger_reason: str
    offline: bool = False
    evse_id: int | None = None
    connector_id: int | None = None
    id_token: str | None = None
    id_token_type: IdTokenType | None = None
    authorization_status: AuthorizationStatus | None = None
    """What we said of the token; a second telling may be answered otherwise, the first stands."""
    reservation_id: int | None = None
    remote_start_id: int | None = None
    charging_state: str | None = None
    time_spent_charging_s: int | None = None
    stopped_reason: str | None = None
    number_of_phases_used: int | None = None
    cable_max_current_a: int | None = None
    meter_values: list[MeterValue] = field(default_factory=list)
    free: bool = False
    """Nobody had to be authorized where the transaction began: the location was free for all."""

    @property
    def ends_authorization(self) -> bool:
        """Whether its token is the one that the driver stopped with (E07.FR.02)."""
        return self.trigger_reason == "StopAuthorized"

    def registers(self) -> tuple[RankedRegister | None, RankedRegister | None]:
        """Return what may be the session's register at its start, and what at its end.

        A sample of the context Transaction.Begin is the register at the start, whichever event
        brings it (E01.FR.09, E01.FR.17). Without one, that of the earliest event stands for it, by
        sequence number: a station's clock may jump. The register at the end is that of the context
        Transaction.End in the event that ends it (E06.FR.11), or the latest.
        """
        told = [
            (context, meter_value.sampled_at.timestamp(), energy_wh)
            for meter_value in self.meter_values
            if meter_value.energy_wh is not None
            for energy_wh, context in import_registers(meter_value.samples)
        ]
        if not told:
            return None, None
        first = self._best_register(told, "Transaction.Begin", "Transaction.End", sign=1)
        if self.event_type is not TransactionEventType.ENDED:
            return first, self._best_register(told, None, "Transaction.Begin", sign=-1)
        until_s = (self.occurred_at + _AFTER_END).timestamp()
        told = [register for register in told if register[1] <= until_s]
        return first, self._best_register(told, "Transaction.End", "Transaction.Begin", sign=-1)

    def _best_register(
        self, told: list[tuple[str, float, Decimal]], certain: str | None, never: str, *, sign: int
    ) -> RankedRegister | None:
        found = [
            (context != certain, sign * sampled_at_s, energy_wh)
            for context, sampled_at_s, energy_wh in told
            if context != never
        ]
        if not found:
            return None
        uncertain, _, energy_wh = min(found)
        rank = sign * self.seq_no + _UNCERTAIN if uncertain else self.seq_no
        return RankedRegister(energy_wh, rank)
