"""Samples that were taken before the time that they stand at.

What the meter showed at the start of a transaction or of an interruption has a context of its own,
Transaction.Begin and Interruption.Begin (OCPP 1.6 §7.35, OCPP 2.0.1 part 2 §3.66). Some makes tell
it again beside each later sample, where it would be a register that falls and jumps at one instant.
It says nothing of that time, and is put where it belongs. Others give these contexts to what their
meter shows now, so that a register is only taken for an old one if the meter had shown more.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import TypeAlias

from shared.domain.sessions.energy import Reading, Register, amount_of, resolution_of
from shared.domain.sessions.limits import Limits
from shared.domain.sessions.meter_values import (
    BEGIN_CONTEXTS,
    ENERGY_IMPORT_REGISTER,
    MeterSample,
    ReadingContext,
)

_Series: TypeAlias = tuple[str, str | None]
"""A measurand and a phase."""


@dataclass(slots=True)
class Placed:
    """Readings whose samples stand at the time that they were taken at.

    `repeated` says that one of them had been told again.
    """

    readings: list[Reading]
    repeated: bool = False


def place(
    readings: Sequence[Reading], start: Register | None, began_at: datetime, limits: Limits
) -> Placed:
    """Put samples of a begin at the begin, and leave out those of an interruption told again.

    Args:
        readings: of one session, in any order.
        start: its register at the start, if it was told.
        began_at: when it began.
        limits: how much two readings of one meter may differ by.
    """
    if not any(_is_of_before(sample) for reading in readings for sample in reading.samples):
        return Placed(list(readings))
    placing = _Placing(start, began_at, limits)
    by_time = sorted(readings, key=attrgetter("sampled_at"))
    for _, at_once in groupby(by_time, key=attrgetter("sampled_at")):
        placing.take(list(at_once))
    return Placed([*placing.begins.values(), *placing.readings], placing.repeated)


@dataclass(slots=True)
class _Placing:
    """What was placed so far, and what the meter has shown until then."""

    start: Register | None
    began_at: datetime
    limits: Limits
    readings: list[Reading] = field(default_factory=list)
    begins: dict[tuple[_Series, Decimal], Reading] = field(default_factory=dict)
    repeated: bool = False
    _least: dict[_Series, Decimal] = field(default_factory=dict)
    _most: dict[_Series, Register] = field(default_factory=dict)

    def take(self, at_once: Iterable[Reading]) -> None:
        """Place the readings of the next instant."""
        told = list(at_once)
        now = set()
        for reading in told:
            for sample in reading.samples:
                amount = amount_of(sample)
                if amount is not None and not _is_of_before(sample):
                    now.add(_series(sample))
                    self._show(Register(reading.sampled_at, amount, resolution_of(sample)), sample)
        for reading in told:
            kept = [
                sample
                for sample in reading.samples
                if not _is_of_before(sample) or self._stays(reading, sample, now)
            ]
            self.readings.append(Reading(reading.sampled_at, reading.received_at, kept, reading.of))

    def _show(self, register: Register, sample: MeterSample) -> None:
        series = _series(sample)
        amount = register.energy_wh
        self._least[series] = min(amount, self._least.get(series, amount))
        if series not in self._most or amount > self._most[series].energy_wh:
            self._most[series] = register

    def _stays(self, reading: Reading, sample: MeterSample, now: Collection[_Series]) -> bool:
        """Tell whether a sample stands where it was taken; if not, put it there."""
        amount, series = amount_of(sample), _series(sample)
        if amount is None or reading.sampled_at <= self.began_at:
            return True
        if sample["measurand"] != ENERGY_IMPORT_REGISTER:
            is_old = series in now
            self.repeated |= is_old
            return not is_old
        slack_wh = self.limits.tolerance_wh + resolution_of(sample)
        most = self._most.get(series)
        is_old = most is not None and amount < most.energy_wh - most.resolution_wh - slack_wh
        if sample["context"] == ReadingContext.INTERRUPTION_BEGIN:
            is_old = is_old and amount >= self._lowest(series) - slack_wh
            self.repeated |= is_old
            return not is_old
        is_start = (
            series == (ENERGY_IMPORT_REGISTER, None)
            and self.start is not None
            and abs(amount - self.start.energy_wh) <= slack_wh + self.start.resolution_wh
        )
        if not is_old and not is_start:
            return True
        # Told before or not, it is kept once, as it came first.
        begin = Reading(self.began_at, reading.received_at, [sample], reading.of)
        self.repeated |= is_old or (series, amount) in self.begins
        self.begins.setdefault((series, amount), begin)
        return False

    def _lowest(self, series: _Series) -> Decimal:
        """Return the least that a meter has shown; only called once it has shown something."""
        least = self._least[series]
        if self.start is None or series[1] is not None:
            return least
        return min(least, self.start.energy_wh)


def _is_of_before(sample: MeterSample) -> bool:
    return sample["context"] in BEGIN_CONTEXTS


def _series(sample: MeterSample) -> _Series:
    return sample["measurand"], sample.get("phase")
