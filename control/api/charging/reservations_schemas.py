"""Reservations in the words of the API."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from control.api.access.id_tokens_schemas import GroupIdToken, IdTokenValue
from control.api.types import ONE_LINE, Ordinal, UtcTime, members_of
from control.api.waiting import Waiting
from shared.domain.access.tokens import IdTokenType
from shared.domain.charging import reservations as domain
from shared.domain.charging.reservations import ReservationState

_EXAMPLE: dict[str, Any] = {
    "station_id": "CS-0001",
    "reservation_id": 17,
    "state": "active",
    "status": "Accepted",
    "evse_id": 1,
    "connector_type": None,
    "id_token": "04A2B3C4D5E6F7",
    "id_token_type": None,
    "group_id_token": "FLEET-7",
    "expires_at": "2025-06-01T10:00:00Z",
    "command_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "session_id": None,
    "requested_at": "2025-06-01T09:00:00Z",
    "updated_at": "2025-06-01T09:00:00.131Z",
}

ReservedUntil = Annotated[UtcTime, Field(description="until when the station keeps an EVSE free")]
ConnectorType = Annotated[
    str,
    Field(
        min_length=1,
        max_length=20,
        description="ConnectorEnumType of OCPP 2.0.1; 1.6 cannot tell one type from another",
        examples=["cCCS2"],
    ),
    ONE_LINE,
]
ReservationTokenType = Annotated[
    IdTokenType | None,
    Field(
        description="told to OCPP 2.0.1 stations; left out, the type the token is registered with"
    ),
]


class ReservationCreate(Waiting):
    """A reservation to ask a station for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "evse_id": 1,
                    "id_token": "04A2B3C4D5E6F7",
                    "expires_at": "2025-06-01T10:00:00Z",
                }
            ]
        }
    )

    expires_at: ReservedUntil
    id_token: IdTokenValue
    id_token_type: ReservationTokenType = None
    group_id_token: GroupIdToken | None = Field(
        default=None, description="any token of this group may use the reservation"
    )
    evse_id: Ordinal | None = Field(default=None, description="left out, the station chooses")
    connector_type: ConnectorType | None = None

    def to_request(self) -> domain.ReservationRequest:
        """Return the domain's words for it."""
        return domain.ReservationRequest(
            expires_at=self.expires_at,
            id_token=self.id_token,
            id_token_type=self.id_token_type,
            group_id_token=self.group_id_token,
            evse_id=self.evse_id,
            connector_type=self.connector_type,
        )


class Reservation(BaseModel):
    """A reservation, from the request to the session that used it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    station_id: str
    reservation_id: int = Field(description="unique per station, not beyond")
    state: ReservationState = Field(
        description="`requested`: the station has not answered; it may hold an EVSE or not. "
        "`active`: it does. `rejected`: it does not, see `status`. `used`: by `session_id`. "
        "`expired`: nobody came. `cancelled`: by us. `removed`: the station gave it up by itself"
    )
    status: str | None = Field(
        description="the station's last word on it, such as Accepted or Occupied, or the error of "
        "the command that asked for it"
    )
    evse_id: int | None
    connector_type: str | None
    id_token: str
    id_token_type: IdTokenType | None
    group_id_token: str | None
    expires_at: datetime
    command_id: str | None = Field(description="the command that asked for it")
    session_id: str | None = Field(description="the session that used it")
    requested_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, reservation: domain.Reservation) -> Self:
        """Return the reservation as it is answered."""
        members = members_of(reservation)
        return cls.model_validate({**members_of(members.pop("request")), **members})
