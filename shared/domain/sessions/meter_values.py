"""Meter values in one shape for every version of OCPP.

They are most of what stations say, so what is made for each of them is not frozen: a frozen
dataclass takes three times as long to make.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from typing import Any, NotRequired, TypedDict

ENERGY_IMPORT_REGISTER = "Energy.Active.Import.Register"


class ReadingContext(StrEnum):
    """Why a sample was taken (OCPP 1.6 §7.35; OCPP 2.0.1 ReadingContextEnumType has the same)."""

    INTERRUPTION_BEGIN = "Interruption.Begin"
    INTERRUPTION_END = "Interruption.End"
    OTHER = "Other"
    SAMPLE_CLOCK = "Sample.Clock"
    """Aligned with the clock, whether or not there is a transaction."""
    SAMPLE_PERIODIC = "Sample.Periodic"
    """Every so many seconds of a transaction."""
    TRANSACTION_BEGIN = "Transaction.Begin"
    TRANSACTION_END = "Transaction.End"
    TRIGGER = "Trigger"
    """Because we asked for it."""


BEGIN_CONTEXTS = frozenset({ReadingContext.INTERRUPTION_BEGIN, ReadingContext.TRANSACTION_BEGIN})
"""Of samples that some makes tell again beside later ones."""
_WH_PER_UNIT = {"Wh": Decimal(1), "kWh": Decimal(1000)}
# Exponents of 10 beyond any prefix of a unit: what carries one is no register.
_MULTIPLIER_MAX = 24


class MeterSample(TypedDict):
    """One SampledValue, its defaults written out (OCPP 2.0.1 part 2 §2.43).

    `value` keeps the digits the meter sent; of a 1.6 sample with the format `SignedData` it is the
    signed data, word for word (OCMF for instance). Units are called as in OCPP 2.0.1's list of
    standardized units. Members that the station left out and that have no default are absent.
    """

    value: str
    measurand: str
    context: str
    location: str
    unit: NotRequired[str]
    multiplier: NotRequired[int]
    phase: NotRequired[str]
    format: NotRequired[str]
    signed_meter_value: NotRequired[dict[str, Any]]
    """SignedMeterValueType, word for word: a signature holds for nothing else."""


@dataclass(slots=True)
class MeterValue:
    """What one meter showed at one instant.

    `energy_wh` is the total of the import register, if it was among the samples.
    """

    sampled_at: datetime
    samples: list[MeterSample]
    energy_wh: Decimal | None


@dataclass(slots=True)
class MeterValuesReported:
    """The station told what its meter showed, with or without a transaction."""

    station_id: str
    evse_id: int
    transaction_id: str | None
    meter_values: list[MeterValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMeterValue:
    """A meter value as it is kept."""

    station_id: str
    evse_id: int
    transaction_id: str | None
    sampled_at: datetime
    received_at: datetime
    energy_wh: Decimal | None
    samples: list[MeterSample]

    def only(self, context: ReadingContext) -> "StoredMeterValue":
        """Return it with the samples of this context alone."""
        return replace(
            self, samples=[sample for sample in self.samples if sample["context"] == context]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterValueFilter:
    """Which meter values; None is any. `since` is included, `until` is not."""

    since: datetime
    until: datetime
    station_id: str | None = None
    evse_id: int | None = None
    context: ReadingContext | None = None
    in_transaction: bool | None = None


def is_number(value: str) -> bool:
    """Tell whether `value` is a finite decimal number, as a sampled value has to be."""
    try:
        finite = isfinite(float(value))
    except ValueError:
        return False
    # Python reads "1_000" and the digits of other scripts as well; meters do not write them.
    return finite and "_" not in value and value.isascii()


def energy_import_wh(samples: list[MeterSample]) -> Decimal | None:
    """Return the import register's total in Wh, or None if no sample tells it.

    A register of one phase is not the total, and a sample at the inlet or of the EV is another
    meter's. What the meter showed at a begin counts only if there is no other.
    """
    begin_wh = None
    for sample in samples:
        if sample["measurand"] == ENERGY_IMPORT_REGISTER and (wh := _total_wh(sample)) is not None:
            if sample["context"] not in BEGIN_CONTEXTS:
                return wh
            begin_wh = wh if begin_wh is None else begin_wh
    return begin_wh


def import_registers(samples: list[MeterSample]) -> Iterator[tuple[Decimal, str]]:
    """Give every total of the import register in Wh, with the context it was read in."""
    for sample in samples:
        if sample["measurand"] == ENERGY_IMPORT_REGISTER and (wh := _total_wh(sample)) is not None:
            yield wh, sample["context"]


def _total_wh(sample: MeterSample) -> Decimal | None:
    if (
        sample["location"] != "Outlet"
        or "phase" in sample
        or sample.get("format") == "SignedData"
        or (scale := _WH_PER_UNIT.get(sample.get("unit", "Wh"))) is None
    ):
        return None
    value = Decimal(sample["value"]) * scale
    multiplier = sample.get("multiplier")
    if not multiplier:
        return value
    return value.scaleb(multiplier) if abs(multiplier) <= _MULTIPLIER_MAX else None
