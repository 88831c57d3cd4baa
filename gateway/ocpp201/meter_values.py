"""J. Meter values."""

from typing import Any

from ocpp.v201 import call_result
from ocpp.v201.enums import Action

from gateway import quirks
from gateway.handlers import Handlers
from gateway.routing import on
from gateway.translation import in_turns, parse_time
from shared.domain.meter_values import (
    ENERGY_IMPORT_REGISTER,
    MeterSample,
    MeterValue,
    energy_import_wh,
)
from shared.domain.quirks import QuirkKind
from shared.telemetry import metrics

_METER_VALUES_ANSWER = call_result.MeterValues()


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


def to_meter_values(meter_values: list[dict[str, Any]]) -> list[MeterValue]:
    """Translate a list of MeterValueType.

    A sample that is no number is dropped and counted; the others of its message stay.

    Raises:
        CallRefusedError: a timestamp is no time.
    """
    translated = []
    for meter_value in meter_values:
        samples = [
            _to_sample(sampled_value)
            for sampled_value in meter_value["sampledValue"]
            if type(sampled_value["value"]) in {int, float}
        ]
        dropped = len(meter_value["sampledValue"]) - len(samples)
        if dropped:
            metrics.samples_dropped.inc(dropped)
            quirks.found(QuirkKind.SAMPLE_DROPPED, "sampledValue.value")
        if samples:
            sampled_at = parse_time(meter_value["timestamp"])
            translated.append(MeterValue(sampled_at, samples, energy_import_wh(samples)))
    return translated


def _to_sample(sampled_value: dict[str, Any]) -> MeterSample:
    """Write out the defaults of SampledValueType (part 2 §2.41) and UnitOfMeasureType (§2.49).

    A multiplier of 0 says nothing and is left out, as in OCPP 1.6, which has none.
    """
    get = sampled_value.get
    measurand = get("measurand", ENERGY_IMPORT_REGISTER)
    sample: MeterSample = {
        "value": str(sampled_value["value"]),
        "measurand": measurand,
        "context": get("context", "Sample.Periodic"),
        "location": get("location", "Outlet"),
    }
    unit_of_measure = get("unitOfMeasure", {})
    unit = unit_of_measure.get("unit")
    if unit is None and measurand.startswith("Energy"):
        unit = "Wh"
    if unit is not None:
        sample["unit"] = unit
    if multiplier := unit_of_measure.get("multiplier"):
        sample["multiplier"] = multiplier
    if phase := get("phase"):
        sample["phase"] = phase
    if signed_meter_value := get("signedMeterValue"):
        sample["signed_meter_value"] = signed_meter_value
    return sample
