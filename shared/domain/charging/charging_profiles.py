"""Charging profiles: how much power or current may be drawn, and when (OCPP 1.6 §3.13, 2.0.1 K).

Rates are decimals with one digit behind the point, which is what stations take (OCPP 1.6 §7.14).
As JSON, in a command's fields and in the store, a profile is a *document*: the same names, its
times as text. There a rate is a number or its digits, and is read by its digits, so that 8.1 stays
8.1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import pairwise
from typing import Any

from shared.domain.decimals import plain_digits
from shared.domain.errors import InvalidInputError

RATE_STEP = Decimal("0.1")
"""The least difference between two rates."""

_EVSE_TO_COME = 1  # any but 0, as the station may choose


class ChargingProfilePurpose(StrEnum):
    """ChargingProfilePurposeEnumType; 1.6 calls the second one ChargePointMaxProfile."""

    CHARGING_STATION_EXTERNAL_CONSTRAINTS = "ChargingStationExternalConstraints"
    """Set by another system than ours; OCPP 1.6 does not know it."""
    CHARGING_STATION_MAX_PROFILE = "ChargingStationMaxProfile"
    """What all EVSEs of the station together may draw."""
    TX_DEFAULT_PROFILE = "TxDefaultProfile"
    """What any transaction may draw."""
    TX_PROFILE = "TxProfile"
    """What one transaction may draw, in place of the default."""


class ChargingProfileKind(StrEnum):
    """ChargingProfileKindEnumType: what a schedule's seconds are counted from."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"
    """From the start of charging."""


class RecurrencyKind(StrEnum):
    """RecurrencyKindEnumType."""

    DAILY = "Daily"
    WEEKLY = "Weekly"

    @property
    def period_s(self) -> int:
        """How long it takes until the schedule begins again."""
        return 86_400 if self is RecurrencyKind.DAILY else 604_800


class ChargingRateUnit(StrEnum):
    """ChargingRateUnitEnumType: watts of all phases together, or amperes per phase (1.6 §7.12)."""

    WATT = "W"
    AMPERE = "A"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingSchedulePeriod:
    """A limit from `start_period_s` on, until the next period begins or the schedule ends."""

    start_period_s: int
    limit: Decimal
    number_phases: int | None = None
    phase_to_use: int | None = None
    """OCPP 2.0.1: which phase, if one is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingSchedule:
    """Limits over time. Without a duration the last one stays."""

    charging_rate_unit: ChargingRateUnit
    periods: tuple[ChargingSchedulePeriod, ...]
    start_schedule: datetime | None = None
    duration_s: int | None = None
    min_charging_rate: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingProfile:
    """One profile, of one purpose, at one level of that purpose's stack."""

    charging_profile_id: int
    stack_level: int
    purpose: ChargingProfilePurpose
    kind: ChargingProfileKind
    charging_schedule: ChargingSchedule
    recurrency_kind: RecurrencyKind | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    transaction_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledProfile:
    """A profile that a station has accepted, for one EVSE or, as EVSE 0, for the whole station."""

    station_id: str
    evse_id: int
    profile: ChargingProfile
    command_id: str | None
    accepted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingProfileAccepted(InstalledProfile):
    """A station has accepted a profile, in place of others.

    It replaces the one with its id, and the one of its EVSE, purpose and stack level. With a remote
    start, `start_within_s` is how long its transaction may take to begin where the station has not
    told that itself; then the start has led to nothing, and the profile is gone.
    """

    start_within_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingProfilesCleared:
    """A station has no profile any more that all of these words fit; None fits every one."""

    station_id: str
    charging_profile_id: int | None = None
    evse_id: int | None = None
    purpose: ChargingProfilePurpose | None = None
    stack_level: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeScheduleReported:
    """What a station says an EVSE may draw, or as EVSE 0 what it will itself take from the grid."""

    station_id: str
    evse_id: int
    schedule_start: datetime
    duration_s: int
    charging_rate_unit: ChargingRateUnit
    periods: tuple[ChargingSchedulePeriod, ...]
    reported_at: datetime


