"""Vehicles that draw power, and the meter that counts it."""

import random
from dataclasses import dataclass

from simulator.charging import Reading
from simulator.profile import StationProfile, draw

#: What limits in amperes and watts are converted with.
NOMINAL_VOLTAGE_V = 230
NOMINAL_VOLTAGE_DC_V = 400

_AC_VOLTAGE_V = float(NOMINAL_VOLTAGE_V)
#: The grid sags by this share at full load.
_SAG = 0.01
#: With less current a vehicle cannot charge at an AC outlet (IEC 61851-1).
_AC_CURRENT_MIN_A = 6.0
_DC_VOLTAGE_EMPTY_V = 350.0
_DC_VOLTAGE_FULL_V = 430.0

#: A vehicle closes its contactors and raises the current over this time.
_RAMP_S = 8.0
#: Above this charge, in percent, the battery takes less and less.
_TAPER_FROM_PERCENT = 80.0
#: What is left of the power just before the battery is full.
_TAPER_TO = 0.08
_NOISE = 0.008
_NOISE_BOUND = 0.025
#: Share of the metered energy that reaches the battery.
_EFFICIENCY = 0.92
#: Step of the integration; finer than the ramp, coarse enough for thousands of stations.
_STEP_S = 2.0
_FULL_PERCENT = 100.0
_S_PER_H = 3600.0
#: 2025-01-01T00:00:00Z
_IN_SERVICE_SINCE = 1_735_689_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLimit:
    """What a charge may draw at most.

    Attributes:
        power_w: On all phases together; None for no limit in watts.
        current_a: On each phase; None for no limit in amperes.
        phases: How many may be used; 1 for direct current.
    """

    power_w: float | None
    current_a: float | None
    phases: int


@dataclass(slots=True)
class Vehicle:
    """The battery at the end of the cable.

    Attributes:
        battery_wh: Capacity.
        soc_percent: State of charge.
    """

    battery_wh: float
    soc_percent: float

    @property
    def full(self) -> bool:
        """Whether it takes no more energy."""
        return self.soc_percent >= _FULL_PERCENT

    def acceptance(self) -> float:
        """Return the share of the offered power it takes, 0 to 1."""
        if self.full:
            return 0.0
        if self.soc_percent <= _TAPER_FROM_PERCENT:
            return 1.0
        above = (self.soc_percent - _TAPER_FROM_PERCENT) / (_FULL_PERCENT - _TAPER_FROM_PERCENT)
        return 1.0 - above * (1.0 - _TAPER_TO)


