"""Charging profiles and composite schedules in the words of the API."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from control.api.types import ONE_LINE, Number, RequestBody, UtcTime
from shared.domain.charging import charging_profiles as domain
from shared.domain.charging.charging_profiles import (
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    InstalledProfile,
    RecurrencyKind,
)
from shared.domain.charging.composite_schedules import LimitDifference, LimitPeriod
from shared.domain.errors import InvalidInputError

_INT32_MAX = 2_147_483_647

PROFILE_EXAMPLE: dict[str, Any] = {
    "charging_profile_id": 100,
    "stack_level": 0,
    "purpose": "TxDefaultProfile",
    "kind": "Recurring",
    "recurrency_kind": "Daily",
    "charging_schedule": {
        "charging_rate_unit": "A",
        "start_schedule": "2025-06-01T00:00:00Z",
        "duration_s": 86400,
        "periods": [
            {"start_period_s": 0, "limit": 16.0, "number_phases": 3},
            {"start_period_s": 28800, "limit": 8.1, "number_phases": 3},
        ],
    },
}
TX_PROFILE_EXAMPLE: dict[str, Any] = {
    "charging_profile_id": 200,
    "stack_level": 0,
    "purpose": "TxProfile",
    "kind": "Relative",
    "charging_schedule": {
        "charging_rate_unit": "W",
        "periods": [{"start_period_s": 0, "limit": 11000.0}],
    },
}
_INSTALLED_EXAMPLE: dict[str, Any] = {
    "station_id": "CS-0001",
    "evse_id": 1,
    "profile": {
        **PROFILE_EXAMPLE,
        "valid_from": None,
        "valid_to": None,
        "transaction_id": None,
        "charging_schedule": {
            "charging_rate_unit": "A",
            "start_schedule": "2025-06-01T00:00:00Z",
            "duration_s": 86400,
            "min_charging_rate": None,
            "periods": [
                {"start_period_s": 0, "limit": 16, "number_phases": 3, "phase_to_use": None}
            ],
        },
    },
    "command_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "accepted_at": "2025-06-01T09:00:00.131Z",
}
_COMPOSITE_EXAMPLE: dict[str, Any] = {
    "station_id": "CS-0001",
    "evse_id": 1,
    "source": "csms",
    "unit": "A",
    "voltage_v": 230,
    "number_phases": 3,
    "start": "2025-06-01T06:00:00Z",
    "end": "2025-06-01T12:00:00Z",
    "reported_at": None,
    "periods": [
        {
            "start": "2025-06-01T06:00:00Z",
            "end": "2025-06-01T08:00:00Z",
            "limit": 16,
            "number_phases": 3,
            "charging_profile_id": 100,
        },
        {
            "start": "2025-06-01T08:00:00Z",
            "end": "2025-06-01T12:00:00Z",
            "limit": 8.1,
            "number_phases": 3,
            "charging_profile_id": 100,
        },
    ],
    "differences": None,
}

Rate = Annotated[
    Decimal,
    Field(
        ge=0,
        max_digits=12,
        decimal_places=1,
        description="in the unit of its schedule; stations take one decimal (OCPP 1.6 §7.14)",
    ),
    # As JSON a number of one decimal, which a double holds to the digit.
    PlainSerializer(float, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": 0, "multipleOf": 0.1}),
]
EvseOrStation = Annotated[
    int,
    Field(ge=0, le=_INT32_MAX, description="0 is the whole station", examples=[1]),
]
Seconds = Annotated[int, Field(ge=0, le=_INT32_MAX)]
ProfileId = Annotated[int, Field(ge=1, le=_INT32_MAX)]
StackLevel = Annotated[int, Field(ge=0, le=_INT32_MAX, description="the highest one leads")]


class ChargingSchedulePeriod(BaseModel):
    """A limit until the next period begins or the schedule ends."""

    model_config = ConfigDict(from_attributes=True)

    start_period_s: int
    limit: Number
    number_phases: int | None = Field(default=None, description="3 if left out")
    phase_to_use: int | None = Field(default=None, description="OCPP 2.0.1 only")


class ChargingSchedule(BaseModel):
    """Limits over time."""

    model_config = ConfigDict(from_attributes=True)

    charging_rate_unit: ChargingRateUnit = Field(
        description="`W`: of all phases together. `A`: per phase"
    )
    start_schedule: datetime | None = None
    duration_s: int | None = Field(default=None, description="left out, the last limit stays")
    min_charging_rate: Number | None = None
    periods: Sequence[ChargingSchedulePeriod]


class ChargingProfile(BaseModel):
    """How much may be drawn, and when (OCPP 1.6 §3.13, OCPP 2.0.1 part 2 K)."""

    model_config = ConfigDict(from_attributes=True)

    charging_profile_id: int
    stack_level: int
    purpose: ChargingProfilePurpose
    kind: ChargingProfileKind
    recurrency_kind: RecurrencyKind | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    transaction_id: str | None = None
    charging_schedule: ChargingSchedule


class InstalledChargingProfile(BaseModel):
    """A profile that a station has accepted."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_INSTALLED_EXAMPLE]}
    )

    station_id: str
    evse_id: int = Field(description="0: for the whole station")
    profile: ChargingProfile
    command_id: str | None = Field(description="the command that set it")
    accepted_at: datetime

    @classmethod
    def of(cls, installed: InstalledProfile) -> Self:
        """Return the profile as it is answered."""
        return cls.model_validate(installed)


