"""Requests of the commands about reservations."""

from typing import Annotated, Any, Literal

from pydantic import Field

from control.api.access.id_tokens_schemas import GroupIdToken, IdTokenValue
from control.api.charging.reservations_schemas import (
    ConnectorType,
    ReservationTokenType,
    ReservedUntil,
)
from control.api.commands.schemas.request import CommandRequest
from control.api.types import Ordinal

ReservationId = Annotated[int, Field(ge=-2_147_483_648, le=2_147_483_647, examples=[17])]


class ReserveNow(CommandRequest):
    """Keep an EVSE free under a reservation id of your own.

    A reservation of the same id is replaced. `POST /v1/stations/{station_id}/reservations` makes
    an id that is free.
    """

    type: Literal["ReserveNow"]
    reservation_id: ReservationId
    expiry_date_time: ReservedUntil
    id_token: IdTokenValue
    id_token_type: ReservationTokenType = None
    group_id_token: GroupIdToken | None = None
    evse_id: Ordinal | None = Field(default=None, description="left out, the station chooses")
    connector_type: ConnectorType | None = None


class CancelReservation(CommandRequest):
    """Give up a reservation by its id."""

    type: Literal["CancelReservation"]
    reservation_id: ReservationId


EXAMPLES: dict[str, dict[str, Any]] = {
    "ReserveNow": {
        "reservation_id": 17,
        "expiry_date_time": "2025-06-01T10:00:00Z",
        "id_token": "04A2B3C4D5E6F7",
        "evse_id": 1,
    },
    "CancelReservation": {"reservation_id": 17},
}
"""The fields of one request of each type."""
