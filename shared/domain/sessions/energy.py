"""How much energy meter values tell: from registers, phases, intervals, or power."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import islice, pairwise
from statistics import median_high

from shared.domain.sessions.meter_values import ENERGY_IMPORT_REGISTER, MeterSample

_INTERVAL = "Energy.Active.Import.Interval"
_POWER = "Power.Active.Import"
_UNITS = {
    ENERGY_IMPORT_REGISTER: {"Wh": Decimal(1), "kWh": Decimal(1000)},
    _INTERVAL: {"Wh": Decimal(1), "kWh": Decimal(1000)},
    _POWER: {"W": Decimal(1), "kW": Decimal(1000)},
}
_DEFAULT_UNIT = {ENERGY_IMPORT_REGISTER: "Wh", _INTERVAL: "Wh", _POWER: "W"}
# "L1-N" is the phase L1; what lies between two phases, or flows in the neutral, is none of the sum.
_PHASES = {"L1": "L1", "L2": "L2", "L3": "L3", "L1-N": "L1", "L2-N": "L2", "L3-N": "L3"}
_CLOCK_ALIGNED = "Sample.Clock"
_MULTIPLIER_MAX = 24
# Power says nothing of the time between samples that are further apart.
_POWER_GAP_MAX = timedelta(minutes=30)
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_PER_HOUR = 3_600_000_000
_DIGITS = Decimal("0.001")
# So many samples show how many digits their meter has.
_DIGITS_TOLD_BY = 100


class EnergyMethod(StrEnum):
    """How a session's energy was worked out, the best one first."""

    REGISTERS = "registers"
    """Register at the stop minus register at the start."""
    SAMPLED_REGISTERS = "sampled_registers"
    """The last register among the meter values minus the one at the start, or the first one."""
    PHASE_REGISTERS = "phase_registers"
    """The same with the registers of the phases, summed up."""
    INTERVALS = "intervals"
    """Sum of Energy.Active.Import.Interval."""
    POWER = "power"
    """Power.Active.Import over time: an estimate."""
    OPERATOR = "operator"
    """An operator corrected it."""


class ReadingOf(StrEnum):
    """Which transaction meter values name that were told for a session's EVSE."""

    SESSION = "session"
    """The session's."""
    UNKNOWN = "unknown"
    """One that the station does not have: the session on the EVSE is meant (0 or -1, mostly)."""
    NONE = "none"


@dataclass(slots=True)
class Reading:
    """What the meter of a session's EVSE showed at one instant."""

    sampled_at: datetime
    received_at: datetime
    samples: Sequence[MeterSample]
    of: ReadingOf = ReadingOf.SESSION


@dataclass(frozen=True, slots=True)
class Register:
    """The import register at one instant; `resolution_wh` is what its last digit stands for.

    `context` is that of its sample.
    """

    at: datetime
    energy_wh: Decimal
    resolution_wh: Decimal = Decimal(1)
    context: str = ""


@dataclass(frozen=True, slots=True)
class EnergyEstimate:
    """What one method makes of the meter values between two instants.

    `step` is how far its samples are apart, where each tells of the time since the one before.
    `slack_wh` is by how much it may be off: by its last digits, and by what its samples leave open.
    `fastest_w` is the most power that it shows.
    """

    method: EnergyMethod
    energy_wh: Decimal
    first_at: datetime
    last_at: datetime
    step: timedelta = timedelta(0)
    slack_wh: Decimal = Decimal(0)
    fastest_w: Decimal = Decimal(0)


def energy_samples(samples: Iterable[MeterSample]) -> list[MeterSample]:
    """Return those samples that tell an energy of the EVSE's own meter, signed data left out."""
    found = []
    for sample in samples:
        if sample["measurand"] in _UNITS and _scale(sample) is not None:
            sample.pop("signed_meter_value", None)
            found.append(sample)
    return found


