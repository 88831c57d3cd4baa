"""K. Smart charging."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ocpp.v201 import call
from ocpp.v201.datatypes import (
    ChargingProfileType,
    ChargingSchedulePeriodType,
    ChargingScheduleType,
    ClearChargingProfileType,
)
from ocpp.v201.enums import (
    Action,
    ChargingProfileKindEnumType,
    ChargingProfilePurposeEnumType,
    ChargingProfileStatusEnumType,
    ChargingRateUnitEnumType,
    ClearChargingProfileStatusEnumType,
    GenericStatusEnumType,
    RecurrencyKindEnumType,
)

from gateway.errors import CannotBeSaidError
from gateway.handlers import Handlers
from gateway.routing import AnsweredCall, answered, sends
from gateway.translation import format_time, parse_time
from shared.domain import commands
from shared.domain.charging.charging_profiles import (
    ChargingProfile,
    ChargingProfileAccepted,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingProfilesCleared,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    CompositeScheduleReported,
    RecurrencyKind,
    check_profile,
    one_decimal,
    parse_document,
    to_rate,
)
from shared.domain.sessions.transaction_ids import told_transaction_id
from shared.store.facts import Fact

# A profile has one schedule unless an ISO 15118 negotiation offers several (K01.FR.34).
_SCHEDULE_ID = 1
# Also of a profile that the station does not know: then it is not installed either.
_CLEARED = frozenset(
    {
        ClearChargingProfileStatusEnumType.accepted,
        ClearChargingProfileStatusEnumType.unknown,
    }
)


class SmartCharging(Handlers):
    """SetChargingProfile, ClearChargingProfile, GetCompositeSchedule."""

    __slots__ = ()

    @sends(commands.SetChargingProfile)
    def set_charging_profile(self, command: commands.SetChargingProfile) -> call.SetChargingProfile:
        """K01."""
        profile = check_profile(parse_document(command.charging_profile), evse_id=command.evse_id)
        if profile.purpose is ChargingProfilePurpose.TX_PROFILE and profile.transaction_id is None:
            raise CannotBeSaidError("a TxProfile needs its transaction_id (K01.FR.03)")
        return call.SetChargingProfile(evse_id=command.evse_id, charging_profile=to_wire(profile))

    @answered(Action.set_charging_profile)
    def charging_profile_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep a profile that the station has accepted."""
        if exchange.answer["status"] == ChargingProfileStatusEnumType.accepted:
            yield ChargingProfileAccepted(
                station_id=self.station.station_id,
                evse_id=exchange.request["evseId"],
                profile=from_wire(exchange.request["chargingProfile"]),
                command_id=exchange.command_id,
                accepted_at=self.services.now(),
            )

    @sends(commands.ClearChargingProfile)
    def clear_charging_profile(
        self, command: commands.ClearChargingProfile
    ) -> call.ClearChargingProfile:
        """K10: one profile by its id, or all that fit every other word given."""
        purpose = command.charging_profile_purpose
        if purpose == ChargingProfilePurpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS:
            raise CannotBeSaidError(
                "the limits of external systems are not ours to clear (K10.FR.06)"
            )
        criteria = ClearChargingProfileType(
            evse_id=command.evse_id,
            charging_profile_purpose=purpose and ChargingProfilePurposeEnumType(purpose),
            stack_level=command.stack_level,
        )
        selects = criteria != ClearChargingProfileType()
        if selects == (command.charging_profile_id is not None):
            raise CannotBeSaidError(
                "OCPP 2.0.1 clears either one profile by its charging_profile_id, or those of an "
                "evse_id, a charging_profile_purpose or a stack_level (K10.FR.02)"
            )
        return call.ClearChargingProfile(
            charging_profile_id=command.charging_profile_id,
            charging_profile_criteria=criteria if selects else None,
        )

    @answered(Action.clear_charging_profile)
    def clearing_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Forget the profiles that the station has no more."""
        if exchange.answer["status"] not in _CLEARED:
            return
        charging_profile_id = exchange.request.get("chargingProfileId")
        # Beside an id the criteria do not count (K10.FR.03, K10.FR.04).
        criteria = exchange.request.get("chargingProfileCriteria", {})
        criteria = criteria if charging_profile_id is None else {}
        purpose = criteria.get("chargingProfilePurpose")
        yield ChargingProfilesCleared(
            station_id=self.station.station_id,
            charging_profile_id=charging_profile_id,
            evse_id=criteria.get("evseId"),
            purpose=purpose and ChargingProfilePurpose(purpose),
            stack_level=criteria.get("stackLevel"),
        )

    @sends(commands.GetCompositeSchedule)
    def get_composite_schedule(
        self, command: commands.GetCompositeSchedule
    ) -> call.GetCompositeSchedule:
        """K08."""
        unit = command.charging_rate_unit
        return call.GetCompositeSchedule(
            duration=command.duration_s,
            evse_id=command.evse_id,
            charging_rate_unit=unit and ChargingRateUnitEnumType(unit),
        )

    @answered(Action.get_composite_schedule)
    def composite_schedule_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep what the station has worked out."""
        schedule = exchange.answer.get("schedule")
        if exchange.answer["status"] != GenericStatusEnumType.accepted or schedule is None:
            return
        yield CompositeScheduleReported(
            station_id=self.station.station_id,
            evse_id=schedule["evseId"],
            schedule_start=parse_time(schedule["scheduleStart"], "scheduleStart"),
            duration_s=schedule["duration"],
            charging_rate_unit=ChargingRateUnit(schedule["chargingRateUnit"]),
            periods=_from_periods(schedule["chargingSchedulePeriod"]),
            reported_at=self.services.now(),
        )


