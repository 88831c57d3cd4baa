"""What a station of OCPP 2.0.1 can take, as its variables tell it (part 2, referenced variables).

What it cannot take is not sent. Limits that it never told, or told in a way that is no limit, bind
nobody.
"""

from collections.abc import Iterator

import msgspec

from gateway import local_list_limits
from gateway.errors import CannotBeSaidError
from gateway.handlers import Handlers
from gateway.ocpp201.local_authorization_list import to_send_local_list
from gateway.routing import to_payload
from shared.domain import commands
from shared.domain.charging.charging_profiles import (
    ChargingProfile,
    ChargingRateUnit,
    parse_document,
)

_DEVICE_DATA = "DeviceDataCtrlr"
_SMART_CHARGING = "SmartChargingCtrlr"
_ITEMS = "ItemsPerMessage[GetVariables]"  # 2.1.17
_MAX_DIGITS = 10


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
                check_keys(len(keys), await self._told(_DEVICE_DATA))
            case commands.SetChargingProfile(charging_profile=document):
                check_profile(parse_document(document), await self._told(_SMART_CHARGING))
            case commands.RemoteStart(charging_profile=dict(document)):
                check_profile(parse_document(document), await self._told(_SMART_CHARGING))
            case commands.SendLocalList():
                await local_list_limits.check_update(
                    self,
                    command,
                    ocpp_version="2.0.1",
                    measure_bytes=lambda: _measure(command),
                )
        return await super().complete(command)

    async def _told(self, component: str) -> dict[str, str]:
        return await self.services.lookups.find_variables(self.station.station_id, component)


def check_keys(count: int, told: dict[str, str]) -> None:
    """Make sure that so many variables may be asked for at once (B06.FR.16).

    Raises:
        CannotBeSaidError: they are too many.
    """
    limit = _read_number(told, _ITEMS, at_least=1)
    if limit is not None and count > limit:
        raise CannotBeSaidError(
            f"the station tells at most {limit} variables at a time ({_DEVICE_DATA}.{_ITEMS}), and "
            f"these are {count}: ask for fewer of them, or for all by naming none"
        )


def check_profile(profile: ChargingProfile, told: dict[str, str]) -> None:
    """Make sure that the station can take a charging profile (2.9.4 to 2.9.6).

    Raises:
        CannotBeSaidError: it cannot.
    """
    for problem in _problems_of_profile(profile, told):
        raise CannotBeSaidError(problem)


def _problems_of_profile(profile: ChargingProfile, told: dict[str, str]) -> Iterator[str]:
    limit = _read_number(told, "ProfileStackLevel", at_least=0)
    if limit is not None and profile.stack_level > limit:
        yield (
            f"the station takes stack levels up to {limit} ({_SMART_CHARGING}.ProfileStackLevel), "
            f"not {profile.stack_level}"
        )
    periods = len(profile.charging_schedule.periods)
    limit = _read_number(told, "PeriodsPerSchedule", at_least=1)
    if limit is not None and periods > limit:
        yield (
            f"the station takes schedules of at most {limit} periods "
            f"({_SMART_CHARGING}.PeriodsPerSchedule), and this one has {periods}"
        )
    unit = profile.charging_schedule.charging_rate_unit
    units = {word.strip().upper() for word in told.get("RateUnit", "").split(",")}
    if units <= set(ChargingRateUnit) and unit not in units:
        yield (
            f"the station takes rates in {' or '.join(sorted(units))} "
            f"({_SMART_CHARGING}.RateUnit), not in {unit}"
        )


def _read_number(told: dict[str, str], name: str, *, at_least: int) -> int | None:
    text = told.get(name, "").strip()
    number = int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else -1
    return number if number >= at_least else None


def _measure(command: commands.SendLocalList) -> int:
    return len(msgspec.json.encode(to_payload(to_send_local_list(command))))