def check_profile(profile: ChargingProfile, *, evse_id: int) -> ChargingProfile:
    """Return a profile that may be sent for an EVSE; EVSE 0 is the whole station.

    Raises:
        InvalidInputError: the specifications forbid it; the message says what to do.
    """
    for problem, wrong in (*_problems_of_purpose(profile, evse_id), *_problems_of_time(profile)):
        if wrong:
            raise InvalidInputError(problem)
    return profile


def _problems_of_purpose(profile: ChargingProfile, evse_id: int) -> Iterator[tuple[str, bool]]:
    purposes, purpose = ChargingProfilePurpose, profile.purpose
    station_wide = purpose is purposes.CHARGING_STATION_MAX_PROFILE
    yield (
        "the limits of external systems are not ours to set (K01.FR.22)",
        purpose is purposes.CHARGING_STATION_EXTERNAL_CONSTRAINTS,
    )
    yield (
        "a ChargingStationMaxProfile is of the whole station: set it for evse_id 0",
        station_wide and evse_id != 0,
    )
    yield (
        "a ChargingStationMaxProfile cannot be Relative to a charge (K01.FR.38)",
        station_wide and profile.kind is ChargingProfileKind.RELATIVE,
    )
    yield (
        "a TxProfile is of one transaction: set it for the evse_id of that",
        purpose is purposes.TX_PROFILE and evse_id == 0,
    )
    yield (
        "only a TxProfile has a transaction_id",
        purpose is not purposes.TX_PROFILE and profile.transaction_id is not None,
    )


def _problems_of_time(profile: ChargingProfile) -> Iterator[tuple[str, bool]]:
    kinds, kind, schedule = ChargingProfileKind, profile.kind, profile.charging_schedule
    periods = schedule.periods
    starts = [period.start_period_s for period in periods]
    yield (
        "a Recurring profile, and no other, has a recurrency_kind",
        (kind is kinds.RECURRING) != (profile.recurrency_kind is not None),
    )
    yield (
        "a Relative schedule begins with the charge: leave start_schedule out",
        kind is kinds.RELATIVE and schedule.start_schedule is not None,
    )
    yield (
        "an Absolute or Recurring schedule needs a start_schedule (K01.FR.40)",
        kind is not kinds.RELATIVE and schedule.start_schedule is None,
    )
    yield (
        "valid_to must be later than valid_from",
        bool(profile.valid_from and profile.valid_to and profile.valid_from >= profile.valid_to),
    )
    yield (
        "the first period begins with its schedule: start_period_s 0",
        not starts or starts[0] != 0,
    )
    yield (
        "the periods stand in the order of their start_period_s",
        any(later <= earlier for earlier, later in pairwise(starts)),
    )
    yield (
        "phase_to_use needs number_phases 1 (K01.FR.19)",
        any(period.phase_to_use and period.number_phases != 1 for period in periods),
    )


def to_rate(value: Any) -> Decimal:  # noqa: ANN401 - a number of any JSON, or its digits
    """Return a rate by its digits: of the number 8.1 the decimal 8.1 and not 8.0999999.

    Raises:
        InvalidInputError: it is no number.
    """
    try:
        rate = Decimal(str(value))
    except InvalidOperation:
        rate = Decimal("NaN")
    if not rate.is_finite():
        raise InvalidInputError(f"{value!r} is no charging rate")
    return rate


def one_decimal(rate: Decimal) -> Decimal:
    """Return a rate with exactly one digit behind the point.

    Raises:
        InvalidInputError: it has more, and is not ours to round.
    """
    rounded: Decimal | None
    try:
        rounded = rate.quantize(RATE_STEP)
    except InvalidOperation:
        rounded = None
    if rounded is None or rounded != rate:
        raise InvalidInputError(
            f"a charging rate has at most one decimal, unlike {plain_digits(rate)}"
        )
    return rounded


