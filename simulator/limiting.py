"""Smart charging: holds the charges of a station to its charging profiles."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from simulator.charging_profiles import (
    ChargingProfile,
    ChargingProfiles,
    Purpose,
    RateUnit,
    find_flaw,
)
from simulator.composite import (
    Leading,
    Supply,
    boundaries_ms,
    floor,
    leading_for_station,
    leading_for_transaction,
)
from simulator.context import Context
from simulator.electricity import NOMINAL_VOLTAGE_DC_V, NOMINAL_VOLTAGE_V, PowerLimit

if TYPE_CHECKING:
    from simulator.connector import Connector

_S = 1000
#: Limits are looked at anew after this time even if none should change.
_HORIZON_S = 86_400
#: A composite schedule reaches no further; its answer says so.
_COMPOSITE_MAX_S = 7 * 86_400


class CompositePeriod(NamedTuple):
    """A part of a composite schedule, up to the next one.

    Attributes:
        start_s: From the beginning of the schedule.
        limit: In the unit that was asked for.
        phases: That may be used; None for direct current, and for the whole station.
    """

    start_s: int
    limit: Decimal
    phases: int | None


class CompositeSchedule(NamedTuple):
    """What all profiles come to.

    Attributes:
        start_at: Seconds since the Unix epoch, a whole number of them.
        duration_s: How far it reaches.
        unit: Of the limits.
        periods: In order.
    """

    start_at: float
    duration_s: int
    unit: RateUnit
    periods: tuple[CompositePeriod, ...]


class Limiting:
    """The profiles of one station, and what follows from them.

    The limit of the whole station is shared evenly by the connectors that charge.

    Args:
        context: Clock and timers.
        connectors: All of the station, by number.
    """

    __slots__ = ("_connectors", "_context", "_supply", "profiles")

    def __init__(self, context: Context, connectors: "Mapping[int, Connector]") -> None:
        self._context = context
        self._connectors = connectors
        self.profiles = ChargingProfiles()
        phases = context.profile.phases
        self._supply = Supply(
            Decimal(NOMINAL_VOLTAGE_V if phases else NOMINAL_VOLTAGE_DC_V), phases or 1
        )

    # What the CSMS asks for

    def install(self, profile: ChargingProfile) -> bool:
        """Install a profile; False if it may not be, or there is no room for it.

        One of a transaction needs that transaction (1.6, 3.13.1; 2.0.1: K01.FR.03). It holds from
        the next `apply` on: the answer to the CSMS goes first.
        """
        if find_flaw(profile) is not None:
            return False
        if profile.purpose is Purpose.TX and not self._is_charging(profile):
            return False
        return self.profiles.install(profile)

    def composite(
        self, connector_id: int, duration_s: int, unit: RateUnit | None = None
    ) -> CompositeSchedule | None:
        """Return what a connector, or as 0 all together, may draw from now on.

        Args:
            connector_id: Where; 0 for what the station takes from the grid when all charge.
            duration_s: How far to look.
            unit: Of the limits; None for what is usual for the kind of current.

        Returns:
            The schedule, None if there is no such connector, or nothing to look at.
        """
        if duration_s < 1 or (connector_id != 0 and connector_id not in self._connectors):
            return None
        if unit is None:
            unit = RateUnit.AMPERE if self._context.profile.phases else RateUnit.WATT
        duration_s = min(duration_s, _COMPOSITE_MAX_S)
        start_s = int(self._context.now)
        start_ms, end_ms = start_s * _S, (start_s + duration_s) * _S
        chosen = [connector_id] if connector_id else list(self._connectors)
        moments = {start_ms}
        for number in chosen:
            moments.update(
                boundaries_ms(self.profiles, start_ms, end_ms, self._since_ms(number, start_ms))
            )
        periods: list[CompositePeriod] = []
        for at_ms in sorted(moments):
            new = self._composite_at(connector_id, at_ms, start_ms, unit)
            if not periods or periods[-1][1:] != new[1:]:
                periods.append(new)
        return CompositeSchedule(float(start_s), duration_s, unit, tuple(periods))

    # What follows

    def apply(self) -> None:
        """Hold every charge to what is allowed now, and plan to do so when that changes."""
        context = self._context
        context.timers.cancel("limits")
        if not self.profiles:
            for connector in self._connectors.values():
                connector.obey(None)
            return
        now_ms = round(context.now * _S)
        charging = [each for each in self._connectors.values() if each.charge is not None]
        horizon_ms = now_ms + _HORIZON_S * _S
        wake_ms = horizon_ms
        for connector in charging:
            since_ms = self._since_ms(connector.number, now_ms)
            connector.obey(self._limit(connector.number, now_ms, since_ms, len(charging)))
            moments = boundaries_ms(self.profiles, now_ms, horizon_ms, since_ms)
            wake_ms = min([wake_ms, *moments])
        if charging:
            context.timers.set("limits", wake_ms / _S, self.apply)

    def charge_begun(self) -> None:
        """A charge has begun: its connector, and those that share with it, have new limits."""
        if self.profiles:
            self.apply()

    def charge_over(self, connector_id: int) -> None:
        """A charge is over, and with it what was for it alone (1.6, 3.13.1)."""
        if self.profiles:
            self.profiles.clear(connector_id=connector_id, purpose=Purpose.TX)
            self.apply()

    def _is_charging(self, profile: ChargingProfile) -> bool:
        connector = self._connectors.get(profile.connector_id)
        if connector is None or connector.charge is None:
            return False
        return profile.transaction_id in {None, connector.charge.transaction_id}

    def _since_ms(self, number: int, otherwise_ms: int) -> int:
        charge = self._connectors[number].charge
        return otherwise_ms if charge is None else round(charge.begin.at * _S)

    def _limit(self, number: int, at_ms: int, since_ms: int, sharers: int) -> PowerLimit | None:
        """Return the limit of a charge, each rate in the unit it was given in."""
        power_w: list[Decimal] = []
        current_a: list[Decimal] = []
        phases = []
        for leading, share in (
            (leading_for_transaction(self.profiles, number, at_ms, since_ms), 1),
            (leading_for_station(self.profiles, at_ms), sharers),
        ):
            if leading is None:
                continue
            rates = power_w if leading.profile.unit is RateUnit.WATT else current_a
            rates.append(floor(leading.period.limit / share))
            phases.append(self._supply.used(leading.period))
        if not phases:
            return None
        return PowerLimit(
            power_w=float(min(power_w)) if power_w else None,
            current_a=float(min(current_a)) if current_a else None,
            phases=min(phases),
        )

    def _composite_at(
        self, connector_id: int, at_ms: int, start_ms: int, unit: RateUnit
    ) -> CompositePeriod:
        station = leading_for_station(self.profiles, at_ms)
        offset_s = (at_ms - start_ms) // _S
        phases = self._supply.phases
        if connector_id:
            others = [
                each
                for each in self._connectors.values()
                if each.charge is not None and each.number != connector_id
            ]
            sharers = 1 + len(others)
            leading = self._leading(connector_id, at_ms, start_ms)
            phases = self._used(leading, station)
            limit = self._allowed(leading, unit, phases)
        else:
            sharers = 1
            limit = Decimal(0)
            for number in self._connectors:
                leading = self._leading(number, at_ms, start_ms)
                limit += self._allowed(leading, unit, self._used(leading))
        if station is not None:
            share = station.period.limit / sharers
            limit = min(limit, self._supply.convert(share, station, unit, phases=phases))
        told = phases if connector_id and self._context.profile.phases else None
        return CompositePeriod(offset_s, limit, told)

    def _leading(self, number: int, at_ms: int, otherwise_ms: int) -> Leading | None:
        since_ms = self._since_ms(number, otherwise_ms)
        return leading_for_transaction(self.profiles, number, at_ms, since_ms)

    def _used(self, *leading: Leading | None) -> int:
        """Return how many phases may be used when all of these lead."""
        supply = self._supply
        used = [supply.used(each.period) for each in leading if each is not None]
        return min(used, default=supply.phases)

    def _allowed(self, leading: Leading | None, unit: RateUnit, phases: int) -> Decimal:
        """Return what a connector is built for, or less if a profile says so."""
        supply = self._supply
        power_w = Decimal(str(self._context.profile.power_w)) * phases / supply.phases
        if unit is RateUnit.WATT:
            built_for = floor(power_w)
        else:  # A station is rated in whole amperes, whatever its kilowatts are rounded to.
            built_for = floor(Decimal(round(power_w / (supply.voltage_v * phases))))
        if leading is None:
            return built_for
        return min(built_for, supply.convert(leading.period.limit, leading, unit, phases=phases))
