"""Meter readings as OCPP 2.0.1 writes them."""

from simulator.charging import Reading, SampleContext
from simulator.context import Context
from simulator.rpc import Payload


def meter_values(
    context: Context, reading: Reading, why: SampleContext, measurands: tuple[str, ...]
) -> list[Payload]:
    """Return one MeterValueType (2.32), or none when there is nothing to tell.

    Args:
        context: Whose clock writes the timestamp.
        reading: What the meter showed.
        why: Why it was read.
        measurands: Which of its values to tell; the state of charge only if there is a vehicle.
    """
    samples = [
        _sampled_value(reading, why, measurand)
        for measurand in measurands
        if measurand != "SoC" or reading.soc_percent is not None
    ]
    if not samples:
        return []
    return [{"timestamp": context.timestamp(reading.at), "sampledValue": samples}]


def _sampled_value(reading: Reading, why: SampleContext, measurand: str) -> Payload:
    """Return a SampledValueType; the value is a number in 2.0.1 (2.41)."""
    value: float
    match measurand:
        case "Energy.Active.Import.Register":
            value, unit = reading.energy_wh, "Wh"
        case "Power.Active.Import":
            value, unit = reading.power_w, "W"
        case "Current.Import":
            value, unit = reading.current_a, "A"
        case "Voltage":
            value, unit = reading.voltage_v, "V"
        case "SoC":
            value, unit = reading.soc_percent or 0.0, "Percent"
        case _:
            raise ValueError(f"no meter of this station measures {measurand}")
    return {
        "value": value,
        "context": why.value,
        "measurand": measurand,
        # The state of charge is read from the vehicle, everything else at the outlet.
        "location": "EV" if measurand == "SoC" else "Outlet",
        "unitOfMeasure": {"unit": unit, "multiplier": 0},
    }
