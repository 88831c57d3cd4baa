"""Readings at full multiples of an interval since midnight (1.6, 3.16.2; 2.0.1: J01)."""

from typing import TYPE_CHECKING

from simulator.charging import SampleContext

if TYPE_CHECKING:
    from simulator.station import Station

_DAY_S = 86_400


class ClockAligned:
    """The readings of one station, all connectors at the same moment."""

    __slots__ = ("_station",)

    def __init__(self, station: "Station") -> None:
        self._station = station

    def plan(self) -> None:
        """Plan the next readings, anew if the interval was changed."""
        context = self._station.context
        interval_s = context.settings.clock_aligned_interval_s
        if interval_s <= 0:
            context.timers.cancel("clock")
            return
        midnight = context.now // _DAY_S * _DAY_S
        passed = (context.now - midnight) // interval_s + 1
        at = min(midnight + passed * interval_s, midnight + _DAY_S)
        context.timers.set("clock", at, self._read)

    def _read(self) -> None:
        station = self._station
        for connector in station.connectors.values():
            reading = connector.meter.read(station.context.now)
            charge = connector.charge
            if charge is None:
                request = station.dialect.clock_aligned(connector.number, reading)
                if request is not None and station.link.ready:
                    station.link.call(request)
            elif message := station.dialect.charge_metered(charge, reading, SampleContext.CLOCK):
                station.link.queue(message)
        self.plan()
