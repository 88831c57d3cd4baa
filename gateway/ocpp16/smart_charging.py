"""The Smart Charging profile of OCPP 1.6 (§3.13)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ocpp.v16 import call, datatypes, enums
from ocpp.v16.enums import (
    Action,
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingProfileStatus,
    ChargingRateUnitType,
    ClearChargingProfileStatus,
    GetCompositeScheduleStatus,
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
from shared.store.facts import Fact

_PURPOSES = {
    ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE: (
        ChargingProfilePurposeType.charge_point_max_profile
    ),
    ChargingProfilePurpose.TX_DEFAULT_PROFILE: ChargingProfilePurposeType.tx_default_profile,
    ChargingProfilePurpose.TX_PROFILE: ChargingProfilePurposeType.tx_profile,
}
_DOMAIN_PURPOSES = {str(word): purpose for purpose, word in _PURPOSES.items()}
# Also of a profile that the station does not know: then it is not installed either.
_CLEARED = frozenset({ClearChargingProfileStatus.accepted, ClearChargingProfileStatus.unknown})


class SmartCharging(Handlers):
    """SetChargingProfile, ClearChargingProfile, GetCompositeSchedule."""

    __slots__ = ()

    @sends(commands.SetChargingProfile)
    def set_charging_profile(self, command: commands.SetChargingProfile) -> call.SetChargingProfile:
        """§5.16."""
        profile = check_profile(parse_document(command.charging_profile), evse_id=command.evse_id)
        return call.SetChargingProfile(
            connector_id=command.evse_id, cs_charging_profiles=to_wire(profile)
        )

    @answered(Action.set_charging_profile)
    def charging_profile_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep a profile that the station has accepted."""
        request = exchange.request
        if exchange.answer["status"] == ChargingProfileStatus.accepted:
            yield ChargingProfileAccepted(
                station_id=self.station.station_id,
                evse_id=request["connectorId"],
                profile=from_wire(request["csChargingProfiles"]),
                command_id=exchange.command_id,
                accepted_at=self.services.now(),
            )

    @sends(commands.ClearChargingProfile)
    def clear_charging_profile(
        self, command: commands.ClearChargingProfile
    ) -> call.ClearChargingProfile:
        """§5.5: all that fit every word given (errata 3.25)."""
        return call.ClearChargingProfile(
            id=command.charging_profile_id,
            connector_id=command.evse_id,
            charging_profile_purpose=command.charging_profile_purpose
            and _to_purpose(command.charging_profile_purpose),
            stack_level=command.stack_level,
        )

    @answered(Action.clear_charging_profile)
    def clearing_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Forget the profiles that the station has no more."""
        request = exchange.request
        purpose = request.get("chargingProfilePurpose")
        if exchange.answer["status"] in _CLEARED:
            yield ChargingProfilesCleared(
                station_id=self.station.station_id,
                charging_profile_id=request.get("id"),
                evse_id=request.get("connectorId"),
                purpose=None if purpose is None else _DOMAIN_PURPOSES[purpose],
                stack_level=request.get("stackLevel"),
            )

    @sends(commands.GetCompositeSchedule)
    def get_composite_schedule(
        self, command: commands.GetCompositeSchedule
    ) -> call.GetCompositeSchedule:
        """§5.7."""
        unit = command.charging_rate_unit
        return call.GetCompositeSchedule(
            connector_id=command.evse_id,
            duration=command.duration_s,
            charging_rate_unit=unit and ChargingRateUnitType(unit),
        )

    @answered(Action.get_composite_schedule)
    def composite_schedule_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep what the station has worked out; its times count from `scheduleStart` (§6.22)."""
        request, answer = exchange.request, exchange.answer
        schedule = answer.get("chargingSchedule")
        if answer["status"] != GetCompositeScheduleStatus.accepted or schedule is None:
            return
        now = self.services.now()
        # Some put it where it should not be (errata 3.57), or nowhere.
        start = answer.get("scheduleStart") or schedule.get("startSchedule")
        yield CompositeScheduleReported(
            station_id=self.station.station_id,
            evse_id=answer.get("connectorId", request["connectorId"]),
            schedule_start=parse_time(start, "scheduleStart") if start else now,
            duration_s=schedule.get("duration", request["duration"]),
            charging_rate_unit=ChargingRateUnit(schedule["chargingRateUnit"]),
            periods=_from_periods(schedule["chargingSchedulePeriod"]),
            reported_at=now,
        )


