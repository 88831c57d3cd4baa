"""What happens at one station during a run: drivers come and go, and connections are lost.

It uses the inputs of `simulator.station.Station` and nothing below them, so that the same behaviour
drives every version of OCPP.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest.locust.profiles import PROFILES, RunPlan, wave_times_s
from simulator.station import Station

#: A connector whose drivers never pause would never be seen available.
_MAX_BUSY_SHARE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """How many drivers there are.

    Attributes:
        session_s: Mean length of a charge; each is drawn evenly from half to one and a half of it.
        busy_share: Share of the connectors that are to charge, by seconds since the run began.
        peak_busy_share: Highest value of that.
    """

    session_s: float
    busy_share: Callable[[float], float]
    peak_busy_share: float

    def arrivals_per_s(self, busy_share: float) -> float:
        """Return how often a driver must come to a free connector to keep so many of them busy."""
        share = min(busy_share, _MAX_BUSY_SHARE)
        return share / (1 - share) / self.session_s


def demand_of(plan: RunPlan, session_s: float) -> Demand:
    """Return how many drivers there are in the course of a run."""
    profile = PROFILES[plan.profile]
    return Demand(
        session_s=session_s,
        busy_share=lambda elapsed_s: profile.busy_share(elapsed_s / plan.run_time_s),
        peak_busy_share=profile.peak_busy_share,
    )


def losses_of(plan: RunPlan, number: int, *, run_began_at: float) -> list[float]:
    """Return when a station loses its connection; each wave takes another part of the fleet."""
    return [
        run_began_at + at_s
        for wave, at_s in enumerate(wave_times_s(plan))
        if number % plan.waves == wave
    ]


class Behaviour:
    """Plays the drivers of one station.

    They come as a Poisson process, whether or not the CSMS keeps up. Its rate changes in the course
    of a run, so candidates come at the highest rate there is, and only a share of them stays
    (thinning); a long pause drawn in a quiet hour cannot outlast the peak that way.

    Args:
        demand: How many drivers.
        connectors: Numbers of the connectors.
        losses: When the connection is lost, seconds since the Unix epoch, in order.
        run_began_at: Seconds since the Unix epoch.
        now: The same.
        id_token: What drivers present.
        rng: Chance.
    """

    def __init__(
        self,
        demand: Demand,
        *,
        connectors: Sequence[int],
        losses: Sequence[float],
        run_began_at: float,
        now: float,
        id_token: str,
        rng: random.Random,
    ) -> None:
        self._demand = demand
        self._run_began_at = run_began_at
        self._id_token = id_token
        self._rng = rng
        self._losses = [at for at in losses if at > now]
        self._peak_per_s = demand.arrivals_per_s(demand.peak_busy_share)
        self._due = (
            {number: now + self._pause_s() for number in connectors} if self._peak_per_s else {}
        )

    @property
    def next_at(self) -> float | None:
        """When something is to happen, seconds since the Unix epoch; None for never."""
        return min([*self._due.values(), *self._losses[:1]], default=None)

    def act(self, station: Station, now: float) -> None:
        """Do what is due."""
        for number, at in self._due.items():
            if at <= now:
                self._due[number] = now + self._visit(station, number, now)
        while self._losses and self._losses[0] <= now:
            self._losses.pop(0)
            station.lose_connection(now)

    def end(self, station: Station, now: float) -> None:
        """Let nobody come any more, and everybody who charges leave."""
        self._due.clear()
        self._losses.clear()
        for number, connector in station.connectors.items():
            if connector.charge is not None:
                station.stop_charging(now, connector_id=number)

    def _visit(self, station: Station, number: int, now: float) -> float:
        """End the charge there is, or let a driver begin one; return the seconds until the next.

        A charge may have ended by itself, and an operator may have started another one: what is
        there is looked at, not remembered.
        """
        connector = station.connectors[number]
        if connector.charge is not None:
            station.stop_charging(now, connector_id=number)
            return self._pause_s()
        wanted_per_s = self._demand.arrivals_per_s(
            self._demand.busy_share(now - self._run_began_at)
        )
        if not connector.ready or self._rng.random() * self._peak_per_s >= wanted_per_s:
            return self._pause_s()
        station.start_charging(now, connector_id=number, id_token=self._id_token)
        return self._rng.uniform(0.5, 1.5) * self._demand.session_s

    def _pause_s(self) -> float:
        return self._rng.expovariate(self._peak_per_s)
