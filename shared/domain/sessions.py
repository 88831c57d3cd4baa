"""Sessions: our stored, billable record of what a station calls a transaction."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shared.domain.meter_values import MeterValue
from shared.domain.tokens import AuthorizationStatus


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionEnded:
    """A charge ended. The first telling stands; what a second one says is kept beside it."""

    station_id: str
    transaction_id: str
    ended_at: datetime
    meter_stop_wh: Decimal
    stopped_reason: str
    id_token: str | None = None
    meter_values: list[MeterValue] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as it is kept; `ended_at` is None while it goes on.

    `energy_wh` is stop minus start, and while the session goes on the latest register minus start.
    """

    session_id: str
    station_id: str
    evse_id: int
    connector_id: int | None
    transaction_id: str
    ocpp_version: str
    id_token: str | None
    authorization_status: AuthorizationStatus | None
    reservation_id: int | None
    started_at: datetime | None
    meter_start_wh: Decimal | None
    ended_at: datetime | None
    meter_stop_wh: Decimal | None
    energy_wh: Decimal | None
    stopped_reason: str | None
    created_at: datetime
    updated_at: datetime
