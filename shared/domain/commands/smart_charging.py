"""Charging profiles: set, cleared, and what they come to (OCPP 1.6 §3.13, 2.0.1 K).

EVSE 0 is the whole station here, because some of these commands tell it from no EVSE at all.
"""

from dataclasses import dataclass
from typing import Any

from shared.domain.charging.charging_profiles import ChargingProfilePurpose, ChargingRateUnit
from shared.domain.commands.command import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class SetChargingProfile(Command):
    """Limit what an EVSE, or as EVSE 0 the whole station, may draw.

    `charging_profile` is a document of `shared.domain.charging_profiles`.
    """

    evse_id: int
    charging_profile: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearChargingProfile(Command):
    """Remove the profiles that all of these words fit; None fits every one."""

    charging_profile_id: int | None = None
    evse_id: int | None = None
    charging_profile_purpose: ChargingProfilePurpose | None = None
    stack_level: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCompositeSchedule(Command):
    """Ask what all profiles together leave to an EVSE, or as EVSE 0 what the station will take."""

    evse_id: int
    duration_s: int
    charging_rate_unit: ChargingRateUnit | None = None
