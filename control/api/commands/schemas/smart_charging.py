"""Requests of the commands about charging profiles."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from control.api.charging.charging_profiles_schemas import (
    PROFILE_EXAMPLE,
    ChargingProfileToSet,
    EvseOrStation,
    ProfileId,
    StackLevel,
    checked,
)
from control.api.commands.schemas.request import CommandRequest
from shared.domain.charging.charging_profiles import ChargingProfilePurpose, ChargingRateUnit


class SetChargingProfile(CommandRequest):
    """Limit what an EVSE, or the whole station, may draw.

    `accepted` means that the station keeps the profile; see its charging profiles.
    """

    type: Literal["SetChargingProfile"]
    evse_id: EvseOrStation
    charging_profile: ChargingProfileToSet

    @model_validator(mode="after")
    def _may_be_sent(self) -> Self:
        checked(self.charging_profile, evse_id=self.evse_id)
        return self


class ClearChargingProfile(CommandRequest):
    """Remove the profiles that all of these fields fit.

    Stations of OCPP 1.6 remove every one if no field is given; those of OCPP 2.0.1 need one, and
    nothing else beside an id.
    """

    type: Literal["ClearChargingProfile"]
    charging_profile_id: ProfileId | None = None
    evse_id: EvseOrStation | None = None
    charging_profile_purpose: ChargingProfilePurpose | None = None
    stack_level: StackLevel | None = None


class GetCompositeSchedule(CommandRequest):
    """Ask what all profiles together leave to an EVSE, or what the whole station will take.

    The answer is kept, and drawn beside what the profiles come to.
    """

    type: Literal["GetCompositeSchedule"]
    evse_id: EvseOrStation
    duration_s: Annotated[int, Field(ge=1, le=2_147_483_647, examples=[86400])]
    charging_rate_unit: ChargingRateUnit | None = Field(
        default=None, description="left out, the station chooses"
    )


EXAMPLES: dict[str, dict[str, Any]] = {
    "SetChargingProfile": {"evse_id": 1, "charging_profile": PROFILE_EXAMPLE},
    "ClearChargingProfile": {"evse_id": 1, "charging_profile_purpose": "TxDefaultProfile"},
    "GetCompositeSchedule": {"evse_id": 1, "duration_s": 86400, "charging_rate_unit": "A"},
}
"""The fields of one request of each type."""
