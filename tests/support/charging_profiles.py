"""Charging profiles, as short as a test can say them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from shared.domain.charging.charging_profiles import (
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    InstalledProfile,
    RecurrencyKind,
)

ACCEPTED_AT = datetime(2020, 1, 1, tzinfo=UTC)


def profile(
    purpose: str,
    *periods: tuple[Any, ...],
    id: int = 1,  # noqa: A002 - as in OCPP
    level: int = 0,
    kind: str = "Absolute",
    recurrency: str | None = None,
    start: datetime | None = None,
    duration_s: int | None = None,
    unit: str = "A",
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
    transaction_id: str | None = None,
) -> ChargingProfile:
    """Return a profile; a period is (start in s, limit) or (start in s, limit, phases)."""
    return ChargingProfile(
        charging_profile_id=id,
        stack_level=level,
        purpose=ChargingProfilePurpose(purpose),
        kind=ChargingProfileKind(kind),
        recurrency_kind=recurrency and RecurrencyKind(recurrency),
        valid_from=valid_from,
        valid_to=valid_to,
        transaction_id=transaction_id,
        charging_schedule=ChargingSchedule(
            charging_rate_unit=ChargingRateUnit(unit),
            start_schedule=start,
            duration_s=duration_s,
            periods=tuple(
                ChargingSchedulePeriod(
                    start_period_s=period[0],
                    limit=Decimal(str(period[1])),
                    number_phases=period[2] if len(period) > 2 else None,
                )
                for period in periods
            ),
        ),
    )


def installed(of: ChargingProfile, evse_id: int = 0) -> InstalledProfile:
    """Return a profile as a station has accepted it."""
    return InstalledProfile(
        station_id="CS-1", evse_id=evse_id, profile=of, command_id=None, accepted_at=ACCEPTED_AT
    )