def sampled_registers(readings: Iterable[Reading], *, by_arrival: bool = False) -> list[Register]:
    """Return every total of the import register, in the order of time and, at one time, size.

    Args:
        readings: in any order.
        by_arrival: in the order in which they came to us, and only then in that of time.
    """
    found = []
    for reading in readings:
        for sample in reading.samples:
            if sample["measurand"] == ENERGY_IMPORT_REGISTER and "phase" not in sample:
                amount = amount_of(sample)
                if amount is not None:
                    register = Register(
                        reading.sampled_at, amount, resolution_of(sample), sample["context"]
                    )
                    came_at = reading.received_at if by_arrival else reading.sampled_at
                    found.append((came_at, register))
    found.sort(key=lambda each: (each[0], each[1].at, each[1].energy_wh))
    return [register for _, register in found]


def estimate_by_phases(readings: Sequence[Reading]) -> EnergyEstimate | None:
    """Return the rise of the phases' registers between the instants that tell all of them."""
    by_time = _by_phase(readings, ENERGY_IMPORT_REGISTER)
    phases = {phase for amounts in by_time.values() for phase in amounts}
    whole = sorted(at for at, amounts in by_time.items() if amounts.keys() == phases)
    if len(whole) < 2:  # noqa: PLR2004 - a difference needs two
        return None
    totals = [sum(by_time[at].values(), Decimal(0)) for at in whole]
    return EnergyEstimate(
        EnergyMethod.PHASE_REGISTERS,
        totals[-1] - totals[0],
        whole[0],
        whole[-1],
        slack_wh=len(phases) * _digits_wh(readings, ENERGY_IMPORT_REGISTER, of_phases=True),
        fastest_w=max(
            power_between(rise_wh, after - before)
            for (before, after), rise_wh in zip(
                pairwise(whole), (after - before for before, after in pairwise(totals)), strict=True
            )
        ),
    )


def estimate_by_intervals(readings: Sequence[Reading]) -> EnergyEstimate | None:
    """Return the sum of the intervals."""
    series = _series(readings, _INTERVAL)
    if not series:
        return None
    energy_wh = sum(series.values(), Decimal(0))
    times = sorted(series)
    step = median_high([after - before for before, after in pairwise(times)] or [timedelta(0)])
    return EnergyEstimate(
        EnergyMethod.INTERVALS,
        energy_wh,
        times[0],
        times[-1],
        step,
        slack_wh=len(times) * _digits_wh(readings, _INTERVAL),
        fastest_w=power_between(max(series.values()), step) if step else Decimal(0),
    )