class ChargingSchedulePeriodToSet(ChargingSchedulePeriod, RequestBody):
    """A limit until the next period begins or the schedule ends."""

    start_period_s: Seconds = Field(description="from the start of the schedule; the first is 0")
    limit: Rate
    number_phases: int | None = Field(default=None, ge=1, le=3, description="3 if left out")
    phase_to_use: int | None = Field(default=None, ge=1, le=3, description="OCPP 2.0.1 only")


class ChargingScheduleToSet(ChargingSchedule, RequestBody):
    """Limits over time."""

    start_schedule: UtcTime | None = Field(
        default=None, description="needed, unless the profile is Relative to the start of a charge"
    )
    duration_s: Annotated[int, Field(ge=1, le=_INT32_MAX)] | None = Field(
        default=None, description="left out, the last limit stays"
    )
    min_charging_rate: Rate | None = None
    periods: Sequence[ChargingSchedulePeriodToSet] = Field(
        min_length=1,
        max_length=1024,
        description="in the order of their starts; many stations take fewer "
        "(ChargingScheduleMaxPeriods)",
    )


class ChargingProfileToSet(ChargingProfile, RequestBody):
    """How much may be drawn, and when (OCPP 1.6 §3.13, OCPP 2.0.1 part 2 K)."""

    charging_profile_id: ProfileId = Field(
        description="chosen by the caller; the station's profile of the same id is replaced, and "
        "that of the same EVSE, purpose and stack level"
    )
    stack_level: StackLevel
    valid_from: UtcTime | None = None
    valid_to: UtcTime | None = None
    transaction_id: Annotated[str, Field(min_length=1, max_length=36), ONE_LINE] | None = Field(
        default=None, description="of a TxProfile; a remote start has none yet"
    )
    charging_schedule: ChargingScheduleToSet

    def to_profile(self) -> domain.ChargingProfile:
        """Return the domain's profile.

        Raises:
            InvalidInputError: it is none.
        """
        return domain.parse_document(self.model_dump(mode="json", exclude_none=True))


def checked(profile: ChargingProfileToSet, *, evse_id: int) -> None:
    """Return if the profile may be sent for an EVSE.

    Raises:
        PydanticCustomError: it may not.
    """
    try:
        found = domain.check_profile(profile.to_profile(), evse_id=evse_id)
    except InvalidInputError as error:
        raise PydanticCustomError("charging_profile", "{reason}", {"reason": str(error)}) from error
    if found.purpose is ChargingProfilePurpose.TX_PROFILE and found.transaction_id is None:
        raise PydanticCustomError(
            "charging_profile",
            "a TxProfile is of one transaction: give its transaction_id, which the station's "
            "active session has",
        )


def checked_for_start(profile: ChargingProfileToSet) -> None:
    """Return if a remote start may carry the profile.

    Raises:
        PydanticCustomError: it may not.
    """
    try:
        domain.parse_start_document(profile.model_dump(mode="json", exclude_none=True))
    except InvalidInputError as error:
        raise PydanticCustomError("charging_profile", "{reason}", {"reason": str(error)}) from error


class CompositeSchedulePeriod(BaseModel):
    """A limit from one time to another."""

    model_config = ConfigDict(from_attributes=True)

    start: datetime
    end: datetime
    limit: Number | None = Field(description="null: nothing limits")
    number_phases: int | None
    charging_profile_id: int | None = Field(description="whose limit it is; null: the station's")


class CompositeScheduleDifference(BaseModel):
    """Where the station says something else than its profiles."""

    station_limit: Number | None
    csms_limit: Number | None
    start: datetime
    end: datetime


class CompositeSchedule(BaseModel):
    """What all profiles together leave to an EVSE, without gaps."""

    model_config = ConfigDict(json_schema_extra={"examples": [_COMPOSITE_EXAMPLE]})

    station_id: str
    evse_id: int
    source: str = Field(
        description="`csms`: worked out from the profiles that the station has accepted. "
        "`station`: its own last answer to GetCompositeSchedule"
    )
    unit: ChargingRateUnit
    voltage_v: Number = Field(description="with which watts and amperes were converted")
    number_phases: int = Field(description="likewise, where a profile names none")
    start: datetime
    end: datetime
    reported_at: datetime | None = Field(description="when the station told it")
    periods: list[CompositeSchedulePeriod]
    differences: list[CompositeScheduleDifference] | None = Field(
        description="of the station's answer to what its profiles come to; only with source "
        "`station`"
    )


def to_periods(periods: Sequence[LimitPeriod]) -> list[CompositeSchedulePeriod]:
    """Return limits as they are answered."""
    return [CompositeSchedulePeriod.model_validate(period) for period in periods]


def to_differences(differences: Sequence[LimitDifference]) -> list[CompositeScheduleDifference]:
    """Return differences as they are answered; `limit` was ours and `other_limit` the station's."""
    return [
        CompositeScheduleDifference(
            start=each.start,
            end=each.end,
            csms_limit=each.limit,
            station_limit=each.other_limit,
        )
        for each in differences
    ]