def to_document(profile: ChargingProfile) -> dict[str, Any]:
    """Return a profile as JSON with exact digits; what is None is left out."""
    schedule = profile.charging_schedule
    return _without_none(
        {
            "charging_profile_id": profile.charging_profile_id,
            "stack_level": profile.stack_level,
            "purpose": str(profile.purpose),
            "kind": str(profile.kind),
            "recurrency_kind": profile.recurrency_kind and str(profile.recurrency_kind),
            "valid_from": profile.valid_from and profile.valid_from.isoformat(),
            "valid_to": profile.valid_to and profile.valid_to.isoformat(),
            "transaction_id": profile.transaction_id,
            "charging_schedule": _without_none(
                {
                    "charging_rate_unit": str(schedule.charging_rate_unit),
                    "start_schedule": schedule.start_schedule
                    and schedule.start_schedule.isoformat(),
                    "duration_s": schedule.duration_s,
                    "min_charging_rate": None
                    if schedule.min_charging_rate is None
                    else plain_digits(schedule.min_charging_rate),
                    "periods": to_period_documents(schedule.periods),
                }
            ),
        }
    )


def to_period_documents(periods: Sequence[ChargingSchedulePeriod]) -> list[dict[str, Any]]:
    """Return periods as JSON with exact digits."""
    return [
        _without_none(
            {
                "start_period_s": period.start_period_s,
                "limit": plain_digits(period.limit),
                "number_phases": period.number_phases,
                "phase_to_use": period.phase_to_use,
            }
        )
        for period in periods
    ]


def parse_document(document: dict[str, Any]) -> ChargingProfile:
    """Read what `to_document` wrote, or what a command carries.

    Raises:
        InvalidInputError: it is no profile.
    """
    try:
        schedule = document["charging_schedule"]
        recurrency_kind = document.get("recurrency_kind")
        min_charging_rate = schedule.get("min_charging_rate")
        return ChargingProfile(
            charging_profile_id=document["charging_profile_id"],
            stack_level=document["stack_level"],
            purpose=ChargingProfilePurpose(document["purpose"]),
            kind=ChargingProfileKind(document["kind"]),
            recurrency_kind=recurrency_kind and RecurrencyKind(recurrency_kind),
            valid_from=_parse_time(document.get("valid_from")),
            valid_to=_parse_time(document.get("valid_to")),
            transaction_id=document.get("transaction_id"),
            charging_schedule=ChargingSchedule(
                charging_rate_unit=ChargingRateUnit(schedule["charging_rate_unit"]),
                start_schedule=_parse_time(schedule.get("start_schedule")),
                duration_s=schedule.get("duration_s"),
                min_charging_rate=None if min_charging_rate is None else to_rate(min_charging_rate),
                periods=parse_period_documents(schedule["periods"]),
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInputError(
            f"this is no charging profile: {type(error).__name__}: {error}"
        ) from error


def parse_start_document(document: dict[str, Any]) -> ChargingProfile:
    """Read the profile of a remote start: a TxProfile of a transaction that has no id yet.

    Raises:
        InvalidInputError: it is none (OCPP 1.6 §5.16.2, errata 3.41, 2.0.1 K05.FR.02).
    """
    profile = parse_document(document)
    if profile.purpose is not ChargingProfilePurpose.TX_PROFILE:
        raise InvalidInputError("a charge is started with a TxProfile, and no other profile")
    if profile.transaction_id is not None:
        raise InvalidInputError("the transaction has no id yet: leave transaction_id out")
    return check_profile(profile, evse_id=_EVSE_TO_COME)


def parse_period_documents(
    documents: Sequence[dict[str, Any]],
) -> tuple[ChargingSchedulePeriod, ...]:
    """Read what `to_period_documents` wrote."""
    return tuple(
        ChargingSchedulePeriod(**{**period, "limit": to_rate(period["limit"])})
        for period in documents
    )


def _parse_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}
