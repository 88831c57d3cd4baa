"""Reservations: an EVSE kept free for one driver (OCPP 1.6 §5.13, 2.0.1 H).

A reservation's life::

    requested ──> active ──> used | expired | cancelled | removed
        └───────> rejected                  no, or it was never sent
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.access.tokens import IdTokenType

RESERVATION_ACCEPTED = "Accepted"
"""ReserveNowStatusEnumType: the one word for yes."""


class ReservationState(StrEnum):
    """Where a reservation is in its life."""

    REQUESTED = "requested"
    """The station was asked and has not answered; if it never does, it may be reserved or not."""
    ACTIVE = "active"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    USED = "used"
    """A session says that it began with this reservation."""
    EXPIRED = "expired"
    REMOVED = "removed"
    """The station gave it up by itself, as when its EVSE became faulted (H01.FR.16)."""

    @property
    def open(self) -> bool:
        """Whether the station may hold an EVSE for it."""
        return self in {ReservationState.REQUESTED, ReservationState.ACTIVE}


class ReservationUpdateStatus(StrEnum):
    """ReservationUpdateStatusEnumType: why a station ended a reservation."""

    EXPIRED = "Expired"
    REMOVED = "Removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationRequest:
    """What a station is asked to keep free, for whom and until when.

    `evse_id` None leaves the choice to the station. `connector_type` narrows it (H01, 2.0.1 only).
    """

    expires_at: datetime
    id_token: str
    id_token_type: IdTokenType | None = None
    group_id_token: str | None = None
    evse_id: int | None = None
    connector_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A reservation as it is kept.

    `status` is the station's last word on it, or the error of the command that asked for it.
    `session_id` is the session that used it.
    """

    station_id: str
    reservation_id: int
    request: ReservationRequest
    state: ReservationState
    status: str | None
    command_id: str | None
    session_id: str | None
    requested_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationAnswered:
    """A station has said yes or no to a reservation; `status` is its word."""

    station_id: str
    reservation_id: int
    request: ReservationRequest
    status: str
    command_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationEnded:
    """A station holds a reservation no more; `status` is its word."""

    station_id: str
    reservation_id: int
    state: ReservationState
    status: str


@dataclass(frozen=True, slots=True)
class ReservationsGivenUp:
    """A station holds no reservation of an EVSE any more; none at all if `evse_id` is None.

    Those that were made after `given_up_at`, by the station's clock, are not meant. `status` is the
    word for why, such as Faulted.
    """

    station_id: str
    evse_id: int | None
    status: str
    given_up_at: datetime