def to_wire(profile: ChargingProfile) -> ChargingProfileType:
    """Return a profile as OCPP 2.0.1 writes it, with rates of exactly one decimal (§2.11, §2.12).

    Raises:
        InvalidInputError: a rate has more than one decimal.
    """
    schedule = profile.charging_schedule
    return ChargingProfileType(
        id=profile.charging_profile_id,
        stack_level=profile.stack_level,
        charging_profile_purpose=ChargingProfilePurposeEnumType(profile.purpose),
        charging_profile_kind=ChargingProfileKindEnumType(profile.kind),
        recurrency_kind=profile.recurrency_kind and RecurrencyKindEnumType(profile.recurrency_kind),
        valid_from=profile.valid_from and format_time(profile.valid_from),
        valid_to=profile.valid_to and format_time(profile.valid_to),
        transaction_id=profile.transaction_id and told_transaction_id(profile.transaction_id),
        charging_schedule=[
            ChargingScheduleType(
                id=_SCHEDULE_ID,
                charging_rate_unit=ChargingRateUnitEnumType(schedule.charging_rate_unit),
                charging_schedule_period=[
                    ChargingSchedulePeriodType(
                        start_period=period.start_period_s,
                        limit=one_decimal(period.limit),
                        number_phases=period.number_phases,
                        phase_to_use=period.phase_to_use,
                    )
                    for period in schedule.periods
                ],
                start_schedule=schedule.start_schedule and format_time(schedule.start_schedule),
                duration=schedule.duration_s,
                min_charging_rate=None
                if schedule.min_charging_rate is None
                else one_decimal(schedule.min_charging_rate),
            )
        ],
    )


def from_wire(profile: dict[str, Any]) -> ChargingProfile:
    """Read a ChargingProfileType as it was sent; of several schedules the first.

    Raises:
        CallRefusedError: a time in it is none.
    """
    schedule = profile["chargingSchedule"][0]
    min_charging_rate = schedule.get("minChargingRate")
    recurrency_kind = profile.get("recurrencyKind")
    return ChargingProfile(
        charging_profile_id=profile["id"],
        stack_level=profile["stackLevel"],
        purpose=ChargingProfilePurpose(profile["chargingProfilePurpose"]),
        kind=ChargingProfileKind(profile["chargingProfileKind"]),
        recurrency_kind=recurrency_kind and RecurrencyKind(recurrency_kind),
        valid_from=_time(profile, "validFrom"),
        valid_to=_time(profile, "validTo"),
        transaction_id=profile.get("transactionId"),
        charging_schedule=ChargingSchedule(
            charging_rate_unit=ChargingRateUnit(schedule["chargingRateUnit"]),
            periods=_from_periods(schedule["chargingSchedulePeriod"]),
            start_schedule=_time(schedule, "startSchedule"),
            duration_s=schedule.get("duration"),
            min_charging_rate=None if min_charging_rate is None else to_rate(min_charging_rate),
        ),
    )


def _from_periods(periods: list[dict[str, Any]]) -> tuple[ChargingSchedulePeriod, ...]:
    return tuple(
        ChargingSchedulePeriod(
            start_period_s=period["startPeriod"],
            limit=to_rate(period["limit"]),
            number_phases=period.get("numberPhases"),
            phase_to_use=period.get("phaseToUse"),
        )
        for period in sorted(periods, key=lambda period: period["startPeriod"])
    )


def _time(members: dict[str, Any], name: str) -> datetime | None:
    text = members.get(name)
    return None if text is None else parse_time(text, name)
