"""Sessions and meter values in the words of the API."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from control.api.types import FREE_TEXT, Number, RequestBody, UtcTime, members_of
from shared.domain import sessions as domain
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.sessions import (
    EndRule,
    EndSource,
    EnergyMethod,
    HistoryKind,
    ReviewDecision,
    ReviewReason,
)

_SESSION_EXAMPLE: dict[str, Any] = {
    "session_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "station_id": "CS-0001",
    "organization_id": "default",
    "evse_id": 1,
    "connector_id": 1,
    "transaction_id": "1042",
    "ocpp_version": "1.6",
    "id_token": "04A2B3C4D5E6F7",
    "id_token_type": None,
    "authorization_status": "Accepted",
    "at_free_location": False,
    "reservation_id": None,
    "active": False,
    "started_at": "2025-06-01T09:00:00Z",
    "meter_start_wh": 125000,
    "ended_at": "2025-06-01T10:30:00Z",
    "meter_stop_wh": 141500.5,
    "energy_wh": 16500.5,
    "energy_method": "registers",
    "stopped_reason": "EVDisconnected",
    "ended_by": "station",
    "end_rule": None,
    "settled_at": "2025-06-01T10:30:01.512Z",
    "needs_review": False,
    "review_reasons": [],
    "review_decision": None,
    "review_note": None,
    "reviewed_at": None,
    "reviewed_by": None,
    "billable": True,
    "created_at": "2025-06-01T09:00:00.120Z",
    "updated_at": "2025-06-01T10:30:00.085Z",
}
_METER_VALUE_EXAMPLE: dict[str, Any] = {
    "evse_id": 1,
    "sampled_at": "2025-06-01T09:15:00Z",
    "received_at": "2025-06-01T09:15:00.064Z",
    "energy_wh": 127750,
    "samples": [
        {
            "value": "127.75",
            "measurand": "Energy.Active.Import.Register",
            "context": "Sample.Periodic",
            "location": "Outlet",
            "unit": "kWh",
            "multiplier": None,
            "phase": None,
            "format": None,
            "signed_meter_value": None,
        }
    ],
}


class Session(BaseModel):
    """A charging session: our billable record of what a station calls a transaction."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_SESSION_EXAMPLE]}
    )

    session_id: str
    station_id: str
    organization_id: str = Field(
        description="whom the station belonged to when the session began; it stays there if the "
        "station moves"
    )
    evse_id: int | None = Field(description="null until the station tells which one it is")
    connector_id: int | None
    transaction_id: str = Field(description="unique per station, not beyond")
    ocpp_version: str
    id_token: str | None
    id_token_type: IdTokenType | None = Field(
        description="as the station told it: a token is its text and its type; null in OCPP 1.6"
    )
    authorization_status: AuthorizationStatus | None
    at_free_location: bool = Field(
        description="whether its location was free for all when it began. A token that it shows "
        "was not looked at, so nobody is to be billed by it"
    )
    reservation_id: int | None
    active: bool = Field(description="whether it goes on")
    started_at: datetime | None
    meter_start_wh: Number | None = Field(description="import register at the start, in Wh")
    ended_at: datetime | None
    meter_stop_wh: Number | None = Field(description="import register at the end, in Wh")
    energy_wh: Number | None = Field(
        description="energy taken, in Wh; while the session goes on, up to the latest meter value. "
        "An operator's correction stands here. Null if nothing believable tells it"
    )
    energy_method: EnergyMethod | None = Field(description="how it was worked out")
    stopped_reason: str | None = Field(description="the station's word")
    ended_by: EndSource | None = Field(
        description="who says that it ended: the `station`; an `operator`; an end of the station "
        "that was `matched` with it, because only it can be meant; or a `rule`"
    )
    end_rule: EndRule | None = Field(description="which rule, if one closed it")
    settled_at: datetime | None = Field(
        description="when all that had come was worked out; null while something new waits for it"
    )
    needs_review: bool = Field(description="whether a person has to decide before it is billed")
    review_reasons: list[ReviewReason] = Field(description="what is suspect about it")
    review_decision: ReviewDecision | None = Field(description="what was decided last")
    review_note: str | None
    reviewed_at: datetime | None
    reviewed_by: str | None
    billable: bool = Field(
        description="whether it may be billed: over, worked out, of a known energy, and not "
        "suspect or decided upon. One that nobody was authorized for is nobody's bill, whatever "
        "was decided"
    )
    created_at: datetime
    updated_at: datetime = Field(
        description="when it changed last; the energy of one that goes on is no change"
    )

    @classmethod
    def of(cls, session: domain.Session) -> Self:
        """Return the session as it is answered."""
        return cls.model_validate(columns_of(session))


def columns_of(session: domain.Session) -> dict[str, Any]:
    """Return a session's members, those that are worked out included."""
    return {
        **members_of(session),
        "active": session.ended_at is None,
        "billable": session.billable,
    }


class SessionEnd(BaseModel):
    """An end of a session as it was told."""

    model_config = ConfigDict(from_attributes=True)

    source: EndSource = Field(description="as `ended_by`")
    ended_at: datetime
    meter_stop_wh: Number | None
    stopped_reason: str | None
    id_token: str | None
    received_at: datetime
    stands: bool = Field(description="whether it is the one that counts: the first one is")