class Meter:
    """The meter of one connector. Its register only ever grows and outlives every restart."""

    __slots__ = (
        "_at",
        "_conductors",
        "_limit_w",
        "_power_w",
        "_profile",
        "_register_wh",
        "_rng",
        "_since",
        "vehicle",
    )

    def __init__(self, profile: StationProfile, rng: random.Random, now: float) -> None:
        self._profile = profile
        self._rng = rng
        self._at = now
        start_wh = profile.meter_start_wh
        if start_wh is None:
            start_wh = profile.power_w * max(0.0, now - _IN_SERVICE_SINCE) / _S_PER_H
        self._register_wh = start_wh
        self._power_w = 0.0
        self._since = now
        self._limit_w: float | None = None
        self._conductors = profile.phases or 1
        self.vehicle: Vehicle | None = None

    def arriving_vehicle(self) -> Vehicle:
        """Return a vehicle as they come to this station."""
        return Vehicle(
            battery_wh=draw(self._rng, self._profile.battery_wh),
            soc_percent=draw(self._rng, self._profile.arrival_soc_percent),
        )

    def close_contactor(self, vehicle: Vehicle, now: float) -> None:
        """Offer power from `now` on."""
        self.advance(now)
        self.vehicle = vehicle
        self._since = now

    def open_contactor(self, now: float) -> None:
        """Stop the flow at `now`."""
        self.advance(now)
        self.vehicle = None
        self._power_w = 0.0

    def limit(self, limit: PowerLimit | None, now: float) -> float | None:
        """Draw no more than a limit from `now` on.

        Args:
            limit: None for none but what the station is built for.
            now: Seconds since the Unix epoch.

        Returns:
            The most that it may be, in W; None for what the station is built for.
        """
        self.advance(now)
        phases = self._profile.phases or 1
        self._conductors = phases if limit is None else min(phases, limit.phases)
        self._limit_w = None if limit is None else self._allowed_w(limit)
        if self._limit_w is not None:
            self._power_w = min(self._power_w, self._limit_w)
        return self._limit_w

    def advance(self, now: float) -> None:
        """Let energy flow until `now`; a `now` in the past changes nothing."""
        if self.vehicle is None:
            self._at = max(self._at, now)
            return
        while self._at < now:
            step_s = min(_STEP_S, now - self._at)
            self._at += step_s
            power_w = self._demand_w(self.vehicle)
            energy_wh = (self._power_w + power_w) / 2 * step_s / _S_PER_H * self._profile.time_lapse
            self._power_w = power_w
            self._register_wh += energy_wh
            gained_percent = energy_wh * _EFFICIENCY / self.vehicle.battery_wh * _FULL_PERCENT
            self.vehicle.soc_percent = min(_FULL_PERCENT, self.vehicle.soc_percent + gained_percent)

    def read(self, now: float) -> Reading:
        """Advance to `now` and return what the meter shows."""
        self.advance(now)
        vehicle = self.vehicle
        voltage_v = self._voltage_v(vehicle)
        return Reading(
            at=now,
            energy_wh=int(self._register_wh),
            power_w=round(self._power_w, 1),
            current_a=round(self._power_w / voltage_v / self._conductors, 2),
            voltage_v=round(voltage_v, 1),
            soc_percent=None if vehicle is None else round(vehicle.soc_percent, 1),
        )

    def soonest_s(self, energy_wh: float) -> float:
        """Return how long `energy_wh` more takes at full power, in seconds of the clock."""
        return energy_wh * _S_PER_H / self._profile.power_w / self._profile.time_lapse

    def _demand_w(self, vehicle: Vehicle) -> float:
        ramp = min(1.0, (self._at - self._since) / _RAMP_S)
        noise = max(-_NOISE_BOUND, min(_NOISE_BOUND, self._rng.gauss(0.0, _NOISE)))
        share = ramp * vehicle.acceptance() * (1.0 + noise)
        power_w = self._profile.power_w * min(1.0, share)
        if self._limit_w is None:
            return power_w
        return min(power_w, self._limit_w * min(1.0, ramp * (1.0 + noise)))

    def _allowed_w(self, limit: PowerLimit) -> float:
        """Return a limit in watts, low enough for its amperes at any voltage of the noise."""
        profile = self._profile
        allowed_w = profile.power_w * self._conductors / (profile.phases or 1)
        lowest_v = _AC_VOLTAGE_V * (1 - _SAG) if profile.phases else _DC_VOLTAGE_EMPTY_V
        lowest_v *= 1 - _NOISE_BOUND
        if limit.current_a is not None:
            allowed_w = min(allowed_w, limit.current_a * lowest_v * self._conductors)
        if limit.power_w is not None:
            allowed_w = min(allowed_w, limit.power_w)
        too_little_w = _AC_CURRENT_MIN_A * lowest_v * self._conductors if profile.phases else 0.0
        return 0.0 if allowed_w < too_little_w else allowed_w

    def _voltage_v(self, vehicle: Vehicle | None) -> float:
        noise = 1.0 + max(-_NOISE_BOUND, min(_NOISE_BOUND, self._rng.gauss(0.0, _NOISE / 2)))
        if self._profile.phases:
            # The grid sags a little under load.
            return _AC_VOLTAGE_V * noise * (1 - _SAG * self._power_w / self._profile.power_w)
        soc = 0.0 if vehicle is None else vehicle.soc_percent / _FULL_PERCENT
        span_v = _DC_VOLTAGE_FULL_V - _DC_VOLTAGE_EMPTY_V
        return (_DC_VOLTAGE_EMPTY_V + span_v * soc) * noise
