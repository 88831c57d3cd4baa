"""Readings at full multiples of an interval since midnight (1.6, 3.16.2; 2.0.1: J01)."""

from collections.abc import Mapping

from simulator.charging import SampleContext
from simulator.connector import Connector
from simulator.context import Context
from simulator.dialect import Dialect
from simulator.link import Link

_DAY_S = 86_400


class ClockAligned:
    """The readings of one station, all connectors at the same moment.

    Args:
        context: Clock, timers and settings.
        link: Takes what is told.
        dialect: Words it.
        connectors: All of the station, by number.
    """

    __slots__ = ("_connectors", "_context", "_dialect", "_link")

    def __init__(
        self,
        *,
        context: Context,
        link: Link,
        dialect: Dialect,
        connectors: Mapping[int, Connector],
    ) -> None:
        self._context = context
        self._link = link
        self._dialect = dialect
        self._connectors = connectors

    def plan(self) -> None:
        """Plan the next readings, anew if the interval was changed."""
        context = self._context
        interval_s = context.settings.clock_aligned_interval_s
        if interval_s <= 0:
            context.timers.cancel("clock")
            return
        midnight = context.now // _DAY_S * _DAY_S
        passed = (context.now - midnight) // interval_s + 1
        at = min(midnight + passed * interval_s, midnight + _DAY_S)
        context.timers.set("clock", at, self._read)

    def _read(self) -> None:
        for connector in self._connectors.values():
            reading = connector.meter.read(self._context.now)
            charge = connector.charge
            if charge is None:
                request = self._dialect.clock_aligned(connector.number, reading)
                if request is not None and self._link.ready:
                    self._link.call(request)
            elif message := self._dialect.charge_metered(charge, reading, SampleContext.CLOCK):
                self._link.queue(message)
        self.plan()
