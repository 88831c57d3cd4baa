"""OCPP 1.6 meter values into the domain's."""

from typing import Any

from gateway import quirks
from gateway.translation import check_times, parse_item_time
from shared.domain.sessions.meter_values import (
    ENERGY_IMPORT_REGISTER,
    MeterSample,
    MeterValue,
    energy_import_wh,
    is_number,
)
from shared.domain.stations.quirks import QuirkKind
from shared.telemetry import metrics

_DEFAULTS = {
    "context": "Sample.Periodic",
    "location": "Outlet",
    "measurand": ENERGY_IMPORT_REGISTER,
}
# What a sample without a unit is measured in. By §7.43 that is Wh for any energy, but a reactive
# register counts varh by its definition in §7.31, and so these are (ours). Frequency is in hertz,
# which 1.6 had no unit for (errata 3.86); the last two are what they are by §7.31.
_DEFAULT_UNIT = {
    **{
        f"Energy.Active.{direction}.{kind}": "Wh"
        for direction in ("Export", "Import")
        for kind in ("Register", "Interval")
    },
    **{
        f"Energy.Reactive.{direction}.{kind}": "varh"
        for direction in ("Export", "Import")
        for kind in ("Register", "Interval")
    },
    "Frequency": "Hz",
    "RPM": "RPM",
    "SoC": "Percent",
}
# Spellings of 1.6's schemas and what everybody else says (errata JE 2.1).
_UNIT = {"Celcius": "Celsius", "Hertz": "Hz"}


def to_meter_values(
    meter_values: list[dict[str, Any]], *, may_be_none: bool = False
) -> list[MeterValue]:
    """Translate a `meterValue` or `transactionData` list.

    A sample that is no number is dropped and counted, and so are those whose time is none; the
    others of their message stay.

    Args:
        meter_values: as they were on the wire.
        may_be_none: whether their message says something without any of them.

    Raises:
        CallRefusedError: it does not, and none is left because of a time.
    """
    translated = []
    for meter_value in meter_values:
        samples = [
            _to_sample(sampled_value)
            for sampled_value in meter_value["sampledValue"]
            if is_number(sampled_value["value"]) or sampled_value.get("format") == "SignedData"
        ]
        dropped = len(meter_value["sampledValue"]) - len(samples)
        if dropped:
            metrics.samples_dropped.inc(dropped)
            quirks.found(QuirkKind.SAMPLE_DROPPED, "sampledValue.value")
        if samples:
            sampled_at = parse_item_time(meter_value["timestamp"], "meterValue")
            if sampled_at is None:
                metrics.samples_dropped.inc(len(samples))
            else:
                translated.append(MeterValue(sampled_at, samples, energy_import_wh(samples)))
    if not translated and not may_be_none:
        check_times(meter_values)
    return translated


def _to_sample(sampled_value: dict[str, Any]) -> MeterSample:
    """Write out the defaults of SampledValue (OCPP 1.6 §7.43)."""
    sample: MeterSample = {**_DEFAULTS, **sampled_value}  # type: ignore[typeddict-item]  # by schema
    unit = sample.get("unit")
    if unit is None:
        if (default := _DEFAULT_UNIT.get(sample["measurand"])) is not None:
            sample["unit"] = default
    elif unit in _UNIT:
        sample["unit"] = _UNIT[unit]
    return sample
