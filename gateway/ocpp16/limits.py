"""What a station of OCPP 1.6 can take, as its configuration tells it (§9.1.9, §9.2, §9.4).

What it cannot take is not sent: the station would refuse it in one word, or cut it. Limits that it
never told, or told in a way that is no limit, are unknown, and bind nobody.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TypeAlias

from gateway import local_list_limits
from gateway.errors import CannotBeSaidError
from gateway.handlers import Handlers
from shared.domain import commands
from shared.domain.charging.charging_profiles import (
    ChargingProfile,
    ChargingRateUnit,
    InstalledProfile,
    parse_document,
)

_MAX_KEYS = "GetConfigurationMaxKeys"
_MAX_STACK_LEVEL = "ChargeProfileMaxStackLevel"
_MAX_PERIODS = "ChargingScheduleMaxPeriods"
_RATE_UNITS = "ChargingScheduleAllowedChargingRateUnit"
_MAX_PROFILES = "MaxChargingProfilesInstalled"
_OF_PROFILES = (_MAX_STACK_LEVEL, _MAX_PERIODS, _RATE_UNITS, _MAX_PROFILES)

# What stands in a list of allowed units (errata 3.88); some tell the unit itself.
_UNIT_WORDS = {
    "current": ChargingRateUnit.AMPERE,
    "a": ChargingRateUnit.AMPERE,
    "power": ChargingRateUnit.WATT,
    "w": ChargingRateUnit.WATT,
}

_Told: TypeAlias = dict[str, str]
"""Values of configuration keys."""


class Limits(Handlers):
    """Keeps commands within what their station can take."""

    __slots__ = ()

    async def complete(self, command: commands.Command) -> commands.Command:
        """Refuse what the station has told that it cannot take.

        Raises:
            CannotBeSaidError: it is too much; the message tells the limit.
        """
        match command:
            case commands.GetConfiguration(keys=keys) if keys:
                check_keys(len(keys), await self._told(_MAX_KEYS))
            case commands.SetChargingProfile(evse_id=evse_id, charging_profile=document):
                await self._check_profile(parse_document(document), evse_id)
            case commands.RemoteStart(charging_profile=dict(document), evse_id=evse_id):
                await self._check_profile(parse_document(document), evse_id)
            case commands.SendLocalList():
                await local_list_limits.check_update(self, command, ocpp_version="1.6")
        return await super().complete(command)

    async def _check_profile(self, profile: ChargingProfile, evse_id: int | None) -> None:
        told = await self._told(*_OF_PROFILES)
        if not told:
            return
        installed: list[InstalledProfile] = []
        if _MAX_PROFILES in told:
            installed = await self.services.lookups.list_charging_profiles(self.station.station_id)
        beside = count_beside(profile, evse_id, installed, now=self.services.now())
        check_profile(profile, told, beside=beside)

    async def _told(self, *keys: str) -> _Told:
        return await self.services.lookups.find_configuration(self.station.station_id, keys)


def check_keys(count: int, told: _Told) -> None:
    """Make sure that so many keys may be asked for at once (§5.8).

    Raises:
        CannotBeSaidError: they are too many.
    """
    limit = _read_number(told, _MAX_KEYS, at_least=1)
    if limit is not None and count > limit:
        raise CannotBeSaidError(
            f"the station tells at most {limit} keys at a time ({_MAX_KEYS}), and these are "
            f"{count}: ask for fewer of them, or for all by naming none"
        )


def count_beside(
    profile: ChargingProfile,
    evse_id: int | None,
    installed: Iterable[InstalledProfile],
    *,
    now: datetime,
) -> int:
    """Return how many of the profiles that a station has stay when it takes one more.

    Those that are over do not, nor what gives way to the new one (§3.13.2, §5.16).
    """
    return sum(
        not _replaces(profile, evse_id, other)
        and (other.profile.valid_to is None or other.profile.valid_to > now)
        for other in installed
    )


def _replaces(profile: ChargingProfile, evse_id: int | None, other: InstalledProfile) -> bool:
    return other.profile.charging_profile_id == profile.charging_profile_id or (
        other.evse_id == evse_id
        and other.profile.purpose is profile.purpose
        and other.profile.stack_level == profile.stack_level
    )


def check_profile(profile: ChargingProfile, told: _Told, *, beside: int) -> None:
    """Make sure that the station can take a charging profile.

    Args:
        profile: what is to be sent.
        told: what the station has told of its limits.
        beside: how many other profiles stay installed.

    Raises:
        CannotBeSaidError: it cannot.
    """
    for problem in _problems_of_profile(profile, told, beside):
        raise CannotBeSaidError(problem)


def _problems_of_profile(profile: ChargingProfile, told: _Told, beside: int) -> Iterator[str]:
    limit = _read_number(told, _MAX_STACK_LEVEL, at_least=0)
    if limit is not None and profile.stack_level > limit:
        yield (
            f"the station takes stack levels up to {limit} ({_MAX_STACK_LEVEL}), not "
            f"{profile.stack_level}"
        )
    periods = len(profile.charging_schedule.periods)
    limit = _read_number(told, _MAX_PERIODS, at_least=1)
    if limit is not None and periods > limit:
        yield (
            f"the station takes schedules of at most {limit} periods ({_MAX_PERIODS}), and this "
            f"one has {periods}"
        )
    unit = profile.charging_schedule.charging_rate_unit
    if (units := _read_units(told)) and unit not in units:
        yield (
            f"the station takes rates in {' or '.join(sorted(units))} ({_RATE_UNITS}), not in "
            f"{unit}"
        )
    limit = _read_number(told, _MAX_PROFILES, at_least=1)
    if limit is not None and beside >= limit:
        yield (
            f"the station has room for {limit} charging profiles ({_MAX_PROFILES}), and "
            f"{beside} others are installed: clear one of them first"
        )


def _read_number(told: _Told, key: str, *, at_least: int) -> int | None:
    try:
        number = int(told[key])
    except (KeyError, ValueError):
        return None
    return number if number >= at_least else None


def _read_units(told: _Told) -> set[ChargingRateUnit]:
    """Return the units that are allowed; none if a word among them is unknown."""
    words = [word.strip().lower() for word in told.get(_RATE_UNITS, "").split(",")]
    units = {_UNIT_WORDS.get(word) for word in words}
    return set() if None in units else {unit for unit in units if unit is not None}
