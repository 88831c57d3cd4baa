"""Reads the meter while a charge runs, and ends the charge that has what its driver wanted."""

from collections.abc import Callable
from typing import Protocol

from simulator.charging import Charge, Reading, SampleContext, StopReason
from simulator.context import Context
from simulator.dialect import Dialect
from simulator.electricity import Meter
from simulator.events import ChargeSampled
from simulator.link import Link

#: Readings kept for the closing record (1.6 errata 3.91, StopTransactionMaxMeterValues), besides
#: the first and the last, which are never dropped.
MAX_KEPT_SAMPLES = 50

#: A session that should end at a certain energy is looked at no more often than this.
_MIN_LOOK_S = 0.5


class Sampled(Protocol):
    """A connector, as far as it is sampled."""

    @property
    def number(self) -> int:
        """From 1, as OCPP counts them (1.6, 3.8)."""

    @property
    def charge(self) -> Charge | None:
        """The running transaction."""

    @property
    def meter(self) -> Meter:
        """What is read."""

    def battery_filled(self) -> None:
        """The vehicle takes no more."""

    def stop(self, reason: StopReason) -> None:
        """End the running charge."""


class Sampling:
    """The samples of one connector's charges.

    Args:
        connector: Whose charge and meter.
        context: Clock and settings.
        link: Takes what is told.
        dialect: Words it.
    """

    __slots__ = ("_connector", "_context", "_dialect", "_keep_every", "_link", "_taken")

    def __init__(
        self, connector: Sampled, *, context: Context, link: Link, dialect: Dialect
    ) -> None:
        self._connector = connector
        self._context = context
        self._link = link
        self._dialect = dialect
        self._taken = 0
        self._keep_every = 1

    def begin(self) -> None:
        """A charge has begun."""
        self._taken = 0
        self._keep_every = 1
        self.plan()
        self._watch_energy()

    def end(self) -> None:
        """The charge is over."""
        for name in ("sample", "record", "energy"):
            self._context.timers.cancel((self._connector.number, name))

    def plan(self) -> None:
        """Plan the next samples, anew if the intervals were changed."""
        settings = self._context.settings
        self._after(settings.meter_interval_s, "sample", self._sample)
        self._after(settings.record_interval_s or 0, "record", self._record)

    def _sample(self) -> None:
        charge = self._connector.charge
        if charge is None:
            return
        reading = self._connector.meter.read(self._context.now)
        if self._context.settings.record_interval_s is None:
            self._keep(charge, reading)
        self._context.report(
            ChargeSampled(
                connector_id=self._connector.number,
                energy_wh=reading.energy_wh - charge.begin.energy_wh,
                power_w=reading.power_w,
                soc_percent=reading.soc_percent,
            )
        )
        if message := self._dialect.charge_metered(charge, reading, SampleContext.PERIODIC):
            self._link.queue(message)
        vehicle = self._connector.meter.vehicle
        if vehicle is not None and vehicle.full:
            self._connector.battery_filled()
        self._after(self._context.settings.meter_interval_s, "sample", self._sample)

    def _record(self) -> None:
        charge = self._connector.charge
        if charge is None:
            return
        self._keep(charge, self._connector.meter.read(self._context.now))
        self._after(self._context.settings.record_interval_s or 0, "record", self._record)

    def _keep(self, charge: Charge, reading: Reading) -> None:
        if not self._context.settings.sampled_at_end:
            return
        self._taken += 1
        if len(charge.samples) >= MAX_KEPT_SAMPLES:
            # 1.6 errata 3.91, 2.0.1 E06.FR.13: thin out evenly, the first, third, fifth and so on,
            # rather than drop the oldest or the newest.
            del charge.samples[::2]
            self._keep_every *= 2
        if self._taken % self._keep_every == 0:
            charge.samples.append(reading)

    def _watch_energy(self) -> None:
        """End the session when it has delivered what its driver wanted."""
        charge, meter = self._connector.charge, self._connector.meter
        target_wh = self._context.profile.scenario.energy_wh
        if target_wh is None or charge is None:
            return
        delivered_wh = meter.read(self._context.now).energy_wh - charge.begin.energy_wh
        if delivered_wh >= target_wh:
            self._connector.stop(StopReason.LOCAL)
            return
        # At full power it cannot be sooner; below that, look again when it could be.
        look_s = max(_MIN_LOOK_S, meter.soonest_s(target_wh - delivered_wh))
        self._after(look_s, "energy", self._watch_energy)

    def _after(self, delay_s: float, name: str, action: Callable[[], None]) -> None:
        timers = self._context.timers
        if delay_s > 0:
            timers.set((self._connector.number, name), self._context.now + delay_s, action)
        else:
            timers.cancel((self._connector.number, name))
