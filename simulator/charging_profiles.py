"""Charging profiles as a station keeps them (1.6, 3.13 and 5.16; 2.0.1: K).

Times are whole milliseconds since the Unix epoch and rates are decimals, so that sums and
comparisons are exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum, auto
from itertools import pairwise

#: What this station can keep (1.6, 9.4; 2.0.1, 2.10).
MAX_STACK_LEVEL = 20
MAX_PERIODS = 96
MAX_INSTALLED = 50


class Purpose(Enum):
    """What a profile limits."""

    STATION_MAX = auto()
    TX_DEFAULT = auto()
    TX = auto()


class Kind(StrEnum):
    """What a schedule counts from, in the names both versions share."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


class RateUnit(StrEnum):
    """Of limits: amperes per phase, or watts of all phases together (1.6, 7.12)."""

    AMPERE = "A"
    WATT = "W"


@dataclass(frozen=True, slots=True)
class Period:
    """A part of a schedule, up to the next one.

    Attributes:
        start_s: From the beginning of the schedule.
        limit: In the unit of the schedule.
        phases: How many may be used; None leaves it open.
    """

    start_s: int
    limit: Decimal
    phases: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingProfile:
    """A profile with its schedule.

    Attributes:
        profile_id: Given by the CSMS.
        connector_id: Where it holds; 0 for all.
        stack_level: The highest leads.
        purpose: What it limits.
        kind: What the schedule counts from.
        unit: Of its limits.
        periods: In order.
        start_ms: Of the schedule; None for the start of the charge.
        duration_s: Of the schedule; None for ever.
        recurs_after_s: When a recurring schedule begins again.
        valid_from_ms: It does not hold before.
        valid_to_ms: Nor from here on.
        transaction_id: Of the transaction it is for, if that was said.
    """

    profile_id: int
    connector_id: int
    stack_level: int
    purpose: Purpose
    kind: Kind
    unit: RateUnit
    periods: tuple[Period, ...]
    start_ms: int | None = None
    duration_s: int | None = None
    recurs_after_s: int | None = None
    valid_from_ms: int | None = None
    valid_to_ms: int | None = None
    transaction_id: int | str | None = None

    @property
    def length_s(self) -> int | None:
        """How long one run lasts; what is longer than the recurrence is cut (errata 3.44)."""
        if self.recurs_after_s is None:
            return self.duration_s
        return min(self.recurs_after_s, self.duration_s or self.recurs_after_s)


def find_flaw(profile: ChargingProfile) -> str | None:
    """Return why a profile cannot be installed, None if it can (1.6, 3.13.1 and 5.16.4)."""
    starts = [period.start_s for period in profile.periods]
    flaws = {
        "the first period must begin at 0": starts[:1] != [0],
        "periods must be in order": any(later <= earlier for earlier, later in pairwise(starts)),
        f"more than {MAX_PERIODS} periods": len(starts) > MAX_PERIODS,
        "a limit below 0": any(period.limit < 0 for period in profile.periods),
        f"a stack level must be 0 to {MAX_STACK_LEVEL}": not (
            0 <= profile.stack_level <= MAX_STACK_LEVEL
        ),
        "a recurring schedule needs its start and its recurrency": profile.kind is Kind.RECURRING
        and (profile.recurs_after_s is None or profile.start_ms is None),
        "a limit of the whole station must be set for all of it": (
            profile.purpose is Purpose.STATION_MAX and profile.connector_id != 0
        ),
        "a limit of the whole station is relative to no charge": (
            profile.purpose is Purpose.STATION_MAX and profile.kind is Kind.RELATIVE
        ),
        "a limit of a transaction must be set where it is": (
            profile.purpose is Purpose.TX and profile.connector_id == 0
        ),
    }
    return next((flaw for flaw, found in flaws.items() if found), None)


class ChargingProfiles:
    """The installed profiles of one station; they survive a restart (errata 3.37)."""

    __slots__ = ("_installed",)

    def __init__(self) -> None:
        self._installed: list[ChargingProfile] = []

    def __iter__(self) -> Iterator[ChargingProfile]:
        return iter(self._installed)

    def __len__(self) -> int:
        return len(self._installed)

    def install(self, profile: ChargingProfile) -> bool:
        """Install a profile that has no flaw; False if there is no room for it.

        It replaces the one of its id, and the one of its connector, purpose and stack level (1.6,
        3.13.2 and 5.16.3).
        """
        kept = [each for each in self._installed if not _replaces(profile, each)]
        if len(kept) >= MAX_INSTALLED:
            return False
        self._installed = [*kept, profile]
        return True

    def clear(
        self,
        *,
        profile_id: int | None = None,
        connector_id: int | None = None,
        purpose: Purpose | None = None,
        stack_level: int | None = None,
    ) -> int:
        """Remove the profiles that fit all that is given (errata 3.25); returns how many."""

        def fits(profile: ChargingProfile) -> bool:
            return (
                profile_id in {None, profile.profile_id}
                and connector_id in {None, profile.connector_id}
                and purpose in {None, profile.purpose}
                and stack_level in {None, profile.stack_level}
            )

        kept = [each for each in self._installed if not fits(each)]
        removed = len(self._installed) - len(kept)
        self._installed = kept
        return removed


def _replaces(new: ChargingProfile, old: ChargingProfile) -> bool:
    return new.profile_id == old.profile_id or (
        (new.connector_id, new.purpose, new.stack_level)
        == (old.connector_id, old.purpose, old.stack_level)
    )