def power_between(energy_wh: Decimal, time: timedelta) -> Decimal:
    """Return the power that brings an energy within a time, in W."""
    return energy_wh * _MICROSECONDS_PER_HOUR / Decimal(time // _MICROSECOND)


def energy_within(power_w: Decimal, time: timedelta) -> Decimal:
    """Return the energy that a power brings within a time, in Wh."""
    return power_w * Decimal(time // _MICROSECOND) / _MICROSECONDS_PER_HOUR


def _digits_wh(readings: Iterable[Reading], measurand: str, *, of_phases: bool = False) -> Decimal:
    """Return what the last digit of samples stands for; some makes leave zeros at the end out."""
    told = (
        sample
        for _, sample, _ in _amounts(readings, measurand)
        if not of_phases or "phase" in sample
    )
    return min(map(resolution_of, islice(told, _DIGITS_TOLD_BY)))


def intervals_collide(readings: Iterable[Reading]) -> bool:
    """Tell whether two readings of one instant and kind tell other intervals.

    Then a clock that was set back has shown that time twice, and only one of them is summed up.
    """
    told: dict[tuple[datetime, str, str | None], tuple[Reading, Decimal]] = {}
    for reading in readings:
        for at, sample, amount in _amounts([reading], _INTERVAL):
            key = at, sample["context"], sample.get("phase")
            other, before = told.setdefault(key, (reading, amount))
            if other is not reading and before != amount:
                return True
    return False


def estimate_by_power(readings: Sequence[Reading]) -> EnergyEstimate | None:
    """Return the power over time, as if it changed evenly between two samples."""
    series = sorted(_series(readings, _POWER).items())
    energy_wh, slack_wh = Decimal(0), Decimal(0)
    covered = []
    for (start, start_w), (end, end_w) in pairwise(series):
        if end - start <= _POWER_GAP_MAX:
            energy_wh += energy_within((start_w + end_w) / 2, end - start)
            # It may have changed right after the first one, or right before the second.
            slack_wh += energy_within(abs(start_w - end_w) / 2, end - start)
            covered += [start, end]
    if not covered:
        return None
    energy_wh = energy_wh.quantize(_DIGITS) if energy_wh < 10**20 else energy_wh
    return EnergyEstimate(
        EnergyMethod.POWER,
        energy_wh,
        covered[0],
        covered[-1],
        slack_wh=slack_wh,
        fastest_w=max(power_w for _, power_w in series),
    )


def powers_w(readings: Sequence[Reading]) -> dict[datetime, Decimal]:
    """Return how fast energy flowed, by time."""
    return _series(readings, _POWER)


def _series(readings: Sequence[Reading], measurand: str) -> dict[datetime, Decimal]:
    """Return totals by time, or the sum of the phases where there is no total.

    Clock-aligned values and those sampled for the transaction are two series of the same energy
    (OCPP 1.6 §3.16), and must not be added up: the longer one is taken.
    """
    aligned, sampled = (
        _totals(readings, measurand, clock_aligned=clock_aligned) for clock_aligned in (True, False)
    )
    return aligned if len(aligned) > len(sampled) else sampled


def _totals(
    readings: Iterable[Reading], measurand: str, *, clock_aligned: bool
) -> dict[datetime, Decimal]:
    totals: dict[datetime, Decimal] = {}
    phases: dict[datetime, dict[str, Decimal]] = {}
    for at, sample, amount in _amounts(readings, measurand):
        if (sample["context"] == _CLOCK_ALIGNED) is not clock_aligned:
            continue
        phase = sample.get("phase")
        if phase is None:
            totals[at] = max(amount, totals.get(at, amount))
        elif phase in _PHASES:
            _keep(phases, at, _PHASES[phase], amount)
    for at, amounts in phases.items():
        totals.setdefault(at, sum(amounts.values(), Decimal(0)))
    return totals


def _by_phase(readings: Iterable[Reading], measurand: str) -> Mapping[datetime, dict[str, Decimal]]:
    found: dict[datetime, dict[str, Decimal]] = {}
    for at, sample, amount in _amounts(readings, measurand):
        phase = _PHASES.get(sample.get("phase", ""))
        if phase is not None:
            _keep(found, at, phase, amount)
    return found


def _keep(
    found: dict[datetime, dict[str, Decimal]], at: datetime, phase: str, amount: Decimal
) -> None:
    # Of two values for one instant the larger counts, so that their order does not.
    amounts = found.setdefault(at, {})
    amounts[phase] = max(amount, amounts.get(phase, amount))


def _amounts(
    readings: Iterable[Reading], measurand: str
) -> Iterator[tuple[datetime, MeterSample, Decimal]]:
    for reading in readings:
        for sample in reading.samples:
            if sample["measurand"] == measurand and (amount := amount_of(sample)) is not None:
                yield reading.sampled_at, sample, amount


def _scale(sample: MeterSample) -> Decimal | None:
    """Return what a sample's value is multiplied with, or None if it is not of this EVSE's meter.

    The inlet and the EV have meters of their own, and signed data is no number.
    """
    if sample["location"] != "Outlet" or sample.get("format") == "SignedData":
        return None
    measurand = sample["measurand"]
    scale = _UNITS[measurand].get(sample.get("unit") or _DEFAULT_UNIT[measurand])
    multiplier = sample.get("multiplier") or 0
    if scale is None or abs(multiplier) > _MULTIPLIER_MAX:
        return None
    return scale.scaleb(multiplier)


def amount_of(sample: MeterSample) -> Decimal | None:
    """Return what a sample tells in Wh or W, or None if it is not of this EVSE's meter."""
    scale = _scale(sample)
    return None if scale is None else Decimal(sample["value"]) * scale


def resolution_of(sample: MeterSample) -> Decimal:
    """Return what the last digit of a sample stands for, in its unit without any prefix."""
    exponent = Decimal(sample["value"]).as_tuple().exponent
    scale = _scale(sample) or Decimal(1)
    return scale.scaleb(min(exponent, 0)) if isinstance(exponent, int) else scale