def to_wire(profile: ChargingProfile) -> datatypes.ChargingProfile:
    """Return a profile as OCPP 1.6 writes it, with rates of exactly one decimal (§7.13, §7.14).

    Raises:
        CannotBeSaidError: it has a word that 1.6 does not know.
        InvalidInputError: a rate has more than one decimal.
    """
    schedule = profile.charging_schedule
    if any(period.phase_to_use is not None for period in schedule.periods):
        raise CannotBeSaidError("OCPP 1.6 cannot choose the phase: leave phase_to_use out")
    return datatypes.ChargingProfile(
        charging_profile_id=profile.charging_profile_id,
        transaction_id=None if profile.transaction_id is None else _to_id(profile.transaction_id),
        stack_level=profile.stack_level,
        charging_profile_purpose=_to_purpose(profile.purpose),
        charging_profile_kind=ChargingProfileKindType(profile.kind),
        recurrency_kind=profile.recurrency_kind and enums.RecurrencyKind(profile.recurrency_kind),
        valid_from=profile.valid_from and format_time(profile.valid_from),
        valid_to=profile.valid_to and format_time(profile.valid_to),
        charging_schedule=datatypes.ChargingSchedule(
            charging_rate_unit=ChargingRateUnitType(schedule.charging_rate_unit),
            charging_schedule_period=[
                datatypes.ChargingSchedulePeriod(
                    start_period=period.start_period_s,
                    limit=one_decimal(period.limit),
                    number_phases=period.number_phases,
                )
                for period in schedule.periods
            ],
            duration=schedule.duration_s,
            start_schedule=schedule.start_schedule and format_time(schedule.start_schedule),
            min_charging_rate=None
            if schedule.min_charging_rate is None
            else one_decimal(schedule.min_charging_rate),
        ),
    )


def from_wire(profile: dict[str, Any]) -> ChargingProfile:
    """Read a ChargingProfile as it was sent.

    Raises:
        CallRefusedError: a time in it is none.
    """
    schedule = profile["chargingSchedule"]
    transaction_id = profile.get("transactionId")
    min_charging_rate = schedule.get("minChargingRate")
    recurrency_kind = profile.get("recurrencyKind")
    return ChargingProfile(
        charging_profile_id=profile["chargingProfileId"],
        stack_level=profile["stackLevel"],
        purpose=_DOMAIN_PURPOSES[profile["chargingProfilePurpose"]],
        kind=ChargingProfileKind(profile["chargingProfileKind"]),
        recurrency_kind=recurrency_kind and RecurrencyKind(recurrency_kind),
        valid_from=_time(profile, "validFrom"),
        valid_to=_time(profile, "validTo"),
        transaction_id=None if transaction_id is None else str(transaction_id),
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
        )
        for period in sorted(periods, key=lambda period: period["startPeriod"])
    )


def _time(members: dict[str, Any], name: str) -> datetime | None:
    text = members.get(name)
    return None if text is None else parse_time(text, name)


def _to_purpose(purpose: str) -> ChargingProfilePurposeType:
    word = _PURPOSES.get(ChargingProfilePurpose(purpose))
    if word is None:
        raise CannotBeSaidError(f"OCPP 1.6 has no charging profile of the purpose {purpose}")
    return word


def _to_id(transaction_id: str) -> int:
    try:
        return int(transaction_id)
    except ValueError:
        raise CannotBeSaidError(
            f"a transaction id of OCPP 1.6 is an integer, not {transaction_id!r}"
        ) from None