class EventGap(BaseModel):
    """Events of OCPP 2.0.1 that are missing, both numbers included."""

    model_config = ConfigDict(from_attributes=True)

    first_seq_no: int
    last_seq_no: int


class EnergyEstimate(BaseModel):
    """What one method makes of the meter values between two instants."""

    method: EnergyMethod
    energy_wh: Number
    first_at: datetime
    last_at: datetime


class SessionDetail(Session):
    """A session with what it was made of."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    **_SESSION_EXAMPLE,
                    "ends": [
                        {
                            "source": "station",
                            "ended_at": "2025-06-01T10:30:00Z",
                            "meter_stop_wh": 141500.5,
                            "stopped_reason": "EVDisconnected",
                            "id_token": None,
                            "received_at": "2025-06-01T10:30:00.085Z",
                            "stands": True,
                        }
                    ],
                    "event_gaps": [],
                    "energy_estimates": [
                        {
                            "method": "registers",
                            "energy_wh": 16500.5,
                            "first_at": "2025-06-01T09:00:00Z",
                            "last_at": "2025-06-01T10:30:00Z",
                        }
                    ],
                }
            ]
        },
    )

    ends: list[SessionEnd] = Field(description="every end that was told, in the order of arrival")
    event_gaps: list[EventGap] = Field(description="OCPP 2.0.1: events that have not come")
    energy_estimates: list[EnergyEstimate] = Field(
        description="what every method says of the energy, the best one first"
    )


_EnergyWh = Annotated[
    Decimal,
    Field(ge=0, le=10**12, max_digits=16),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 10**12}),
]


class SeenSession(RequestBody):
    """What a decision is upon: members of the session as they were read."""

    energy_wh: Annotated[Decimal, Field(max_digits=400), WithJsonSchema({"type": "number"})] | None
    review_reasons: Annotated[list[ReviewReason], Field(max_length=len(ReviewReason))]
    ended_at: UtcTime | None = Field(
        default=None,
        description="null: it goes on; then its energy is not compared, because it grows",
    )
    review_decision: ReviewDecision | None = Field(
        default=None, description="null: nobody had decided yet"
    )

    def to_domain(self) -> domain.Seen:
        """Return it in the words of the domain."""
        return domain.Seen(
            energy_wh=self.energy_wh,
            ended_at=self.ended_at,
            reasons=frozenset(self.review_reasons),
            decision=self.review_decision,
        )


class SessionReview(RequestBody):
    """What an operator decides about a session."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "seen": {
                        "energy_wh": 16400,
                        "review_reasons": ["end_missing"],
                        "ended_at": "2025-06-01T10:30:00Z",
                    },
                    "decision": "correct",
                    "energy_wh": 16500,
                    "note": "register of the meter's display, told by the site",
                }
            ]
        },
    )

    seen: SeenSession = Field(
        description="the session as it was read. What has become another since is answered with "
        "409, which says what is so now"
    )
    decision: ReviewDecision = Field(
        description="`accept`: right as it is, if its energy is known; `correct`: right with "
        "another energy or end; `void`: not to be billed"
    )
    energy_wh: _EnergyWh | None = Field(
        default=None, description="with `correct`: what is to be billed"
    )
    ended_at: UtcTime | None = Field(
        default=None, description="with `correct`: when it ended; ends a session that goes on"
    )
    note: Annotated[str, Field(max_length=1000), FREE_TEXT] | None = Field(
        default=None, description="why"
    )

    @model_validator(mode="after")
    def _check_decision(self) -> Self:
        corrects = self.energy_wh is not None or self.ended_at is not None
        if corrects is not (self.decision is ReviewDecision.CORRECT):
            raise PydanticCustomError(
                "decision",
                "`correct` comes with `energy_wh` or `ended_at`, the other decisions with neither",
            )
        return self


class SessionHistoryEntry(BaseModel):
    """Something that happened to a session, beside what its station said."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "kind": "closed_by_rule",
                    "detail": {"rule": "next_start", "ended_at": "2025-06-01T10:15:00+00:00"},
                    "occurred_at": "2025-06-01T11:02:03.001Z",
                }
            ]
        },
    )

    kind: HistoryKind
    detail: dict[str, Any]
    occurred_at: datetime


class MeterSample(BaseModel):
    """One sampled value (SampledValueType, OCPP 2.0.1 part 2 §2.43)."""

    value: str = Field(description="with the digits the meter sent")
    measurand: str
    context: str
    location: str
    unit: str | None = None
    multiplier: int | None = Field(default=None, description="exponent of 10 to the value")
    phase: str | None = Field(default=None, description="null: of all phases")
    format: str | None = None
    signed_meter_value: dict[str, Any] | None = Field(
        default=None, description="OCPP 2.0.1's SignedMeterValueType, as the station sent it"
    )


class MeterValue(BaseModel):
    """What the meter showed at one instant."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_METER_VALUE_EXAMPLE]}
    )

    evse_id: int
    sampled_at: datetime = Field(description="by the station's clock")
    received_at: datetime = Field(description="by ours")
    energy_wh: Number | None = Field(
        description="total of the import register in Wh, if it was among the samples"
    )
    samples: list[MeterSample]
