"""J. Meter values."""

from decimal import Decimal
from math import isfinite
from typing import Any, cast

from ocpp.v201 import call_result
from ocpp.v201.enums import Action

from gateway import quirks
from gateway.decoding import without_decimals
from gateway.handlers import Handlers
from gateway.routing import on
from gateway.translation import check_times, in_turns, parse_item_time
from shared.domain.sessions.meter_values import (
    ENERGY_IMPORT_REGISTER,
    MeterSample,
    MeterValue,
    energy_import_wh,
    is_number,
)
from shared.domain.stations.quirks import QuirkKind
from shared.telemetry import metrics

_METER_VALUES_ANSWER = call_result.MeterValues()
_CUSTOM_DATA = "customData"
# Part 2 appendices, standardized units of measure.
_STANDARD_UNITS = frozenset(
    (
        *("A", "ASU", "B", "Celsius", "dB", "dBm", "Deg", "Fahrenheit", "Hz", "K", "lx", "m"),
        *("ms2", "N", "Ohm", "kPa", "Percent", "RH", "RPM", "s", "V", "VA", "kVA", "VAh"),
        *("kVAh", "var", "kvar", "varh", "kvarh", "W", "kW", "Wh", "kWh"),
    )
)
# In small letters, in which no two are alike, and what names one beyond doubt.
_UNITS = {unit.casefold(): unit for unit in _STANDARD_UNITS} | {
    "%": "Percent",
    "c": "Celsius",
    "°c": "Celsius",
    "f": "Fahrenheit",
    "hertz": "Hz",
}


class MeterValues(Handlers):
    """MeterValues."""

    __slots__ = ()

    @on(Action.meter_values)
    async def on_meter_values(
        self, *, evse_id: int, meter_value: list[dict[str, Any]], **_: object
    ) -> call_result.MeterValues:
        """Keep what an EVSE's meter showed, or for EVSE 0 the main one (J01).

        Those of a transaction come in its events (J02).
        """
        if meter_values := await in_turns(to_meter_values, meter_value):
            await self.keep_readings(evse_id, meter_values)
        return _METER_VALUES_ANSWER


def to_meter_values(
    meter_values: list[dict[str, Any]], *, may_be_none: bool = False
) -> list[MeterValue]:
    """Translate a list of MeterValueType.

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
        samples = []
        for sampled_value in meter_value["sampledValue"]:
            value = sampled_value["value"]
            digits = str(value) if type(value) is int else _digits_of(value)
            if digits is None:
                metrics.samples_dropped.inc()
                quirks.found(QuirkKind.SAMPLE_DROPPED, "sampledValue.value")
            else:
                samples.append(_to_sample(sampled_value, digits))
        if samples:
            sampled_at = parse_item_time(meter_value["timestamp"], "meterValue")
            if sampled_at is None:
                metrics.samples_dropped.inc(len(samples))
            else:
                translated.append(MeterValue(sampled_at, samples, energy_import_wh(samples)))
    if not translated and not may_be_none:
        check_times(meter_values)
    return translated


def _digits_of(value: object) -> str | None:
    """Return a decimal as its meter told it, or any number that is told as a text; else None."""
    kind = type(value)
    if kind is Decimal:
        digits = str(value)  # a third of what its format takes
        return digits if "E" not in digits else f"{value:f}"
    if kind is float:  # too long to be exact, or beyond all measure
        return str(value) if isfinite(cast("float", value)) else None
    if kind is str and is_number(text := cast("str", value).strip()):
        quirks.found(QuirkKind.NUMBER_AS_TEXT, "sampledValue.value")
        return text
    return None


def _find_unit(unit: str) -> str:
    """Return the standardized unit that is meant; one that is none is a vendor's own."""
    meant = _UNITS.get(unit.strip().casefold())
    if meant is None:
        return unit
    quirks.found(QuirkKind.WRONG_CASE, "sampledValue.unitOfMeasure.unit", unit)
    return meant


def _to_sample(sampled_value: dict[str, Any], digits: str) -> MeterSample:
    """Write out the defaults of SampledValueType (part 2 §2.41) and UnitOfMeasureType (§2.49).

    A multiplier of 0 says nothing and is left out, as in OCPP 1.6, which has none.
    """
    get = sampled_value.get
    measurand = get("measurand", ENERGY_IMPORT_REGISTER)
    sample: MeterSample = {
        "value": digits,
        "measurand": measurand,
        "context": get("context", "Sample.Periodic"),
        "location": get("location", "Outlet"),
    }
    unit_of_measure = get("unitOfMeasure", {})
    unit = unit_of_measure.get("unit")
    if unit is None and measurand.startswith("Energy"):
        unit = "Wh"
    if unit is not None:
        sample["unit"] = unit if unit in _STANDARD_UNITS else _find_unit(unit)
    if multiplier := unit_of_measure.get("multiplier"):
        sample["multiplier"] = multiplier
    if phase := get("phase"):
        sample["phase"] = phase
    if signed_meter_value := get("signedMeterValue"):
        if _CUSTOM_DATA in signed_meter_value:  # nothing else in it is a number
            signed_meter_value = without_decimals(signed_meter_value)
        sample["signed_meter_value"] = signed_meter_value
    return sample
